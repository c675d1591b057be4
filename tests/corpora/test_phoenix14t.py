"""PHOENIX-2014T on a miniature of its native release."""

import pytest
import release_damage as damage
from releases import copied

from c2rl.corpora import phoenix14t
from c2rl.corpora.clip import Choice


def test_the_native_release_is_read_as_it_is(miniature):
    release = miniature("phoenix14t")
    found = phoenix14t.read(release.root, Choice())
    told = [(e.clip.id, e.clip.split, e.clip.sentence, e.clip.source) for e in found.entries]
    assert told == [(c.id, c.split, c.sentence, c.source) for c in release.clips]
    assert {e.clip.signer for e in found.entries} == {c.signer for c in release.clips}
    assert {(e.clip.fps, e.clip.language, e.clip.group, e.status) for e in found.entries} == {
        (25.0, "de", None, "")
    }
    assert found.absent == []
    assert {path.name for path in found.files} == {
        f"PHOENIX-2014-T.{split}.corpus.csv" for split in ("train", "dev", "test")
    }


def test_the_folder_1_of_the_column_video_is_used_where_somebody_made_it(miniature):
    release = miniature("phoenix14t", inner_folder=True)
    found = phoenix14t.read(release.root, Choice())
    assert [e.clip.source for e in found.entries] == [f"{c.source}/1" for c in release.clips]


@pytest.mark.parametrize(
    "below", ["PHOENIX-2014-T-release-v3", "PHOENIX-2014-T-release-v3/PHOENIX-2014-T"]
)
def test_any_of_its_folders_may_be_the_root(miniature, below):
    release = miniature("phoenix14t")
    found = phoenix14t.read(release.root / below, Choice())
    assert len(found.entries) == len(release.clips)
    assert all((release.root / below / e.clip.source).is_dir() for e in found.entries)


def test_quotation_marks_are_text(miniature):
    release = miniature("phoenix14t")
    sentences = [e.clip.sentence for e in phoenix14t.read(release.root, Choice()).entries]
    assert sum('"' in sentence for sentence in sentences) == 1


def test_an_absent_split_is_named(miniature, tmp_path):
    release = copied(miniature("phoenix14t"), tmp_path)
    damage.lose(tmp_path, release.files["test"])
    found = phoenix14t.read(tmp_path, Choice())
    assert found.absent == [f"test: {release.files['test']}"]
    assert {e.clip.split for e in found.entries} == {"train", "dev"}


def test_another_delimiter_is_told_with_the_header_that_was_found(miniature, tmp_path):
    release = copied(miniature("phoenix14t"), tmp_path)
    damage.rename(tmp_path, release.files["dev"], "|", ";")
    with pytest.raises(ValueError, match=r"columns missing.*found the header 'name;video.*'\|'"):
        phoenix14t.read(tmp_path, Choice())


def test_a_web_page_and_another_encoding_are_told_apart(miniature, tmp_path):
    release = copied(miniature("phoenix14t"), tmp_path)
    damage.recode(tmp_path, release.files["dev"])
    with pytest.raises(ValueError, match=r"line \d+: byte 0x\w\w is not UTF-8"):
        phoenix14t.read(tmp_path, Choice())
    damage.html(tmp_path, release.files["dev"])
    with pytest.raises(ValueError, match=r"dev\.corpus\.csv is a web page, not an annotation file"):
        phoenix14t.read(tmp_path, Choice())
