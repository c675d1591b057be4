"""OpenASL on a miniature of its native release."""

import json

import pytest
import release_damage as damage
from releases import copied

from c2rl.corpora import openasl
from c2rl.corpora.clip import Choice


@pytest.mark.parametrize("folder", ["videos", "raw", "data/videos"])
def test_the_native_release_is_read_as_it_is(miniature, folder):
    release = miniature("openasl", folder=folder)
    found = openasl.read(release.root, Choice())
    for entry, expected in zip(found.entries, release.clips, strict=True):
        clip = entry.clip
        assert (clip.id, clip.split, clip.sentence, clip.start_s, clip.end_s) == (
            expected.id, expected.split, expected.sentence, expected.start_s, expected.end_s,
        )  # fmt: skip
        if expected.status == "ok":
            assert clip.source == expected.source
        box = clip.relative_box
        scaled = (
            None
            if box is None
            else tuple(round(x * s) for x, s in zip(box, (320, 180) * 2, strict=True))
        )
        assert scaled == expected.box
    assert found.notes == []
    assert found.absent == []


def test_clips_of_equal_sentences_are_a_group(miniature):
    entries = openasl.read(miniature("openasl").root, Choice()).entries
    groups = {(e.clip.sentence, e.clip.group) for e in entries}
    assert len(groups) == len({e.clip.sentence for e in entries}) == len({g for _, g in groups})


def test_ids_with_colons_are_safe_on_disk():
    name = openasl.file_name("-Ab_c-00:00:14.100-00:00:17.266")
    assert name == "-Ab_c-00-00-14.100-00-00-17.266"


def test_a_table_that_csv_cannot_read_is_read_with_bare_quotation_marks(miniature, tmp_path):
    release = copied(miniature("openasl"), tmp_path)
    first = release.clips[0]
    text = (tmp_path / release.files["table"]).read_text(encoding="utf-8")
    bare = text.replace(f"\t{first.sentence}\t", '\t"so he said\t')
    (tmp_path / release.files["table"]).write_text(bare, encoding="utf-8")
    found = openasl.read(tmp_path, Choice())
    assert len(found.entries) == len(release.clips)
    assert next(e for e in found.entries if e.clip.id == first.id).clip.sentence == '"so he said'
    assert [note for note in found.notes if "bare quotation marks" in note]


def test_boxes_that_are_no_rectangles_are_told_and_not_used(miniature, tmp_path):
    release = copied(miniature("openasl"), tmp_path)
    path = tmp_path / release.files["boxes"]
    boxes = json.loads(path.read_text())
    first = next(iter(boxes))
    path.write_text(json.dumps(boxes | {first: [0.5, 0.5, 0.2, 0.9]}))
    found = openasl.read(tmp_path, Choice())
    assert [note for note in found.notes if note.startswith("1 boxes") and first in note]
    assert next(e for e in found.entries if e.clip.id == first).clip.relative_box is None


def test_another_split_name_is_refused(miniature, tmp_path):
    release = copied(miniature("openasl"), tmp_path)
    damage.rename(tmp_path, release.files["table"], "\tvalid\n", "\tval\n")
    with pytest.raises(ValueError, match=r"split 'val', expected one of train, valid, test"):
        openasl.read(tmp_path, Choice())


def test_absent_annotations_tell_where_they_are_obtained(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"openasl-v1\.0\.tsv is missing\. github\.com"):
        openasl.read(tmp_path, Choice())
