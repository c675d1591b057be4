"""The card of a published model: what it is, what it was learned from, and how well it does.

Everything on it is read from the artefact, the metrics of its stage and the frame store; numbers of
another run are refused. What only a person can know is left to be filled in, and says so.
"""

import json
from collections.abc import Callable, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple

from c2rl import provenance
from c2rl.corpora import find
from c2rl.provenance import Meta
from c2rl.report import templates
from c2rl.report.inputs import read_lines
from c2rl.report.origins import flat
from c2rl.store.manifest import OK, Row, read_manifest
from c2rl.translate import score as scoring

Json = dict[str, Any]

STAGES = {"encoder": "pretrain", "translator": "translate", "retriever": "retrieve"}
"""Kind of artefact to the stage that makes it, whose metrics its card shows."""

TASKS = {
    "encoder": ("feature-extraction", "sign-language-representation", "Sign language pretraining"),
    "translator": ("translation", "sign-language-translation", "Sign language translation"),
    "retriever": ("feature-extraction", "sign-language-retrieval", "Sign language retrieval"),
}
"""Kind to its task by the hub's names, a tag, and words."""

SHOWN = {
    "encoder": {
        "loss": "Dev loss, eq. (3)",
        "recall": "Clips matched in the batch",
        "words": "Words right",
        "alignment": "What a sign's words read inside it",
        "alignment_chance": "The same, all frames read alike",
    },
    "translator": {
        "bleu1": "BLEU-1",
        "bleu4": "BLEU-4",
        "rouge_l": "ROUGE-L",
        "chrf": "chrF",
        "bleu4_shuffled": "BLEU-4, videos shuffled",
        "bleu4_constant": "BLEU-4, one sentence for all",
    },
    "retriever": {
        "r1": "R@1",
        "r5": "R@5",
        "r10": "R@10",
        "mrr": "Mean reciprocal rank",
        "median_rank": "Median rank",
    },
}
"""Kind to the numbers that its card shows, by their names in the metrics."""


class Score(NamedTuple):
    """One number of the card."""

    split: str
    what: str
    name: str
    value: float
    interval: str
    """Its 95 % interval; empty where there is none."""
    signature: str
    """How it was counted; empty where there is one way only."""


class Data(NamedTuple):
    """What the model was learned from, as far as the frame store is at hand."""

    dataset: str
    languages: list[str]
    licence: str
    citation: str
    counts: list[list[str]]
    """Split, clips, hours, distinct sentences, signers."""


def scores(kind: str, artefact: Path, metrics: Path) -> list[Score]:
    """Read the metrics of an artefact's stage, and see that they are its own.

    Args:
        kind: encoder, translator or retriever.
        artefact: Its folder.
        metrics: Folder of the stages' metrics.

    Returns:
        What the card shows, test before dev.

    Raises:
        FileNotFoundError: If there is no metrics file.
        ValueError: If it was written for another artefact.
    """
    stage, read = STAGES[kind], _READERS[kind]
    file = metrics / f"{stage}.json"
    if not file.is_file():
        raise FileNotFoundError(
            f"{file} does not exist, and a card without scores is none: give --metrics, or run"
            f" `dvc repro {stage}`."
        )
    told: Json = json.loads(file.read_text(encoding="utf-8"))
    held_out = {split: told[split] for split in ("test", "dev") if split in told}
    for split, own in held_out.items():
        said = read.said(own)
        found = read.found(artefact, split, own)
        if found is None or abs(said - found) > _ROUNDING:
            by = "it says nothing of the split" if found is None else f"it has {found:.2f}"
            raise ValueError(
                f"{file} is not of {artefact}: {read.what} of {split} is {said:g} there, {by}. Give"
                f" --metrics, or run `dvc repro {stage}`."
            )
    return [score for split, own in held_out.items() for score in read.scores(split, own)]


_ROUNDING = 0.006
"""Metrics have two decimals."""


class _Reader(NamedTuple):
    """How the metrics of a kind are read, and checked against the artefact itself."""

    what: str
    said: Callable[[Json], float]
    """The number in the metrics of a split."""
    found: Callable[[Path, str, Json], float | None]
    """The same number by the artefact's own files; None where they hold nothing of it."""
    scores: Callable[[str, Json], list[Score]]


def _best_loss(artefact: Path, split: str, own: Json) -> float | None:
    history = read_lines(artefact / "history.jsonl")
    found = [e.get(f"{split}_loss") for e in history if e["epoch"] == own.get("best_epoch")]
    return found[0] if found else None


def _bleu(artefact: Path, split: str, own: Json) -> float | None:
    rows = read_lines(artefact / f"predictions.{split}.jsonl")
    ours, theirs = ([row[key] for row in rows] for key in ("hypothesis", "reference"))
    return scoring.bleu(ours, theirs, own["signature"].split("|")[0]) if rows else None


