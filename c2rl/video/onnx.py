"""Person detectors in ONNX files: the only door to onnxruntime, which is imported on use.

Two kinds are known, told apart by their inputs and outputs: FastestDet, which is small enough for
any machine, and what torchvision's detectors are exported to. Both run on one thread.

An export that was traced at one size of picture must keep that size as its input's: with a free
height and width it tells wrong boxes for other sizes, and nothing shows it.

Shape letters in this file:
    H, W height and width in pixels; N people; h, w cells of a network's output.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from c2rl.video.boxes import COCO_PERSON, LEAST_SCORE, Person, iou, people
from c2rl.video.files import Image, words

Detector = Callable[[Image], list[Person]]
Floats = npt.NDArray[np.floating[Any]]

_STRIDE = 16  # pixels of FastestDet's input to a cell of its output
_OVERLAP = 0.45  # FastestDet's own choice: of two boxes that share more, the surer one stays


def load(path: Path) -> Detector:
    """Load a detector and check that it is one.

    Args:
        path: ONNX file.

    Returns:
        A function from an upright (H, W, 3) uint8 RGB picture to its people, the surest first.

    Raises:
        ValueError: If onnxruntime is not installed, or its inputs and outputs are not of a known
            kind.
    """
    try:
        import onnxruntime
    except ImportError:
        raise ValueError(
            f"crop.weights: {path} needs onnxruntime. Run: pip install 'c2rl[onnx]'"
        ) from None
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3  # errors only
    try:
        session = onnxruntime.InferenceSession(
            str(path), options, providers=["CPUExecutionProvider"]
        )
    except Exception as error:  # onnxruntime has its own classes for each way to fail
        raise ValueError(f"crop.weights: {path} is no ONNX model: {words(error)}") from None
    inputs, outputs = session.get_inputs(), session.get_outputs()
    if len(inputs) == 1 and inputs[0].type == "tensor(float)":
        shape = inputs[0].shape
        if _is_fastestdet(shape, [o.shape for o in outputs]):
            return _fastestdet(session, inputs[0].name, height=shape[2], width=shape[3])
        if _is_torchvision(shape, [o.name for o in outputs]):
            return _exported(session, inputs[0].name, shape)
    said = [", ".join(f"{t.name} {t.type} {t.shape}" for t in side) for side in (inputs, outputs)]
    raise ValueError(
        f"crop.weights: {path} maps {said[0]} to {said[1]}, expected a float picture [1, 3, H, W]"
        " to one map [1, 5 + classes, H / 16, W / 16] (FastestDet), or [3, H, W] or [1, 3, H, W]"
        " to boxes, labels and scores (torchvision's export)."
    )


def _is_fastestdet(shape: list[Any], outputs: list[list[Any]]) -> bool:
    if not _is_picture(shape) or len(shape) != 4 or len(outputs) != 1 or len(outputs[0]) != 4:
        return False
    sizes = [*shape[2:], *outputs[0][1:]]
    if not all(isinstance(size, int) for size in sizes):
        return False
    height, width, channels, rows, columns = sizes
    return channels > 5 and (rows * _STRIDE, columns * _STRIDE) == (height, width)


def _is_torchvision(shape: list[Any], outputs: list[str]) -> bool:
    return _is_picture(shape) and sorted(outputs) == ["boxes", "labels", "scores"]


def _is_picture(shape: list[Any]) -> bool:
    """Tell whether it is [3, H, W] or [1, 3, H, W]; a size that is free is a name or None."""
    several = len(shape) == 4 and isinstance(shape[0], int) and shape[0] != 1
    return len(shape) in (3, 4) and shape[-3] == 3 and not several


def _fastestdet(session: Any, name: str, *, height: int, width: int) -> Detector:
    def detect(image: Image) -> list[Person]:
        small = _resized(image, height=height, width=width)[..., ::-1]  # it learned from BGR
        (cells,) = session.run(None, {name: _planes(small)[None]})
        shares, scores = _decoded(cells[0])
        height_of, width_of = image.shape[:2]
        boxes = shares * [width_of, height_of, width_of, height_of]
        return people(boxes, scores, width=width_of, height=height_of)

    return detect


def _decoded(cells: Floats) -> tuple[Floats, Floats]:
    """Read FastestDet's map, (5 + classes, h, w), of whose classes the first is the person.

    Each cell holds an object's probability, the offset of its centre in cells before tanh, its
    width and height as shares of the picture before the logistic function, and the classes'
    probabilities.

    Returns:
        (N, 4) boxes as shares of width and height, and (N,) scores; of overlapping ones the surest.
    """
    dx, dy, wide, high = cells[1:5]
    score = cells[0] * cells[5]
    rows, columns = np.mgrid[: cells.shape[1], : cells.shape[2]]
    middle = ((columns + np.tanh(dx)) / cells.shape[2], (rows + np.tanh(dy)) / cells.shape[1])
    half = ((1 + np.tanh(wide / 2)) / 4, (1 + np.tanh(high / 2)) / 4)  # half the logistic function
    edges = (
        *(m - h for m, h in zip(middle, half, strict=True)),
        *(m + h for m, h in zip(middle, half, strict=True)),
    )
    is_person = (cells[5:].argmax(axis=0) == 0) & (score >= LEAST_SCORE)
    boxes, scores = np.stack([edge[is_person] for edge in edges], axis=1), score[is_person]
    kept: list[int] = []
    for i in np.argsort(-scores, kind="stable").tolist():
        if all(iou(boxes[i], boxes[j]) <= _OVERLAP for j in kept):
            kept.append(i)
    return boxes[kept], scores[kept]


def _exported(session: Any, name: str, shape: list[Any]) -> Detector:
    """Run a model with torchvision's outputs; where its input has one size, at that size."""

    def detect(image: Image) -> list[Person]:
        height, width = (
            told if isinstance(told, int) else own
            for told, own in zip(shape[-2:], image.shape[:2], strict=True)
        )
        picture = _planes(_resized(image, height=height, width=width))
        feed = {name: picture if len(shape) == 3 else picture[None]}
        boxes, labels, scores = session.run(["boxes", "labels", "scores"], feed)
        boxes = boxes * ([image.shape[1] / width, image.shape[0] / height] * 2)
        chosen = labels == COCO_PERSON
        return people(boxes[chosen], scores[chosen], width=image.shape[1], height=image.shape[0])

    return detect


def _resized(image: Image, *, height: int, width: int) -> Image:
    if image.shape[:2] == (height, width):
        return image
    shrinks = height <= image.shape[0] and width <= image.shape[1]
    how = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(image, (width, height), interpolation=how), np.uint8)


def _planes(image: Image) -> npt.NDArray[np.float32]:
    return np.ascontiguousarray(image.transpose(2, 0, 1), np.float32) / np.float32(255)
