"""What of the picture was kept: the box drawn into a frame of the source, and the stored frame."""

import json
from typing import NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from c2rl.report.pictures import Picture, data_uri
from c2rl.store.frames import FrameStore
from c2rl.store.manifest import Row

_BY = {
    "box": "the annotated box",
    "detector": "the signer whom the detector found",
    "square": "the square in the middle",
}


class Overlay(NamedTuple):
    """A clip's middle frame, before and after the crop."""

    id: str
    split: str
    about: str
    """What gave the box, and its size, in words."""
    source: Picture
    """The frame with the box drawn in, and in thin lines everybody who was seen."""
    stored: Picture
    """The same frame as the encoder gets it."""


def overlays(store: FrameStore) -> list[Overlay]:
    """Show what stage `prepare` cut out of some clips.

    Args:
        store: Frames; `prepare` leaves small pictures of the first clips of each split in it.

    Returns:
        One for each of those pictures, in the order in which they were left; empty where nothing
        was cut out.

    Raises:
        ValueError: If a picture or a frame is no image.
    """
    listed = store.path / "overlays.jsonl"
    if not listed.is_file():
        return []
    ids = [json.loads(line) for line in listed.read_text(encoding="utf-8").rstrip("\n").split("\n")]
    numbers = {row.clip.id: number for number, row in enumerate(store.rows)}
    return [
        _overlay(store, numbers[id_], (store.path / "overlays" / f"{place}.jpg").read_bytes())
        for place, id_ in enumerate(ids)
        if id_ in numbers
    ]


def _overlay(store: FrameStore, number: int, drawn: bytes) -> Overlay:
    row = store.rows[number]
    what = _BY.get(row.box_from, row.box_from)
    (middle,) = store.read(number, [row.num_frames // 2])
    return Overlay(
        id=row.clip.id,
        split=row.clip.split,
        about=_about(row),
        source=_picture(
            np.frombuffer(drawn, np.uint8),
            "jpeg",
            f"Middle frame of clip {row.clip.id} as filmed, with an outline around {what}.",
        ),
        stored=_picture(
            middle,
            store.codec,
            f"The same frame of clip {row.clip.id} as it was cut out and stored.",
        ),
    )


def _about(row: Row) -> str:
    text = _BY.get(row.box_from, row.box_from)
    if row.clip.box is not None:
        x0, y0, x1, y1 = row.clip.box
        text += f", {x1 - x0} x {y1 - y0} pixels"
    if row.box_from == "detector":
        text += f", score {row.box_score:.2f}"
    return text + (f", one of {row.num_people} people" if row.num_people > 1 else "")


def _picture(file: npt.NDArray[np.uint8], kind: str, alt: str) -> Picture:
    image = cv2.imdecode(file.copy(), cv2.IMREAD_COLOR)
    if image is None:
        raise ValueError(f"the frame store has no image here: {alt} Run `dvc repro prepare`.")
    return Picture(data_uri(f"image/{kind}", file.tobytes()), alt, image.shape[1], image.shape[0])
