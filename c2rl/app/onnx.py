"""The sign encoder in forms that need none of c2rl: ONNX, and PyTorch's own export.

Both map the frames of one clip, `frames` (T, 3, R, R) uint8, to `features` (T, C) float32; T is
free, in PyTorch's form from 2 up. Colours are normalised inside. What has to be done before is told
in the file's meta data: which frames of a clip are taken, and how they are cut (`c2rl.frames`, as
`frames` in `params.yaml`; `c2rl.crop`), and R is `crop`: the middle of a frame resized to `size`.

Against `SignEncoder`, on a CPU, features of an ONNX file differ by less than `TOLERANCE` times the
largest of them; those that are stored are float16, whose own rounding is half as large. What is
computed is float32: both forms are for every machine. The whole clip goes through the ResNet at
once, which takes up to 130 bytes a pixel: 7 MB a frame of 224 x 224.
"""

import json
import logging
import os
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from c2rl.extract.encoder import SignEncoder
from c2rl.extract.trained import USUAL_FORM, Form
from c2rl.nn.inference import InferenceEncoder

TOLERANCE = 1e-3
"""Largest difference of a feature, as a share of the clip's largest one."""

_OPSET = 18


class _Portable(nn.Module):
    """The encoder of one clip, in operations that every format has."""

    mean: Tensor
    std: Tensor

    def __init__(self, network: InferenceEncoder) -> None:
        super().__init__()
        self.resnet, self.conv, self.fc = network.resnet, network.conv, network.fc
        self.transformer = network.transformer
        self.register_buffer("mean", network.mean.view(3, 1, 1))
        self.register_buffer("std", network.std.view(3, 1, 1))

    def forward(self, frames: Tensor) -> Tensor:
        """Encode (T, 3, R, R) uint8 frames to (T, C) float32 features."""
        ready = (frames.float() / 255 - self.mean) / self.std
        spatial: Tensor = self.resnet(ready)
        local = torch.relu(self.conv(spatial.t()[None]))[0].t()
        features: Tensor = self.fc(local)
        if self.transformer is not None:
            mask = torch.ones_like(features[None, :, 0], dtype=torch.bool)
            features = self.transformer(features[None], mask)[0]
        return features


def to_onnx(encoder: Path | str, file: Path | str, *, form: Form = USUAL_FORM) -> Path:
    """Write a sign encoder as an ONNX file, complete or not at all.

    Args:
        encoder: Folder written by stage `pretrain`.
        file: The file, `.onnx`; one that is there is replaced.
        form: Which of its features.

    Returns:
        The file.

    Raises:
        FileNotFoundError: If the encoder is absent or incomplete.
        ValueError: If it is another kind of artefact, or what writes ONNX is not installed.
    """
    signer = SignEncoder(encoder, **form._asdict(), device="cpu")
    with _quiet():
        try:
            made = torch.onnx.export(
                _Portable(signer.network), (_example(signer),), dynamo=True, verbose=False,
                input_names=["frames"], output_names=["features"], opset_version=_OPSET,
                dynamic_shapes=_shapes(signer),
            )  # fmt: skip
        except ImportError as error:
            raise ValueError(
                f"writing ONNX needs {error.name or 'onnxscript'}. Run: pip install onnx onnxscript"
            ) from None
        if made is None:
            raise RuntimeError("torch.onnx gave no program")
        made.model.metadata_props.update(_told(signer))
        return _put(Path(file), made.save)


def to_torch(encoder: Path | str, file: Path | str, *, form: Form = USUAL_FORM) -> Path:
    """Write a sign encoder as a program of `torch.export`, complete or not at all.

    `torch.export.load(file).module()(frames)` runs it; `extra_files={"c2rl.json": ""}` reads the
    meta data. Load only files that you trust: PyTorch unpickles part of them.

    Args:
        encoder: Folder written by stage `pretrain`.
        file: The file, `.pt2`; one that is there is replaced.
        form: Which of its features.

    Returns:
        The file.

    Raises:
        FileNotFoundError: If the encoder is absent or incomplete.
        ValueError: If it is another kind of artefact.
    """
    signer = SignEncoder(encoder, **form._asdict(), device="cpu")
    with _quiet():
        program = torch.export.export(
            _Portable(signer.network), (_example(signer),), dynamic_shapes=_shapes(signer)
        )
        told = {"c2rl.json": json.dumps(_told(signer))}
        return _put(Path(file), lambda place: torch.export.save(program, place, extra_files=told))


def _shapes(signer: SignEncoder) -> dict[str, Any]:
    return {"frames": {0: torch.export.Dim("T", min=2, max=signer.most_frames)}}


def _example(signer: SignEncoder) -> Tensor:
    side = signer.trained.frames["crop"]
    return torch.zeros(3, 3, side, side, dtype=torch.uint8)


def _told(signer: SignEncoder) -> dict[str, str]:
    """Say what a clip has to be, and where the numbers come from."""
    frames = signer.trained.frames
    wanted = ("size", "crop", "codec", "quality", "keep", "target_fps", "cap")
    return {
        "c2rl.encoder": signer.meta.fingerprint,
        "c2rl.form": json.dumps(signer.form._asdict()),
        "c2rl.frames": json.dumps({name: frames[name] for name in wanted}),
        "c2rl.crop": json.dumps(signer.trained.cropping._asdict()),
        "c2rl.most_frames": str(signer.most_frames or ""),
    }


def _put(file: Path, write: Callable[[str], None]) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    temporary = file.with_name(f".{os.getpid()}.{file.name}")  # both look at the suffix
    try:
        write(str(temporary))
        with temporary.open("rb") as content:
            os.fsync(content.fileno())
        temporary.replace(file)
    finally:
        temporary.unlink(missing_ok=True)
    return file


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep what PyTorch and its exporters tell their own developers from the person who waits."""
    loggers = [logging.getLogger(name) for name in ("torch.onnx", "torch.export", "onnxscript")]
    before = [logger.level for logger in loggers]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for logger in loggers:
            logger.setLevel(logging.ERROR)
        try:
            yield
        finally:
            for logger, level in zip(loggers, before, strict=True):
                logger.setLevel(level)
