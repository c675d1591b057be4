"""The numbers of the stages' metrics files, which a suite's columns may name."""

_RANKS = ("r1", "r5", "r10", "median_rank", "mean_rank", "mrr")
_SIDE = (*(f"{name}{end}" for name in _RANKS for end in ("", "_low", "_high")), "ties", "n")
_PROTOCOL = (*(f"{way}.{name}" for way in ("t2v", "v2t") for name in _SIDE), "pool", "chance")
_SCORES = (*(f"bleu{n}" for n in range(1, 5)), "rouge_l", "chrf", "chrf_pp", "n")
_WATCH = ("distinct", "length_ratio", "commonest", "empty", "copied", "covered")
_BLEU = ("bleu4_mean", "bleu4_ci", "bleu4_shuffled", "bleu4_constant")
_LOSSES = ("loss", "contrastive", "language")
_READS = ("alignment", "alignment_chance", "alignment_signing")
_SIZES = ("clips", "frames", "hours", "megabytes")

KEYS: dict[str, frozenset[str]] = {
    "prepare": frozenset(_SIZES),
    "pretrain": frozenset(
        {*_LOSSES, *_READS, "epoch", "best_epoch", "skipped", "recall", "words", "covered"}
    ),
    "extract": frozenset({"clips", "rows", "width", "megabytes"}),
    "translate": frozenset({*_SCORES, *_WATCH, *_BLEU}),
    "retrieve": frozenset(f"{kind}.{name}" for kind in ("grouped", "paired") for name in _PROTOCOL),
}
"""Stage to the numbers that it writes for a split."""

_SPLITS = ("train", "dev", "test")
_FOLDER = "data/metrics/"


def require(column: str) -> None:
    """Refuse a column that no stage writes.

    Args:
        column: File of metrics, colon, split, dot, key.

    Raises:
        ValueError: If there is no such file, or no such number in it.

    Example:
        >>> require("data/metrics/translate.json:test.bleu5")
        Traceback (most recent call last):
        ...
        ValueError: no stage writes data/metrics/translate.json:test.bleu5; did you mean ...bleu4?
    """
    path, _, dotted = column.partition(":")
    stage = path.removeprefix(_FOLDER).removesuffix(".json")
    if path != f"{_FOLDER}{stage}.json" or stage not in KEYS:
        known = ", ".join(f"{_FOLDER}{name}.json" for name in KEYS)
        raise ValueError(f"no stage writes {path}, of column {column}; there are {known}")
    split, _, key = dotted.partition(".")
    if split not in _SPLITS or key not in KEYS[stage]:
        raise ValueError(f"no stage writes {column}; {_hint(path, split, key, KEYS[stage])}")


def _hint(path: str, split: str, key: str, known: frozenset[str]) -> str:
    from difflib import get_close_matches

    if split not in _SPLITS:
        return f"'{split}' is none of the splits {', '.join(_SPLITS)}"
    near = get_close_matches(key, sorted(known), n=1)
    return (
        f"did you mean ...{near[0]}?" if near else f"{path} has {', '.join(sorted(known)[:8])}, ..."
    )
