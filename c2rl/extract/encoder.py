"""A pretrained sign encoder, ready to use: it remembers how its frames were cut and sampled."""

import functools
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from c2rl import provenance
from c2rl.corpora.clip import Clip
from c2rl.nn import sign_encoder
from c2rl.store.features import HIGHEST
from c2rl.training import checkpoint
from c2rl.video import transform
from c2rl.video.crop import Choose, decode_clip
from c2rl.video.sample import at_inference, count
from c2rl.video.signer import Cropping

Read = Callable[[Sequence[int]], Sequence[npt.NDArray[np.uint8]]]


class SignEncoder:
    """Turns a clip into sign features, one clip at a time, so batch mates cannot matter."""

    def __init__(self, path: Path | str, *, which: Literal["best", "last"] = "best") -> None:
        """Load an encoder.

        Args:
            path: Folder written by stage `pretrain`.
            which: Weights of the best epoch, or of the last.

        Raises:
            FileNotFoundError: If it is absent or incomplete.
            ValueError: If it is another kind of artefact, or damaged.
        """
        path = Path(path)
        self.meta = provenance.read_meta(path, "encoder", made_by="pretrain")
        config: dict[str, Any] = json.loads((path / "config.json").read_text(encoding="utf-8"))
        self.frames: dict[str, Any] = config["frames"]
        self.cropping = _cropping(config["crop"])
        self.width: int = config["encoder"]["width"]
        self.which = which
        # The weights are here: where the ResNet's first ones came from no longer matters.
        self.network = sign_encoder.SignEncoder(**config["encoder"] | {"weights": "none"})
        name = "model" if which == "best" else "last"
        weights = checkpoint.load_weights(path / f"{name}.safetensors")
        own = {k: v for k, v in weights.items() if k.startswith("sign_encoder.")}
        checkpoint.fill(self.network, own, prefix="sign_encoder.", source=path)
        self.network.eval()
        self.device = "cuda" if torch.cuda.is_available() else "cpu"
        self.network.to(self.device)

    def length(self, num_frames: int, fps: float) -> int:
        """Tell how many features a clip has.

        Args:
            num_frames: Native frames.
            fps: Native rate in frames per second; 0 where unknown.

        Returns:
            T' = max(1, floor(keep * T + 0.5)).
        """
        options = {k: self.frames[k] for k in ("keep", "target_fps", "cap")}
        return count(num_frames, fps, **options)

    @property
    def choose(self) -> Choose:
        """Tells which frames of a clip are needed; can be sent to a worker."""
        options = {k: self.frames[k] for k in ("keep", "target_fps", "cap")}
        return functools.partial(at_inference, **options)

    @torch.no_grad()
    def encode_frames(self, read: Read, num_frames: int, fps: float) -> Tensor:
        """Encode a clip whose compressed frames are at hand.

        Args:
            read: Gives the compressed frames of the numbers it is asked for.
            num_frames: Native frames.
            fps: Native rate in frames per second; 0 where unknown.

        Returns:
            (T', C) float16, on the CPU.

        Raises:
            ValueError: If a feature is not finite or too large for float16.
        """
        options = {k: self.frames[k] for k in ("keep", "target_fps", "cap")}
        frames = transform.view(read, num_frames, fps, side=self.frames["crop"], **options)
        batch = transform.normalise(frames.to(self.device))
        mask = torch.ones(1, len(frames), dtype=torch.bool, device=self.device)
        features: Tensor = self.network(batch, mask)[0].cpu()
        if not (features.abs() <= HIGHEST).all():
            raise ValueError("the encoder gives features that float16 cannot hold")
        return features.half()

    def encode(
        self, source: Path | str, *, start_s: float | None = None, end_s: float | None = None
    ) -> Tensor:
        """Encode a video file or a folder of frames.

        Args:
            source: Any video that PyAV reads, or a folder of numbered images.
            start_s: First second; None: from the beginning.
            end_s: Last second; None: to the end.

        Returns:
            (T', C) float16 sign features; exactly what stage `extract` stores for the clip.

        Raises:
            FileNotFoundError: If there is no such file.
            ValueError: If it cannot be decoded.
        """
        stored = {k: self.frames[k] for k in ("size", "codec", "quality")}
        clip = Clip("", "clips", "", "", str(source), start_s=start_s, end_s=end_s)
        decoded = decode_clip(
            Path(source), clip, cropping=self.cropping, choose=self.choose, **stored
        )
        read = reader(decoded.numbers, decoded.frames)
        return self.encode_frames(read, decoded.num_frames, decoded.fps)


def reader(numbers: Sequence[int], frames: Sequence[npt.NDArray[np.uint8]]) -> Read:
    """Give frames of a clip by their numbers.

    Args:
        numbers: Which frames of the clip are at hand.
        frames: Their compressed files.

    Returns:
        A function from numbers to compressed frames.
    """
    at = dict(zip(numbers, frames, strict=True))
    return lambda chosen: [at[number] for number in chosen]


def _cropping(told: dict[str, Any]) -> Cropping:
    """Find the signer in a new video as in the corpus; it has no annotated box."""
    values = {name: told[name] for name in Cropping._fields}
    return Cropping(**values | {"steps": tuple(values["steps"])})