def _first_share(artefact: Path, split: str, own: Json) -> float | None:
    rows = read_lines(artefact / f"ranks.{split}.jsonl")
    return 100 * sum(row["v2t_rank"] <= 1 for row in rows) / len(rows) if rows else None


def _encoder(split: str, own: Json) -> list[Score]:
    shown = SHOWN["encoder"].items()
    return [Score(split, k, name, own[k], "", "") for k, name in shown if k in own]


def _translator(split: str, own: Json) -> list[Score]:
    interval = ""
    if "bleu4_ci" in own:
        low, high = (own["bleu4_mean"] + sign * own["bleu4_ci"] for sign in (-1, 1))
        interval = f"{max(0.0, low):.2f} to {min(100.0, high):.2f}"
    return [
        Score(split, k, name, own[k], interval if k == "bleu4" else "", own["signature"])
        for k, name in SHOWN["translator"].items()
        if k in own
    ]


def _retriever(split: str, own: Json) -> list[Score]:
    found = []
    for protocol, ranked in own.items():
        for direction, words in (("t2v", "text to video"), ("v2t", "video to text")):
            side = ranked[direction]
            for k, name in SHOWN["retriever"].items():
                if k in side:
                    ends = [side.get(f"{k}_{end}") for end in ("low", "high")]
                    interval = "" if None in ends else f"{ends[0]:.2f} to {ends[1]:.2f}"
                    what = f"{name}, {words}, {protocol}, {ranked['pool']} candidates"
                    told = ranked.get("signature", "")
                    found.append(Score(split, k, what, side[k], interval, told))
    return found


_READERS = {
    "encoder": _Reader("the loss", lambda own: own["loss"], _best_loss, _encoder),
    "translator": _Reader("BLEU-4", lambda own: own["bleu4"], _bleu, _translator),
    "retriever": _Reader(
        "R@1, video to text,", lambda own: own["grouped"]["v2t"]["r1"], _first_share, _retriever
    ),
}


def data(kind: str, artefact: Path, meta: Meta, frames: Path) -> Data:
    """Read what the model was learned from, and see that it was.

    Args:
        kind: encoder, translator or retriever.
        artefact: Its folder.
        meta: What its meta.json says.
        frames: Frame store that it comes from.

    Returns:
        Data set, languages and counts.

    Raises:
        FileNotFoundError: If the store is absent or incomplete.
        ValueError: If the artefact comes from another one.
    """
    store = provenance.read_meta(frames, "frames", made_by="prepare")
    rows = [row for row in read_manifest(frames / "manifest.jsonl") if row.status == OK]
    if kind == "encoder":
        is_own = meta.made_from.get("frames") == store.fingerprint
    else:
        known = {row.clip.id: row.clip.sentence for row in rows}
        name, key = ("predictions", "reference") if kind == "translator" else ("ranks", "sentence")
        said = [
            line for s in ("dev", "test") for line in read_lines(artefact / f"{name}.{s}.jsonl")
        ]
        is_own = all(known.get(line["id"]) == line[key] for line in said)
    if not is_own:
        raise ValueError(
            f"{artefact} was not made from {frames}: give its frame store by --frames."
        )
    dataset = str(store.made_from.get("dataset"))
    facts = find.corpus(dataset).facts if dataset in find.names() else None
    return Data(
        dataset=dataset,
        languages=sorted({row.clip.language for row in rows if row.clip.language}),
        licence=facts.licence if facts else "",
        citation=facts.citation if facts else "",
        counts=_counts(rows),
    )


def _counts(rows: Sequence[Row]) -> list[list[str]]:
    found = []
    for split, own in groupby(rows, key=lambda row: row.clip.split):
        clips = list(own)
        hours = sum(row.num_frames / row.fps for row in clips if row.fps) / 3600
        sentences, signers = ({getattr(r.clip, k) for r in clips} for k in ("sentence", "signer"))
        numbers = [len(clips), round(hours, 2), len(sentences), len(signers - {None})]
        found.append([split, *(f"{n:,}" if n else "–" for n in numbers)])
    return found


def render(kind: str, meta: Meta, told: Sequence[Score], learned: Data | None, **more: Any) -> str:
    """Write the card.

    Args:
        kind: encoder, translator or retriever.
        meta: What the artefact's meta.json says.
        told: From `scores`.
        learned: From `data`; None where no frame store is at hand.
        more: `files`, names to bytes; `has_index`, whether a retriever's clips go with it;
            `encoder`, the fingerprint of the one it needs, and `width`, columns of the features.

    Returns:
        Markdown with a YAML head, as the Hugging Face hub reads it.
    """
    environment = templates.environment("c2rl", "app", is_html=False)
    task, tag, words = TASKS[kind]
    return environment.get_template("card.md.jinja").render(
        kind=kind,
        task=task,
        tag=tag,
        words=words,
        meta=meta,
        scores=told,
        signatures=list(dict.fromkeys(own.signature for own in told if own.signature)),
        data=learned,
        parameters=flat(meta.made_from),
        **more,
    )
