"""Every miniature of a native release through stage prepare: clips, frames, boxes, reasons."""

import json
from pathlib import Path

import numpy as np
import pytest
from films import unpack
from release_csl_daily import LISTED_ONLY
from releases import Release, copied

from c2rl import config
from c2rl.corpora.clip import Choice
from c2rl.prepare import check, run
from c2rl.store.frames import FrameStore
from c2rl.store.manifest import OK, Row
from c2rl.video.source import read_frames

KNOBS = {
    "size": "nano", "language": "de", "seed": 0, "vocabulary": 28, "signers": 8,
    "reordering": 1.0, "noise": 1.0,
}  # fmt: skip
CROP = {
    "method": "corpus", "weights": "none", "box": "extent",
    "frames": 3, "score": 0.5, "margin": 0.1,
}  # fmt: skip


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("C2RL_WORKERS", "2")
    monkeypatch.delenv("C2RL_SCRATCH", raising=False)


def prepare(name: str, made: Release, monkeypatch, **crop: object) -> FrameStore:
    monkeypatch.setenv("C2RL_DATA", str(made.root))
    target = Path(f"data/corpora/{name}.json")
    check.check(name, None, Choice(), target=target)
    params = config.PrepareParams(
        dataset=name,
        synthsign=KNOBS,
        prepare={"labels": "release", "repair_text": False},
        crop=CROP | crop,
        frames={"size": 32, "codec": "png", "quality": 95},
    )
    frames = Path(f"data/frames/{name}")
    run.prepare(params, release=target, frames=frames, metrics=Path("prepare.json"))
    return FrameStore(frames)


def by_id(store: FrameStore) -> dict[str, Row]:
    return {row.clip.id: row for row in store.manifest}


@pytest.mark.parametrize("options", [{}, {"inner_folder": True, "plain_numbers": True}])
def test_phoenix14t_gives_all_frames_in_the_order_of_their_numbers(miniature, monkeypatch, options):
    made = miniature("phoenix14t", **options)
    store = prepare("phoenix14t", made, monkeypatch)
    assert {r.clip.id: r.num_frames for r in store.rows} == {c.id: c.num_frames for c in made.clips}
    assert {(r.fps, r.decoder, r.box_from, r.video["codec"]) for r in store.rows} == {
        (25.0, "frames", "whole", "png")
    }
    one = made.clips[0]
    folder = made.root / store.rows[0].clip.source
    name = "images{}.png" if options else "images{:04d}.png"
    for number in (0, 9):  # the tenth image: 10 comes after 9, not after 1
        (expected,) = read_frames(folder, keep=[number]).images
        assert (folder / name.format(number + 1)).is_file()
        stored = unpack(store.read(0, [number]))[0]
        assert np.abs(stored.mean((0, 1)) - expected.mean((0, 1))).max() < 2, one.id


@pytest.mark.parametrize("layout", ["sentence/frames_512x512", "sentence-crop"])
def test_csl_daily_leaves_out_what_was_never_released(miniature, monkeypatch, layout):
    made = miniature("csl_daily", layout=layout)
    store = prepare("csl_daily", made, monkeypatch)
    rows = by_id(store)
    assert rows[LISTED_ONLY].status == "known_defect"
    expected = {c.id: c.num_frames for c in made.clips if c.status == "ok"}
    assert {r.clip.id: r.num_frames for r in store.rows} == expected
    assert {r.fps for r in store.rows} == {30.0}


