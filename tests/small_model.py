"""A small pretraining model and its batches, built by the real classes."""

from typing import Any

import torch

from c2rl.language import tokenizer as language
from c2rl.pretrain.batches import FrameBatches
from c2rl.pretrain.model import Pretrainer
from c2rl.pretrain.objective import Options
from c2rl.store.frames import FrameStore

SIZES = {"channels": 8, "width": 16, "layers": 1, "heads": 2, "feedforward": 32, "dropout": 0.0}
OPTIONS = Options(
    alpha=1.0,
    beta=1.0,
    sharpness=0.07,
    directions="sum",
    dual_mix=1.0,
    duplicate_text="ignore",
    negatives="global",
    smoothing=0.2,
    lm_reduction="token_mean",
    mask_rate=0.15,
    seed=0,
    precision="float32",
)


def batches(world: Any, split: str = "train", **changes: Any) -> FrameBatches:
    store = FrameStore(world.path("frames"))
    sentences = [row.clip.sentence for row in store.rows if row.clip.split == "train"]
    options = {
        **{"crop": 28, "keep": 0.25, "target_fps": None, "cap": None, "augment": "gfslt"},
        **{"batch_size": 6, "batch_norm": 3, "seed": 0},
    }
    return FrameBatches(store, split, language.build("corpus", 300, sentences), **options | changes)


def model(**changes: Any) -> Pretrainer:
    torch.manual_seed(0)
    return Pretrainer(
        vocabulary=300, weights="none", temperature=0.07, max_scale=100.0, **SIZES | changes
    )
