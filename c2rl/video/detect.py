"""Finding people in a picture: the only door to torchvision's detectors.

torch is imported when a detector is loaded, so that workers that need none start at once. A
detector looks at one picture at a time, because in a batch of several sizes the padding moves the
boxes, and gives the same boxes on every run. How many threads torch may use is the caller's
business (`torch.set_num_threads(1)` in a pool of workers); ONNX models run on one.

Source: Sec. IV-A (How2Sign's signers are cropped by Fast R-CNN).
"""

import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from c2rl.video import onnx
from c2rl.video.boxes import COCO_PERSON, Person, people
from c2rl.video.files import Image, words

Detector = Callable[[Image], list[Person]]
"""From an upright (H, W, 3) uint8 RGB picture to its people, the surest first."""

TORCHVISION = "torchvision"
"""Names torchvision's own weights, in place of a file."""

_STATE_DICTS = (".pth", ".pt", ".safetensors")


def find(weights: str) -> Path:
    """Find the file of a detector's weights.

    Call it once before workers start, so that at most one process downloads.

    Args:
        weights: `torchvision` (`FasterRCNN_ResNet50_FPN_V2_Weights.DEFAULT`, downloaded to torch's
            hub cache where it is not there yet and HF_HUB_OFFLINE is unset), or the path of a
            .onnx file or of a .pth, .pt or .safetensors state dict of that model.

    Returns:
        The file.

    Raises:
        FileNotFoundError: If it is not there and cannot be downloaded.
        ValueError: If it is of another kind, or torchvision's file is damaged.
    """
    if weights == TORCHVISION:
        return _torchvision_file()
    path = Path(weights).expanduser()
    if path.suffix not in (".onnx", *_STATE_DICTS):
        raise ValueError(
            f"crop.weights is '{weights}', expected {TORCHVISION} or a file"
            f" .onnx, {', '.join(_STATE_DICTS)}."
        )
    if not path.is_file():
        raise FileNotFoundError(
            f"crop.weights: {path} does not exist. Name a person detector's file, or"
            f" {TORCHVISION} for torchvision's own weights."
        )
    return path


def identity(weights: str) -> str:
    """Name a detector by what it is, not by where it lies: boxes may be kept under that name.

    Args:
        weights: See `find`; torchvision's own weights need not be there yet.

    Returns:
        The name of torchvision's weights, or the SHA-256 of the file.

    Raises:
        FileNotFoundError: If the file is not there.
        ValueError: If it is of another kind.
    """
    if weights == TORCHVISION:
        return str(_torchvision_weights())
    path = find(weights)
    beside = path.with_name(f"{path.name}.data")  # where exporters put an ONNX model's numbers
    files = [path, *([beside] if beside.is_file() else [])]
    return "+".join(_sha256(file) for file in files)


def load(weights: str) -> Detector:
    """Load a detector; in a worker, once.

    Args:
        weights: See `find`.

    Returns:
        A function from a picture to its people.

    Raises:
        FileNotFoundError: If the weights are not there.
        ValueError: If they are no detector of a known kind, or onnxruntime is not installed.
    """
    path = find(weights)
    return onnx.load(path) if path.suffix == ".onnx" else _load_torchvision(path)


def _torchvision_weights() -> Any:
    from torchvision.models.detection import FasterRCNN_ResNet50_FPN_V2_Weights

    return FasterRCNN_ResNet50_FPN_V2_Weights.DEFAULT


def _torchvision_file() -> Path:
    import torch

    url: str = _torchvision_weights().url
    name = url.rsplit("/", 1)[-1]
    digest = name.removesuffix(".pth").rsplit("-", 1)[-1]  # the name ends with its SHA-256's start
    file: Path = Path(torch.hub.get_dir()) / "checkpoints" / name
    if not file.is_file():
        reason = "HF_HUB_OFFLINE is set"
        if not os.environ.get("HF_HUB_OFFLINE"):
            try:
                file.parent.mkdir(parents=True, exist_ok=True)
                torch.hub.download_url_to_file(url, str(file), digest, progress=False)
            except (OSError, RuntimeError) as error:
                reason = words(error)
        if not file.is_file():
            raise FileNotFoundError(
                f"crop.weights {TORCHVISION}: {name} is not in {file.parent} and cannot be"
                f" downloaded ({reason}). Put {url} there, or name a detector's file."
            )
    found = _sha256(file)
    if not found.startswith(digest):
        raise ValueError(
            f"{file} is damaged: its SHA-256 starts with {found[: len(digest)]}, expected"
            f" {digest}. Delete it."
        )
    return file


def _load_torchvision(path: Path) -> Detector:
    import torch
    from torchvision.models.detection import fasterrcnn_resnet50_fpn_v2

    try:
        state = _state_dict(path)
        model = fasterrcnn_resnet50_fpn_v2(weights=None, weights_backbone=None)
        model.load_state_dict(state)
    except Exception as error:  # whatever was pickled into it, and whatever torch makes of it
        raise ValueError(
            f"{path} is no state dict of torchvision's fasterrcnn_resnet50_fpn_v2 with COCO's 91"
            f" classes, as crop.weights expects: {words(error)}"
        ) from None
    model.eval()

    def detect(image: Image) -> list[Person]:
        with torch.inference_mode():
            picture = torch.from_numpy(image.transpose(2, 0, 1).copy()).float() / 255
            found = model([picture])[0]
        chosen = found["labels"] == COCO_PERSON
        boxes, scores = (found[key][chosen].numpy() for key in ("boxes", "scores"))
        return people(boxes, scores, width=image.shape[1], height=image.shape[0])

    return detect


def _state_dict(path: Path) -> Any:
    if path.suffix == ".safetensors":
        from safetensors.torch import load_file

        return load_file(path)
    import torch

    return torch.load(path, map_location="cpu", weights_only=True)


def _sha256(file: Path) -> str:
    with file.open("rb") as content:
        return hashlib.file_digest(content, hashlib.sha256).hexdigest()
