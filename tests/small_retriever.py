"""A small retriever whose clips sign their sentences, and features of long videos."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from c2rl import provenance
from c2rl.corpora.clip import Clip
from c2rl.language import tokenizer as language
from c2rl.retrieve import parts
from c2rl.retrieve.embed import embed_text
from c2rl.retrieve.model import RetrieverNetwork
from c2rl.store.features import write_feature_store
from c2rl.store.manifest import Row
from c2rl.training import checkpoint

SENTENCES = [
    *("morgen regen im norden", "sonne im süden", "der mann sucht ein auto"),
    *("die frau liest", "heute schnee", "regen und wind"),
]
SCORING = {"sharpness": 0.07, "mix": 0.5}
ENCODER, FEATURES = "0123456789abcdef", 6
SIZES = {"width": 16, "layers": 1, "heads": 2, "feedforward": 16, "dropout": 0.0}


class Made(NamedTuple):
    path: Path
    network: RetrieverNetwork
    tokenizer: language.Tokenizer


def write_retriever(path: Path) -> Made:
    """Every clip holds each token's vector for two steps, so it matches its own sentence best."""
    tokenizer = language.build("corpus", 200, SENTENCES)
    network = {"feature_width": FEATURES, "temperature": 0.07, "max_scale": 100.0, **SIZES}
    network["vocabulary"] = tokenizer.size
    torch.manual_seed(0)
    model = RetrieverNetwork(**network).eval()
    texts = embed_text(model, SENTENCES, tokenizer)
    signs = [text.half().numpy().repeat(2, axis=0) for text in texts]
    rows = [
        Row(Clip(f"c{i}", "train" if i < 4 else "dev", s, "de", f"{i}.mp4"), "ok", "", 100, 25.0)
        for i, s in enumerate(SENTENCES)
    ]
    made_from = {"features": "f", "params": {}}
    with provenance.artefact(path, "retriever", made_from=made_from, counts={}) as folder:
        checkpoint.save_weights(folder / "model.safetensors", checkpoint.copy_weights(model))
        config = {"network": network, "encoder": ENCODER, **SCORING}
        provenance.write_json(folder / "config.json", config)
        provenance.write_atomic(folder / "tokenizer.json", tokenizer.dumps())
        write_feature_store(
            folder / "embeddings.zarr", rows, iter(signs),
            lengths=[len(s) for s in signs], width=16, made_from=made_from,
        )  # fmt: skip
        parts.write_candidates(folder, texts, **SCORING)
    return Made(path, model, tokenizer)


def write_features(
    path: Path, rows: list[Row], *, encoder: str = ENCODER, width: int = FEATURES, **more: object
):
    rng = np.random.default_rng(0)
    clips = [rng.standard_normal((5 + i % 3, width)).astype(np.float16) for i in range(len(rows))]
    write_feature_store(
        path, rows, iter(clips),
        lengths=[len(c) for c in clips], width=width, made_from={"encoder": encoder, **more},
    )  # fmt: skip
    return clips


def windows(video: str, count: int, step: float = 10.0) -> list[Row]:
    """Windows of 15 s, each 10 s after the one before, as extraction cuts long videos."""
    rows = []
    for i in range(count):
        start, end = step * i, step * i + 15
        clip = Clip(f"{video}@{start:.2f}-{end:.2f}", "clips", "", "", f"{video}.mp4")
        rows.append(Row(clip._replace(start_s=start, end_s=end), "ok", "", 375, 25.0))
    return rows
