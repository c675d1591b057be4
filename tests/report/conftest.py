"""A small finished run, written by the real writers."""

import json

import cv2
import numpy as np
import pytest
import torch

from c2rl import provenance
from c2rl.config import Report, ReportParams
from c2rl.corpora.clip import Clip
from c2rl.language import tokenizer as language
from c2rl.report.run import report
from c2rl.retrieve.model import RetrieverNetwork
from c2rl.store.features import write_feature_store
from c2rl.store.frames import EncodedClip, FrameStore, write_frame_store
from c2rl.store.manifest import Row, count
from c2rl.training import checkpoint
from c2rl.video.sample import segments

WORDS = ["regen", "sonne", "im", "norden", "morgen", "der", "mann", "sucht", "ein", "auto"]
SAMPLING = {"crop": 20, "keep": 0.25, "target_fps": None, "cap": None, "augment": "paper"}
SCORING = {"sharpness": 0.07, "mix": 0.5}
WIDTH = 16


SUITE = {
    "title": "Effect of the loss weights",
    "heading": "Effect of the loss weights. Dataset table, seeds 0, 1, 2.",
    "notes": ["One row never ran."],
    "columns": ["BLEU-4", "R@1"],
    "rows": [
        {"name": "one to two", "cells": [
            {"mean": 31.26, "sd": 2.04, "n": 3, "paper": 26.19},
            {"mean": 60.0, "sd": None, "n": 1, "paper": None},
        ]},
        {"name": "one to one", "cells": [
            {"mean": None, "sd": None, "n": 0, "paper": 26.75},
            {"mean": None, "sd": None, "n": 0, "paper": None},
        ]},
    ],
    "commit": "0123abc", "machine": "2 cores", "command": "suite.py show loss_weights --keep",
}  # fmt: skip


def sentence(number):
    return " ".join(WORDS[(number * step + step) % len(WORDS)] for step in (1, 3, 5, 7))


def make_rows(splits, *, gloss=True, sentences=None, signer=True):
    """Clips of 13 frames and more; one more clip of train that failed."""
    rows = []
    for split, size in splits.items():
        for i in range(size):
            own = (sentences or {}).get(f"{split}-{i}", sentence(i))
            length = 13 + 5 * i
            signs = {"gloss": ("REGEN", "NORDEN"), "gloss_spans": ((2, 5), (7, 11))}
            clip = Clip(
                f"{split}-{i}",
                split,
                own,
                "de",
                "a.mp4",
                fps=25.0,
                signer=f"signer{i % 3}" if signer else None,
                **(signs if gloss else {}),
            )
            rows.append(Row(clip, "ok", "", length, 25.0, "decord"))
    failed = Clip("train-bad", "train", "egal", "de", "b.mp4")
    return [*rows, Row(failed, "decode_error", "moov atom not found")]


def write_frames(path, rows):
    clips = []
    for number, row in enumerate(row for row in rows if row.status == "ok"):
        y, x = np.mgrid[:24, :24]
        images = [
            np.stack([x * 9, y * 9, x * 0 + (9 * t + number) % 256], axis=-1).astype(np.uint8)
            for t in range(row.num_frames)
        ]
        files = [cv2.imencode(".jpg", image)[1] for image in images]
        clips.append(EncodedClip(np.concatenate(files), np.array([len(f) for f in files])))
    made_from = {"dataset": "table", "frames": {"codec": "jpeg", "size": 24, "quality": 95}}
    sizes = [clip.sizes for clip in clips]
    write_frame_store(path, rows, clips, sizes=sizes, made_from=made_from, counts=count(rows))
    return FrameStore(path)


def write_lines(path, rows):
    provenance.write_atomic(path, "".join(json.dumps(r, ensure_ascii=False) + "\n" for r in rows))


def write_encoder(path, frames):
    params = {"seed": 0, "frames": SAMPLING, "loss": {"alpha": 1.0}}
    made_from = {"frames": frames, "params": params}
    history = [
        {"epoch": e, "loss": 9.0 / e, "contrastive": 5 / e, "language": 4 / e} for e in (1, 2, 3)
    ]
    history[2] |= {
        "dev_loss": 4.0,
        "dev_contrastive": 2.0,
        "dev_language": 2.0,
        "dev_recall": 50.0,
        "dev_words": 20.0,
    }
    with provenance.artefact(path, "encoder", made_from=made_from, counts={}) as folder:
        checkpoint.save_weights(folder / "model.safetensors", {"weight": torch.ones(2)})
        provenance.write_json(folder / "config.json", {"frames": SAMPLING})
        write_lines(folder / "history.jsonl", history)
    return provenance.read_meta(path, "encoder", made_by="pretrain").fingerprint


def write_translator(path, encoder, rows):
    made_from = {"features": "f", "params": {"dataset": "table", "translate": {"epochs": 2}}}
    history = [{"epoch": 1, "loss": 3.0}, {"epoch": 2, "loss": 2.0, "dev_bleu4": 11.5}]
    with provenance.artefact(path, "translator", made_from=made_from, counts={}) as folder:
        provenance.write_json(folder / "config.json", {"encoder": encoder})
        write_lines(folder / "history.jsonl", history)
        for split in ("dev", "test"):
            own = [row.clip for row in rows if row.clip.split == split]
            predictions = [
                {"id": c.id, "hypothesis": c.sentence[: 4 * i], "reference": c.sentence,
                 "rouge_l": 12.5 * i, "score": -1.0, "n_best": []}
                for i, c in enumerate(own)
            ]  # fmt: skip
            if own:
                write_lines(folder / f"predictions.{split}.jsonl", predictions)


