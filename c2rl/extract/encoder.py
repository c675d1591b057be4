"""A pretrained sign encoder, ready to use: it remembers how its frames were cut and sampled."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from c2rl.corpora.clip import NO_SPLIT, Clip
from c2rl.extract import trained
from c2rl.extract.trained import Form, Point, Precision, Which
from c2rl.nn import inference, sign_encoder
from c2rl.nn.masks import mask_of
from c2rl.nn.transformer import MAX_POSITIONS
from c2rl.training import checkpoint
from c2rl.video import transform
from c2rl.video.decode import read_clip

Read = Callable[[Sequence[int]], Sequence[npt.NDArray[np.uint8]]]

OVERFLOW = "the encoder gives features that float16 cannot hold: it diverged"


class SignEncoder:
    """Turns clips into sign features."""

    def __init__(
        self,
        path: Path | str,
        *,
        which: Which = "best",
        point: Point = "after_transformer",
        precision: Precision = "float32",
        device: torch.device | str | None = None,
    ) -> None:
        """Load an encoder.

        Args:
            path: Folder written by stage `pretrain`.
            which: Weights of the best epoch, or of the last.
            point: Features after the transformer blocks, or what these are given.
            precision: Of the ResNet; what follows it is always float32.
            device: Where it is to be; None: a GPU if there is one.

        Raises:
            FileNotFoundError: If it is absent or incomplete.
            ValueError: If it is another kind of artefact, or damaged.
        """
        self.trained = trained.read(path)
        self.form = Form(which, point, precision)
        self.meta, self.width = self.trained.meta, self.trained.width
        # The weights are here: where the ResNet's first ones came from no longer matters.
        network = sign_encoder.SignEncoder(**self.trained.network | {"weights": "none"})
        name = "model" if which == "best" else "last"
        weights = checkpoint.load_weights(self.trained.path / f"{name}.safetensors")
        own = {k: v for k, v in weights.items() if k.startswith("sign_encoder.")}
        checkpoint.fill(network, own, prefix="sign_encoder.", source=self.trained.path)
        self.device = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
        self.network = inference.for_inference(
            network.to(self.device),
            mean=transform.MEAN,
            std=transform.STD,
            precision=precision,
            point=point,
        )

    def look(self, read: Read, num_frames: int, fps: float, *, phase: int = 0) -> Tensor:
        """Choose, decompress and crop the frames of a clip.

        Args:
            read: Gives the compressed frames of the numbers it is asked for.
            num_frames: Native frames.
            fps: Native rate in frames per second; 0 where unknown.
            phase: See `c2rl.video.sample.sample`.

        Returns:
            (T', 3, R, R) uint8, on the CPU.
        """
        side = self.trained.frames["crop"]
        return transform.view(
            read, num_frames, fps, side=side, **self.trained.sampling, phase=phase
        )

    def encode_batch(self, clips: Sequence[Tensor]) -> list[Tensor]:
        """Encode clips together.

        Args:
            clips: (T', 3, R, R) uint8 each, from `look`.

        Returns:
            (T', C) float16 each, on the CPU; infinite where float16 cannot hold a feature.

        Raises:
            ValueError: If a clip has more frames than the transformer has positions.
        """
        lengths = [len(clip) for clip in clips]
        if (most := self.most_frames) is not None and max(lengths) > most:
            raise ValueError(
                f"{max(lengths)} frames are to be encoded at once, at most {most} can be:"
                " cut the video into windows, or take features before the transformer"
            )
        frames = transform.pack(clips).to(self.device, non_blocking=True)
        mask = mask_of(torch.tensor(lengths)).to(self.device)
        with torch.inference_mode():
            encoded = self.network(frames, mask).half().cpu()
        return [features[:length] for features, length in zip(encoded, lengths, strict=True)]

    @property
    def most_frames(self) -> int | None:
        """Most frames of a clip; None: any number."""
        return MAX_POSITIONS if self.form.point == "after_transformer" else None

    def encode(
        self, source: Path | str, *, start_s: float | None = None, end_s: float | None = None
    ) -> Tensor:
        """Encode a video file or a folder of frames.

        Args:
            source: Any video that PyAV reads, or a folder of numbered images.
            start_s: First second; None: from the beginning.
            end_s: Last second; None: to the end.

        Returns:
            (T', C) float16 sign features; on the CPU exactly what stage `extract` stores for the
            clip, on a GPU up to rounding.

        Raises:
            FileNotFoundError: If there is no such file.
            ValueError: If it cannot be decoded or encoded.
        """
        clip = Clip("", NO_SPLIT, "", "", str(source), start_s=start_s, end_s=end_s)
        decoded = read_clip(Path(source), self.trained.task(Path(source), clip))
        read = reader(decoded.numbers, decoded.frames)
        (features,) = self.encode_batch([self.look(read, decoded.num_frames, decoded.fps)])
        if not features.isfinite().all():
            raise ValueError(OVERFLOW)
        return features


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