def test_how2sign_is_cut_by_seconds_and_cropped_to_cicos_boxes(miniature, monkeypatch):
    made = miniature("how2sign")
    store = prepare("how2sign", made, monkeypatch)
    rows = by_id(store)
    for clip in made.clips:
        row = rows[clip.id]
        assert row.num_frames == clip.num_frames, clip
        assert (row.status == OK) == (clip.status == "ok"), row
        if row.status == OK:
            assert row.fps == pytest.approx(clip.fps)
            by, box = ("box", clip.box) if clip.box else ("square", (70, 0, 250, 180))
            assert row.box_from == by
            assert (*row.clip.box[:2], min(row.clip.box[2], 320), min(row.clip.box[3], 180)) == box
    dropped = {c.split: rows[c.id].status for c in made.clips if c.status != "ok"}
    assert set(dropped.values()) <= {"known_defect", "bad_segment", "too_short"}
    told = json.loads(Path("prepare.json").read_text())
    assert set(told["train"]["cropped"]) == {"box"}
    assert set(told["dev"]["cropped"]) == {"square"}  # no box file, and no detector is named


def test_the_rule_finds_what_no_box_file_tells(miniature, monkeypatch):
    made = miniature("how2sign", boxes=False)
    rows = by_id(prepare("how2sign", made, monkeypatch, method="none"))
    found = {id_: row.status for id_, row in rows.items() if row.status != OK}
    assert set(found) == {c.id for c in made.clips if c.status != "ok"}
    assert set(found.values()) == {"bad_segment", "too_short"}
    reasons = {row.reason for row in rows.values() if row.status == "too_short"}
    assert reasons == {"2 frames remain, at least 3 are needed"}


def test_openasl_boxes_become_squares_and_gone_videos_a_status(miniature, monkeypatch):
    made = miniature("openasl")
    store = prepare("openasl", made, monkeypatch)
    rows = by_id(store)
    assert {i for i, r in rows.items() if r.status == "missing_file"} == set(
        made.ids("train", "missing_file")
    )
    for clip in made.clips:
        row = rows[clip.id]
        assert row.num_frames == clip.num_frames
        if row.status == OK and clip.box is None:
            assert row.box_from == "square"
        elif row.status == OK:
            x0, y0, x1, y1 = row.clip.box
            assert x1 - x0 == y1 - y0 == max(clip.box[2] - clip.box[0], clip.box[3] - clip.box[1])
            centre = ((x0 + x1) / 2, (y0 + y1) / 2)
            assert centre == pytest.approx(
                ((clip.box[0] + clip.box[2]) / 2, (clip.box[1] + clip.box[3]) / 2), abs=1
            )


def test_what_lies_outside_of_an_openasl_square_is_black(miniature, monkeypatch):
    made = miniature("openasl")
    store = prepare("openasl", made, monkeypatch)
    number = next(
        n for n, r in enumerate(store.rows) if r.box_from == "box" and r.clip.box[3] > 180
    )
    _, y0, _, y1 = store.rows[number].clip.box
    outside = round((y1 - 180) * 32 / (y1 - y0))
    assert outside >= 1
    frame = unpack(store.read(number, [0]))[0]
    assert frame[32 - outside + 1 :].max(initial=0) == 0
    assert frame[: 32 - outside - 1].mean() > 20


def test_overlays_of_the_first_clips_are_kept_where_something_was_cut_out(miniature, monkeypatch):
    store = prepare("how2sign", miniature("how2sign"), monkeypatch)
    listed = (store.path / "overlays.jsonl").read_text().split()
    assert len(listed) == len(list((store.path / "overlays").iterdir()))
    assert 3 <= len(listed) <= 3 * run.OVERLAYS
    whole = prepare("phoenix14t", miniature("phoenix14t"), monkeypatch)
    assert not (whole.path / "overlays").exists()


def test_a_changed_release_is_not_prepared_before_it_is_checked(miniature, tmp_path, monkeypatch):
    made = copied(miniature("openasl"), tmp_path / "release")
    prepare("openasl", made, monkeypatch)
    (made.root / made.clips[0].source).unlink()
    expected = Path("data/corpora/openasl.json").read_text()
    with monkeypatch.context() as patch:
        patch.setattr(check, "check", lambda *a, **k: None)
        with pytest.raises(ValueError, match=r"media is .*Run `c2rl corpus check openasl --root"):
            prepare("openasl", made, monkeypatch)
    assert Path("data/corpora/openasl.json").read_text() == expected
