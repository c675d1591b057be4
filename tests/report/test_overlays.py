import base64

import cv2
import numpy as np
import pytest

from c2rl.corpora.clip import Clip
from c2rl.report.overlays import overlays
from c2rl.store.frames import EncodedClip, FrameStore, write_frame_store
from c2rl.store.manifest import Row
from c2rl.video.boxes import draw

SOURCE = np.zeros((90, 160, 3), np.uint8)
FOUND = {"box_from": "detector", "box_score": 0.8413, "num_people": 2}


def frame(level):
    """A stored frame of one grey; PNG keeps it exactly."""
    return cv2.imencode(".png", np.full((24, 24, 3), level, np.uint8))[1].reshape(-1)


def store(folder, facts, pictures):
    """Clips of 4 frames whose greys are 10, 20, 30, 40 and so on."""
    rows, clips = [], []
    for number, (box, fact) in enumerate(facts):
        clip = Clip(f"clip{number}", "train", "s", "de", "a.mp4", fps=25.0, box=box)
        rows.append(Row(clip, "ok", "", 4, 25.0, "decord", **fact))
        files = [frame(40 * number + 10 * t) for t in (1, 2, 3, 4)]
        sizes = np.array([len(file) for file in files], np.int64)
        clips.append(EncodedClip(np.concatenate(files), sizes))
    write_frame_store(
        folder,
        rows,
        iter(clips),
        sizes=[clip.sizes for clip in clips],
        made_from={"frames": {"codec": "png"}},
        counts={},
        overlays=pictures,
    )
    return FrameStore(folder)


def unpacked(picture, kind):
    head, _, data = picture.uri.partition(",")
    assert head == f"data:image/{kind};base64"
    return cv2.imdecode(np.frombuffer(base64.b64decode(data), np.uint8), cv2.IMREAD_COLOR)


def test_the_drawn_and_the_stored_frame_are_shown_side_by_side(tmp_path):
    box = (40, 10, 120, 90)
    facts = [(None, {"box_from": "whole"}), (box, FOUND)]
    drawn = draw(SOURCE, box).tobytes()
    (shown,) = overlays(store(tmp_path / "frames", facts, {"clip1": drawn}))
    assert (shown.id, shown.split) == ("clip1", "train")
    assert shown.about == (
        "the signer whom the detector found, 80 x 80 pixels, score 0.84, one of 2 people"
    )
    assert shown.source.alt == (
        "Middle frame of clip clip1 as filmed, with an outline around the signer whom the detector"
        " found."
    )
    assert shown.stored.alt == "The same frame of clip clip1 as it was cut out and stored."
    assert (shown.source.width, shown.source.height) == (160, 90)
    assert (shown.stored.width, shown.stored.height) == (24, 24)
    picture = unpacked(shown.source, "jpeg").astype(int)
    assert np.abs(picture[10:90, 40] - (0, 255, 0)).max() < 60
    assert (unpacked(shown.stored, "png") == 70).all()  # the third of its four frames


def test_the_order_is_that_of_the_corpus_and_words_tell_what_gave_the_box(tmp_path):
    facts = [((0, 0, 60, 80), {"box_from": "box"}), ((35, 0, 125, 90), {"box_from": "square"})]
    pictures = {"clip1": draw(SOURCE, facts[1][0]), "clip0": draw(SOURCE, facts[0][0])}
    shown = overlays(
        store(tmp_path / "frames", facts, {k: v.tobytes() for k, v in pictures.items()})
    )
    assert [item.id for item in shown] == ["clip1", "clip0"]
    assert [item.about for item in shown] == [
        "the square in the middle, 90 x 90 pixels",
        "the annotated box, 60 x 80 pixels",
    ]


def test_nothing_is_shown_where_nothing_was_cut_out(tmp_path):
    assert overlays(store(tmp_path / "frames", [(None, {"box_from": "whole"})], None)) == []


def test_a_picture_that_is_none_is_told(tmp_path):
    damaged = store(tmp_path / "frames", [((0, 0, 60, 80), FOUND)], {"clip0": b"no JPEG"})
    with pytest.raises(
        ValueError, match=r"has no image here: Middle frame of clip clip0 .*`dvc repro prepare`"
    ):
        overlays(damaged)