def write_retriever(path, encoder, rows):
    ok = [row for row in rows if row.status == "ok"]
    tokenizer = language.build("corpus", 100, [row.clip.sentence for row in ok])
    network = {"feature_width": 8, "vocabulary": tokenizer.size, "width": WIDTH, "layers": 1}
    network |= {
        "temperature": 0.07,
        "max_scale": 100.0,
        "heads": 2,
        "feedforward": 8,
        "dropout": 0.0,
    }
    torch.manual_seed(0)
    model = RetrieverNetwork(**network)
    made_from = {"features": "f", "params": {"retrieve": {"epochs": 2}}}
    lengths = [len(segments(row.num_frames, 0.25)[0]) for row in ok]
    signs = [np.random.default_rng(i).normal(size=(n, WIDTH)) for i, n in enumerate(lengths)]
    with provenance.artefact(path, "retriever", made_from=made_from, counts={}) as folder:
        checkpoint.save_weights(folder / "model.safetensors", checkpoint.copy_weights(model))
        config = {"network": network, "encoder": encoder, **SCORING}
        provenance.write_json(folder / "config.json", config)
        provenance.write_atomic(folder / "tokenizer.json", tokenizer.dumps())
        write_lines(folder / "history.jsonl", [{"epoch": 1, "loss": 3.0, "dev_r1": 20.0}])
        write_feature_store(
            folder / "embeddings.zarr", ok, (s.astype(np.float16) for s in signs),
            lengths=lengths, width=WIDTH, made_from=made_from,
        )  # fmt: skip
        for split in ("dev", "test"):
            own = [row.clip for row in rows if row.clip.split == split]
            ranks = [
                {"id": c.id, "sentence": c.sentence, "group": c.group or c.id, "v2t_rank": 1.0 + i,
                 "t2v_rank": 1.0, "score": 0.5, "best": own[0].sentence, "best_score": 0.6}
                for i, c in enumerate(own)
            ]  # fmt: skip
            if own:
                write_lines(folder / f"ranks.{split}.jsonl", ranks)
    return model, tokenizer


def write_metrics(folder, splits):
    scores = {f"bleu{n}": 50.0 / n for n in (1, 2, 3, 4)} | {"rouge_l": 40.0, "chrf": 45.0, "n": 4}
    scores |= {"bleu4_shuffled": 3.0, "bleu4_constant": 2.5}
    scores |= {"bleu4_mean": 12.0, "bleu4_ci": 2.5, "chrf_pp": 44.0, "signature": "some|signature"}
    scores |= {"distinct": 88.89, "length_ratio": 0.5, "commonest": 11.11, "empty": 11.11}
    scores |= {"copied": 0.0, "covered": 100.0, "unknown_pieces": ""}
    scores |= {"profiles": {"other": {"bleu4": 13.5, "n": 4, "signature": "other|signature"}}}
    side = {"r1": 25.0, "r5": 75.0, "r10": 100.0, "median_rank": 2.0, "mean_rank": 2.5, "n": 4}
    side |= {"mrr": 50.0, "ties": 0, "r1_low": 5.0, "r1_high": 45.0}
    ranks = {"t2v": side, "v2t": side, "pool": 4, "chance": 25.0, "signature": "ranks|signature"}
    held_out = [split for split in ("dev", "test") if split in splits]
    stored = {"frames": 100, "hours": 0.1, "megabytes": 1.0, "failed": {}}
    aligned = {"alignment": 40.25, "alignment_signing": 30.0, "alignment_chance": 20.0}
    content = {
        "pretrain": {"dev": aligned},
        "prepare": {split: {"clips": n, **stored} for split, n in splits.items()},
        "translate": dict.fromkeys(held_out, scores),
        "retrieve": {split: {"grouped": ranks, "paired": ranks} for split in held_out},
    }
    for stage, metrics in content.items():
        provenance.write_json(folder / f"{stage}.json", metrics)


class Run:
    """A finished run in a folder."""

    def __init__(self, root, *, splits=None, **options):
        self.root, splits = root, splits or {"train": 4, "dev": 3, "test": 9}
        self.rows = make_rows(splits, **options)
        self.frames = write_frames(root / "frames", self.rows)
        encoder = write_encoder(root / "encoder", self.frames.meta.fingerprint)
        write_translator(root / "translator", encoder, self.rows)
        self.model, self.tokenizer = write_retriever(root / "retriever", encoder, self.rows)
        write_metrics(root / "metrics", splits)
        provenance.write_json(root / "suites" / "loss_weights.json", SUITE)

    def paths(self, out="report"):
        names = ("frames", "encoder", "translator", "retriever", "metrics", "suites")
        return {name: self.root / name for name in names} | {"report": self.root / out}

    def report(self, examples=6, out="report"):
        report(ReportParams(report=Report(examples=examples)), **self.paths(out))
        return (self.root / out / "report.html").read_text(encoding="utf-8")


@pytest.fixture
def make_run(tmp_path):
    return lambda **options: Run(tmp_path, **options)


@pytest.fixture(scope="session")
def finished(tmp_path_factory):
    run = Run(tmp_path_factory.mktemp("run"))
    return run, run.report()
