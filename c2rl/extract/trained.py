"""What a trained encoder says of itself, read without torch: how its frames were cut and sampled.

Whoever plans an extraction, or hands it out to other machines, needs no more.
"""

import functools
import json
from pathlib import Path
from typing import Any, Literal, NamedTuple

from c2rl import provenance
from c2rl.corpora.clip import Clip
from c2rl.provenance import Meta
from c2rl.video.crop import Choose
from c2rl.video.decode import Task
from c2rl.video.sample import at_inference, count
from c2rl.video.signer import Cropping

Which = Literal["best", "last"]
Point = Literal["after_transformer", "before_transformer"]
Precision = Literal["float32", "bfloat16", "float16"]


class Form(NamedTuple):
    """Which of the features that an encoder can give are wanted."""

    which: Which = "best"
    """Weights of the best epoch, or of the last."""
    point: Point = "after_transformer"
    """The sign encoder's output, or what its transformer blocks are given (Table I)."""
    precision: Precision = "float32"
    """Of the ResNet; what follows it is always float32, and features are stored as float16."""


USUAL_FORM = Form()
"""Of the paper."""


class Trained(NamedTuple):
    """An encoder's folder, without its weights."""

    path: Path
    meta: Meta
    network: dict[str, Any]
    """Sizes of the sign encoder."""
    frames: dict[str, Any]
    """How frames were stored and sampled; see `params.yaml`'s section `frames`."""
    cropping: Cropping

    @property
    def width(self) -> int:
        """C, columns of the features."""
        width: int = self.network["width"]
        return width

    @property
    def sampling(self) -> dict[str, Any]:
        """Which frames of a clip are seen, as `sample.candidates` and `sample.count` take it."""
        return {key: self.frames[key] for key in ("keep", "target_fps", "cap")}

    def length(self, num_frames: int, fps: float) -> int:
        """Tell how many features a clip has.

        Args:
            num_frames: Native frames.
            fps: Native rate in frames per second; 0 where unknown.

        Returns:
            T' = max(1, floor(keep * T + 0.5)).
        """
        return count(num_frames, fps, **self.sampling)

    def choose(self, views: int = 1) -> Choose:
        """Tell which frames of a clip are needed.

        Args:
            views: Phases of the sampling that are wanted.

        Returns:
            A function that can be sent to a worker.
        """
        return functools.partial(at_inference, **self.sampling, views=views)

    def task(self, root: Path, clip: Clip, views: int = 1) -> Task:
        """Tell a decoder how to give a video's frames as the corpus's were given.

        Args:
            root: Folder that the clip's source lies in.
            clip: The video, or a segment of it.
            views: Phases of the sampling that are wanted.

        Returns:
            What `decode_one` takes.
        """
        return Task(
            root,
            clip,
            **{key: self.frames[key] for key in ("size", "codec", "quality")},
            needs_sentence=False,
            cropping=self.cropping,
            choose=self.choose(views),
        )


def read(path: Path | str) -> Trained:
    """Read what an encoder's folder says.

    Args:
        path: Folder written by stage `pretrain`.

    Returns:
        All but the weights.

    Raises:
        FileNotFoundError: If it is absent or incomplete.
        ValueError: If it is another kind of artefact, or damaged.
    """
    path = Path(path)
    meta = provenance.read_meta(path, "encoder", made_by="pretrain")
    config: dict[str, Any] = json.loads((path / "config.json").read_text(encoding="utf-8"))
    values = {name: config["crop"][name] for name in Cropping._fields}
    cropping = Cropping(**values | {"steps": tuple(values["steps"])})
    return Trained(path, meta, config["encoder"], config["frames"], cropping)
