"""pipeline/presets/paper.yaml is the paper (shared facts: Sec. IV-B, Table I, equations 1 to 3)."""

import re
from pathlib import Path

import pytest

from c2rl import config

ROOT = Path(__file__).parent.parent
PAPER = ROOT / "pipeline/presets/paper.yaml"

STATED = {
    "frames.size": 256,
    "frames.crop": 224,
    "frames.keep": 0.25,
    "tokenizer.name": "facebook/mbart-large-cc25",
    "encoder.weights": "imagenet",
    "encoder.channels": 64,
    "encoder.width": 512,
    "encoder.layers": 3,
    "encoder.heads": 8,
    "encoder.feedforward": 2048,
    "encoder.dropout": 0.1,
    "loss.alpha": 1.0,
    "loss.beta": 1.0,
    "loss.directions": "sum",
    "loss.dual_mix": 1.0,
    "loss.duplicate_text": "ignore",
    "loss.smoothing": 0.2,
    "pretrain.optimizer": "sgd",
    "pretrain.momentum": 0.9,
    "pretrain.lr": 1e-2,
    "pretrain.batch_size": 64,
    "pretrain.epochs": 200,
    "translate.backbone": "mbart",
    "translate.weights": "facebook/mbart-large-cc25",
    "translate.optimizer": "adam",
    "translate.lr": 1e-5,
    "translate.projection_lr": 1e-3,
    "translate.dropout": 0.3,
    "translate.epochs": 80,
    "translate.batch_size": 128,
    "retrieve.backbone": "mbart",
    "retrieve.weights": "facebook/mbart-large-cc25",
    "retrieve.optimizer": "adam",
    "retrieve.lr": 1e-4,
    "retrieve.dropout": 0.3,
    "retrieve.epochs": 80,
    "retrieve.batch_size": 128,
}
REGISTER = {
    "frames.target_fps": None,
    "frames.cap": None,
    "frames.augment": "paper",
    "loss.temperature": 0.07,
    "loss.max_scale": 100.0,
    "loss.sharpness": 0.07,
    "loss.negatives": "global",
    "loss.lm_reduction": "token_mean",
    "pretrain.nesterov": False,
    "pretrain.weight_decay": 0.0,
    "pretrain.warmup": 0.0,
    "pretrain.clip_norm": None,
    "translate.beams": 5,
    "retrieve.input_scale": "one",
    "retrieve.attention_dropout": 0.1,
    "retrieve.momentum": 0.9,
    "retrieve.weight_decay": 0.001,
    "retrieve.warmup": 0.0,
    "retrieve.clip_norm": None,
    "retrieve.mix": 0.5,
}


def value(params: config.Params, dotted: str) -> object:
    found: object = params
    for part in dotted.split("."):
        found = getattr(found, part)
    return found


@pytest.mark.parametrize(("key", "number"), [*STATED.items(), *REGISTER.items()])
def test_paper_yaml_is_the_paper(key: str, number: object) -> None:
    assert value(config.load(config.Params, PAPER), key) == number


def test_every_difference_of_the_default_is_commented() -> None:
    ours, paper = (config.load(config.Params, p) for p in (ROOT / "params.yaml", PAPER))
    text = (ROOT / "params.yaml").read_text()
    for key in config.leaves(config.Params) - {"dataset"}:
        if value(ours, key) != value(paper, key):
            section, _, name = key.partition(".")
            block = re.split(r"^(?=\w)", text, flags=re.M)
            lines = next(b for b in block if b.startswith(f"{section}:")).splitlines()
            line = next(x for x in lines if x.strip().startswith(f"{name}:"))
            assert "# paper:" in line, f"{key} differs from the paper without saying so"


def test_every_open_point_of_stage_one_is_a_key_or_a_decision_that_is_told() -> None:
    """Rows 1 to 25 of the ambiguity register, in pipeline/README.md."""
    text = (ROOT / "pipeline/README.md").read_text(encoding="utf-8")
    table = text[text.index("## The paper's open points") :]
    rows = re.findall(r"^\| ([\d, –]+) \|(.*)\|$", table, re.MULTILINE)
    numbers = {int(n) for cell, _ in rows for n in re.findall(r"\d+", cell)}
    assert numbers == set(range(1, 26))
    named = {key for _, row in rows for key in re.findall(r"`((?:[a-z_]+\.)+[a-z_*]+)`", row)}
    known = config.leaves(config.Params)
    for key in named:
        prefix = key.removesuffix("*")
        assert any(leaf == key or leaf.startswith(prefix) for leaf in known), key
