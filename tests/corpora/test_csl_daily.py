"""CSL-Daily on a miniature of its native release."""

import pytest
import release_damage as damage
from release_csl_daily import LAYOUTS, LISTED_ONLY, UNLISTED
from releases import copied

from c2rl.corpora import csl_daily
from c2rl.corpora.clip import Choice


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout_of_the_release_is_read_as_it_is(miniature, layout):
    release = miniature("csl_daily", layout=layout)
    found = csl_daily.read(release.root, Choice())
    told = [
        (e.clip.id, e.clip.split, e.clip.sentence, e.clip.source, e.clip.signer, e.clip.group)
        for e in found.entries
    ]
    assert told == [(c.id, c.split, c.sentence, c.source, c.signer, c.group) for c in release.clips]
    rate = None if layout == "sentence-crop" else 30.0
    assert {(e.clip.fps, e.clip.language) for e in found.entries} == {(rate, "zh")}
    assert found.lengths == {
        c.id: c.num_frames for c in [*release.clips, *release.unlisted] if c.num_frames
    }


def test_the_clip_that_was_never_released_has_a_status_and_the_unlisted_one_a_note(miniature):
    found = csl_daily.read(miniature("csl_daily").root, Choice())
    (entry,) = (e for e in found.entries if e.status)
    assert (entry.clip.id, entry.status) == (LISTED_ONLY, "known_defect")
    assert UNLISTED in entry.reason
    assert [UNLISTED in note for note in found.notes] == [True]
    assert UNLISTED not in {e.clip.id for e in found.entries}


def test_a_release_that_has_the_clip_keeps_it(miniature, tmp_path):
    release = copied(miniature("csl_daily"), tmp_path)
    for name in ("pickle", "map"):
        damage.rename(tmp_path, release.files[name], UNLISTED, LISTED_ONLY)
    folder = tmp_path / release.unlisted[0].source
    folder.rename(folder.with_name(LISTED_ONLY))
    found = csl_daily.read(tmp_path, Choice())
    assert not [e for e in found.entries if e.status]
    assert found.notes == []


def test_full_width_punctuation_is_kept(miniature):
    sentences = "".join(
        e.clip.sentence for e in csl_daily.read(miniature("csl_daily").root, Choice()).entries
    )
    assert "，" in sentences
    assert "。" in sentences
    assert " " not in sentences


def test_the_other_version_of_the_text_is_a_choice(miniature):
    release = miniature("csl_daily")
    ours = csl_daily.read(release.root, Choice()).entries
    other = csl_daily.read(release.root, Choice(labels="video_map")).entries
    assert [a.clip.id for a in ours] == [b.clip.id for b in other]
    changed = [a.clip.split for a, b in zip(ours, other, strict=True) if a.clip != b.clip]
    assert changed == ["dev"]


def test_a_clip_without_annotation_has_a_status(miniature, tmp_path):
    release = copied(miniature("csl_daily"), tmp_path)
    name = release.ids("train")[-1]
    damage.rename(tmp_path, release.files["pickle"], name, "S999999_P0009_T00")
    (entry,) = (e for e in csl_daily.read(tmp_path, Choice()).entries if e.clip.id == name)
    assert entry.status == "no_annotation"


def test_a_pickle_that_calls_is_refused_and_not_run(miniature, tmp_path):
    release = copied(miniature("csl_daily"), tmp_path / "release")
    damage.bomb(release.root, release.files["pickle"], tmp_path / "marker")
    with pytest.raises(ValueError, match=r"csl2020ct_v2\.pkl.*mkdir"):
        csl_daily.read(release.root, Choice())
    assert not (tmp_path / "marker").exists()


def test_an_absent_annotation_file_is_named(miniature, tmp_path):
    release = copied(miniature("csl_daily"), tmp_path)
    damage.lose(tmp_path, release.files["split"])
    with pytest.raises(FileNotFoundError, match=r"split_1\.txt is missing"):
        csl_daily.read(tmp_path, Choice())
    with pytest.raises(FileNotFoundError, match=r"unisign labels"):
        csl_daily.read(tmp_path, Choice(labels="unisign"))
