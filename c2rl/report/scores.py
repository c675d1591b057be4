"""The report's scores: translation, retrieval, and the watch for a translator that stopped looking.

Intervals are the 95 % of a bootstrap over the clips of a split; they tell nothing of other seeds.
"""

import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from c2rl.report.tables import ABSENT, Table, show

Json = dict[str, Any]

DIRECTIONS = {"t2v": "text to video", "v2t": "video to text"}
STATISTICS = {
    "r1": "R@1", "r5": "R@5", "r10": "R@10", "mrr": "MRR",
    "median_rank": "Median rank", "mean_rank": "Mean rank",
}  # fmt: skip


class Headline(NamedTuple):
    """One number, large."""

    name: str
    value: str
    interval: str
    """Its 95 % interval; empty where there is none."""
    beside: str
    """What it must be compared with."""


def headlines(translate: Json, retrieve: Json, split: str) -> list[Headline]:
    """Choose the four numbers that come first.

    Args:
        translate: Content of metrics/translate.json.
        retrieve: Content of metrics/retrieve.json.
        split: Whose numbers.

    Returns:
        BLEU-4, ROUGE-L and R@1 in both directions, each with what chance or language alone gives.
    """
    own, ranked = translate.get(split, {}), retrieve.get(split, {}).get("grouped", {})
    blind = (
        f"without looking at the video: {show(own.get('bleu4_shuffled'))} shuffled,"
        f" {show(own.get('bleu4_constant'))} constant"
    )
    chance = f"guessing among {show(ranked.get('pool'))}: {show(ranked.get('chance'))}"
    also = f"chrF {show(own.get('chrf'))}; {show(own.get('n'))} clips"
    found = [
        Headline("Translation, BLEU-4", show(own.get("bleu4")), _bleu_interval(own), blind),
        Headline("Translation, ROUGE-L", show(own.get("rouge_l")), ABSENT, also),
    ]
    for key, name in DIRECTIONS.items():
        side = ranked.get(key, {})
        value, interval = show(side.get("r1")), _interval(side, "r1")
        found.append(Headline(f"{name.capitalize()}, R@1", value, interval, chance))
    return [h._replace(interval="" if h.interval == ABSENT else h.interval) for h in found]


def _bleu_interval(own: Json) -> str:
    """Tell sacrebleu's interval, half of which is given around the mean of the bootstrap."""
    mean, half = own.get("bleu4_mean"), own.get("bleu4_ci")
    if mean is None or half is None:
        return ABSENT
    return f"{show(max(0.0, mean - half), 1)} to {show(min(100.0, mean + half), 1)}"


def _interval(side: Json, key: str) -> str:
    ends = [side.get(f"{key}_{end}") for end in ("low", "high")]
    return ABSENT if None in ends else " to ".join(show(end, 1) for end in ends)


def translation(metrics: Json) -> Table:
    """Show the translation scores of all splits under the corpus's own profile.

    Args:
        metrics: Content of metrics/translate.json.

    Returns:
        One row a split.
    """
    columns = ["Split", "BLEU-1", "BLEU-2", "BLEU-3", "BLEU-4", "95 % interval", "BLEU-4 shuffled"]
    columns += ["BLEU-4 constant", "ROUGE-L", "chrF", "chrF++", "Clips"]
    rows = []
    for split in ("test", "dev"):
        own = metrics.get(split, {})
        first, blind = ("bleu1", "bleu2", "bleu3", "bleu4"), ("bleu4_shuffled", "bleu4_constant")
        cells = [*(show(own.get(key)) for key in first), _bleu_interval(own)]
        last = (*blind, "rouge_l", "chrf", "chrf_pp", "n")
        rows.append([split, *cells, *(show(own.get(key)) for key in last)])
    return Table("Translation scores, 0 to 100, higher is better", columns, rows)


