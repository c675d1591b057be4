"""How2Sign on a miniature of its native release."""

import pytest
import release_damage as damage
from releases import copied

from c2rl.corpora import how2sign
from c2rl.corpora.clip import Choice

BESIDE_BOXES = "CiCo's box file, which defines the valid clips, leaves it out"


def test_the_realigned_tables_are_read_as_they_are(miniature):
    release = miniature("how2sign", boxes=False)
    found = how2sign.read(release.root, Choice())
    told = [
        (c.id, c.split, c.sentence, c.source, c.start_s, c.end_s, c.signer, c.group, c.box)
        for c, _, _ in found.entries
    ]
    assert told == [
        (c.id, c.split, c.sentence, c.source, c.start_s, c.end_s, c.signer, c.group, c.box)
        for c in release.clips
    ]
    assert any('"' in sentence and '""' not in sentence for _, _, sentence, *_ in told)
    assert {e.status for e in found.entries} == {""}  # only the videos tell what is beyond the end


def test_boxes_are_matched_by_the_place_in_time_and_define_the_valid_clips(miniature):
    release = miniature("how2sign")
    found = how2sign.read(release.root, Choice())
    for entry, expected in zip(found.entries, release.clips, strict=True):
        box = entry.clip.box
        inside = None if box is None else (*box[:2], min(box[2], 320), min(box[3], 180))
        assert inside == expected.box
        invalid = expected.status != "ok" and expected.split != "dev"
        assert (entry.status, entry.reason) == (
            ("known_defect", BESIDE_BOXES) if invalid else ("", "")
        )
    assert found.notes == ["no box file for dev"]


def test_the_corners_of_the_boxes_are_a_choice(miniature):
    release = miniature("how2sign")
    extent, corners = (
        [e.clip.box for e in how2sign.read(release.root, Choice(box=kind)).entries if e.clip.box]
        for kind in ("extent", "corners")
    )
    assert [box[:2] for box in extent] == [box[:2] for box in corners]
    assert all(b[3] == 180 and a[3] > 180 for a, b in zip(extent, corners, strict=True))


def test_the_nine_invalid_test_clips_are_known_by_name():
    assert len(how2sign.INVALID) == 9
    assert "fzrJBu2qsM8_11-8-rgb_front" in how2sign.INVALID


def test_the_copy_with_mojibake_is_told_and_mended_on_request_only(miniature):
    good, bad = (miniature("how2sign", mojibake=mojibake) for mojibake in (False, True))
    as_is = how2sign.read(bad.root, Choice())
    assert [e.clip.sentence for e in as_is.entries] == [c.sentence for c in bad.clips]
    assert sum("mojibake" in note and "mends them" in note for note in as_is.notes) > 0
    mended = how2sign.read(bad.root, Choice(repair_text=True))
    expected = [c.sentence.replace("'", "’") for c in good.clips]
    assert [e.clip.sentence.replace("'", "’") for e in mended.entries] == expected
    assert all("mended" in note for note in mended.notes if "mojibake" in note)


def test_the_original_tables_go_with_the_clips_that_were_cut_by_them(miniature):
    release = miniature("how2sign", sentence_clips=True)
    found = how2sign.read(release.root, Choice(labels="original"))
    assert [e.clip.id for e in found.entries] == [c.id for c in release.clips]
    assert {(e.clip.start_s, e.clip.end_s, e.clip.box) for e in found.entries} == {(None,) * 3}
    assert all("/sentence_level/" in e.clip.source for e in found.entries)
    there = {e.clip.id for e in found.entries if (release.root / e.clip.source).is_file()}
    assert there >= {c.id for c in release.clips if c.status == "ok"}


def test_the_home_folder_may_be_the_root(miniature):
    release = miniature("how2sign", boxes=False)
    found = how2sign.read(release.root / "How2Sign", Choice())
    assert [e.clip.id for e in found.entries] == [c.id for c in release.clips]


def test_a_time_that_is_none_is_told_with_its_line(miniature, tmp_path):
    release = copied(miniature("how2sign"), tmp_path)
    late = next(c for c in release.clips if c.split == "test")
    damage.rename(tmp_path, release.files["test"], f"\t{late.end_s:g}\t", "\tsoon\t")
    with pytest.raises(ValueError, match=r"realigned_test\.csv: line \d+: 'soon' is no time"):
        how2sign.read(tmp_path, Choice())
