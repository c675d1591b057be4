"""What a detector found is kept, so that no clip is looked at twice."""

import os

import pytest

from c2rl.corpora.clip import Clip
from c2rl.prepare.places import Places
from c2rl.video.decode import Result, Task
from c2rl.video.signer import Place

FOUND = Place((1, 2, 3, 4), "detector", 0.9, 2, True)
NOBODY = Place((0, 0, 9, 9), "square", 0.0, 0, True)
ANNOTATED = Place((5, 5, 8, 8), "box")


@pytest.fixture
def task(tmp_path):
    def make(name: str) -> Task:
        if not (tmp_path / f"{name}.mp4").exists():
            (tmp_path / f"{name}.mp4").write_bytes(b"a video")
        return Task(tmp_path, Clip(name, "train", "s", "en", f"{name}.mp4"), 24, "png", 1)

    return make


def test_what_was_searched_is_found_again_and_the_rest_is_not_kept(tmp_path, task):
    journal = Places(tmp_path / "journal")
    for name, place in (("a", FOUND), ("b", NOBODY), ("c", ANNOTATED)):
        journal.keep(task(name), Result("ok", place=place))
    journal.close()
    again = Places(tmp_path / "journal")
    assert [again.of(task(name)) for name in "abcd"] == [FOUND, NOBODY, None, None]


def test_another_segment_or_a_changed_file_is_looked_at_again(tmp_path, task):
    journal = Places(tmp_path / "journal")
    one = task("a")
    journal.keep(one, Result("ok", place=FOUND))
    journal.close()
    again = Places(tmp_path / "journal")
    assert again.of(one) == FOUND
    assert again.of(one._replace(clip=one.clip._replace(start_s=0.0, end_s=1.0))) is None
    os.utime(tmp_path / "a.mp4", (1, 1))
    assert again.of(one) is None


def test_a_torn_line_costs_one_clip(tmp_path, task):
    path = tmp_path / "journal"
    journal = Places(path)
    tasks = [task(name) for name in "ab"]
    for one in tasks:
        journal.keep(one, Result("ok", place=FOUND))
    journal.close()
    whole = path.read_bytes()
    path.write_bytes(whole[:-9])
    torn = Places(path)
    assert [torn.of(one) for one in tasks] == [FOUND, None]
    torn.keep(tasks[1], Result("ok", place=NOBODY))
    torn.close()
    assert [Places(path).of(one) for one in tasks] == [FOUND, NOBODY]


def test_nothing_is_written_where_no_detector_looked(tmp_path, task):
    journal = Places(tmp_path / "journal")
    journal.keep(task("a"), Result("ok", place=ANNOTATED))
    journal.close()
    assert not (tmp_path / "journal").exists()