def profiles(metrics: Json) -> Table:
    """Show what other ways of counting give for the same sentences.

    Args:
        metrics: Content of metrics/translate.json.

    Returns:
        One row a split and profile.
    """
    keys = ("bleu1", "bleu2", "bleu3", "bleu4", "rouge_l", "chrf", "chrf_pp")
    rows = [
        [split, name, *(show(own.get(key)) for key in keys)]
        for split in ("test", "dev")
        for name, own in metrics.get(split, {}).get("profiles", {}).items()
    ]
    columns = ["Split", "Profile", "BLEU-1", "BLEU-2", "BLEU-3", "BLEU-4", "ROUGE-L", "chrF"]
    return Table("The same translations under other profiles", [*columns, "chrF++"], rows, 2)


def signatures(metrics: Json, *, own: bool) -> list[str]:
    """List how the translation scores were computed.

    Args:
        metrics: Content of metrics/translate.json.
        own: Those of the corpus's own profile, or those of the others.

    Returns:
        Distinct signatures.
    """
    told = [
        scores.get("signature")
        for split in metrics.values()
        for scores in ([split] if own else split.get("profiles", {}).values())
    ]
    return list(dict.fromkeys(text for text in told if text))


def retrieval(metrics: Json, split: str) -> list[Table]:
    """Show both protocols side by side.

    Args:
        metrics: Content of metrics/retrieve.json.
        split: Whose numbers.

    Returns:
        One table a direction; the last rows tell what was searched.
    """
    protocols = [metrics.get(split, {}).get(name, {}) for name in ("grouped", "paired")]
    columns = ["Measure", "Grouped", "95 % interval", "Paired", "95 % interval"]
    found = []
    for key, name in DIRECTIONS.items():
        sides = [own.get(key, {}) for own in protocols]
        rows = [
            [label, *(cell for s in sides for cell in (show(s.get(k)), _interval(s, k)))]
            for k, label in STATISTICS.items()
        ]
        told = {
            "Queries": [side.get("n") for side in sides],
            "Tied queries": [side.get("ties") for side in sides],
            "Pool": [own.get("pool") for own in protocols],
            "R@1, guessing": [own.get("chance") for own in protocols],
        }
        rows += [[k, show(values[0]), "", show(values[1]), ""] for k, values in told.items()]
        found.append(Table(f"{name.capitalize()}, {split} split", columns, rows))
    return found


def retrieval_signatures(metrics: Json) -> list[str]:
    """List how the ranks were counted.

    Args:
        metrics: Content of metrics/retrieve.json.

    Returns:
        Distinct signatures.
    """
    told = [protocol.get("signature") for own in metrics.values() for protocol in own.values()]
    return list(dict.fromkeys(text for text in told if text))


def watch(own: Json, predictions: Sequence[Json], training: Iterable[str]) -> Table | None:
    """Show whether the translator says the same whatever it sees.

    Args:
        own: A split's part of metrics/translate.json.
        predictions: Rows of predictions.<split>.jsonl.
        training: Sentences of the training split.

    Returns:
        One row a sign of collapse: of the hypotheses, and of the references, which are what a
        perfect translator says; None where nothing was translated.
    """
    if not predictions or "distinct" not in own:
        return None
    meant, known = [_plain(row["reference"]) for row in predictions], {*map(_plain, training)}
    share = 100 / len(meant)
    commonest = Counter(meant).most_common(1)[0][1]
    rows = [
        ("Distinct sentences, per cent", own["distinct"], share * len(set(meant)), "far fewer"),
        ("Commonest sentence, per cent", own.get("commonest"), share * commonest, "far more"),
        ("Length, of the references' characters", own.get("length_ratio"), 1.0, "far from 1"),
        ("Empty, per cent", own.get("empty"), share * meant.count(""), "any"),
        ("Copies of training sentences, per cent", own.get("copied"),
         share * sum(sentence in known for sentence in meant), "far more"),
    ]  # fmt: skip
    return Table(
        "The watch for collapse",
        ["What", "A bad sign", "Hypotheses", "References"],
        [[name, bad, show(ours), show(theirs)] for name, ours, theirs, bad in rows],
        texts=2,
    )


def _plain(sentence: str) -> str:
    return " ".join(unicodedata.normalize("NFKC", sentence).casefold().split())
