"""SynthSign's smallest corpus, prepared, and an encoder of random weights in pretrain's format."""

import os
from pathlib import Path
from typing import NamedTuple

import pytest
import small_model
from small import ROOT, small_params

from c2rl import config, provenance
from c2rl.extract.trained import Form
from c2rl.prepare.run import prepare
from c2rl.store.frames import FrameStore
from c2rl.training import checkpoint

USUAL = {
    "which": "best",
    "point": "after_transformer",
    "precision": "float32",
    "views": 1,
    "imported": None,
}


class Untrained(NamedTuple):
    """What an extraction needs."""

    folder: Path

    @property
    def frames(self) -> Path:
        return self.folder / "frames"

    @property
    def encoder(self) -> Path:
        return self.folder / "encoder"

    @property
    def videos(self) -> Path:
        """40 of them, in folders of splits."""
        (found,) = (self.folder / "raw/synthsign").glob("*/videos")
        return found

    def params(self, form: Form, views: int) -> config.ExtractParams:
        return config.ExtractParams(extract=form._asdict() | {"views": views})


def make(folder: Path) -> Untrained:
    """Draw, prepare, and write the encoder as stage `pretrain` does."""
    params = config.load(config.PretrainParams, small_params(folder / "params.yaml"))
    made = Untrained(folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("C2RL_DATA", str(folder / "raw"))
        patch.setenv("C2RL_SCRATCH", str(folder / "scratch"))
        patch.setenv("C2RL_WORKERS", os.environ.get("C2RL_WORKERS", "1"))
        prepare(
            config.load(config.PrepareParams, folder / "params.yaml"),
            release=ROOT / "data/corpora/synthsign.json",
            frames=made.frames,
            metrics=folder / "prepare.json",
        )
    store = FrameStore(made.frames).meta
    told = {
        "encoder": params.encoder.kwargs(),
        "frames": store.made_from["frames"] | params.frames.kwargs(),
        "crop": store.made_from["crop"],
    }
    weights = checkpoint.copy_weights(small_model.model(**small_model.SIZES))
    made_from = {"frames": store.fingerprint}
    with provenance.artefact(made.encoder, "encoder", made_from=made_from, counts={}) as home:
        checkpoint.save_weights(home / "model.safetensors", weights)
        checkpoint.save_weights(home / "last.safetensors", weights)
        provenance.write_json(home / "config.json", told)
    return made
