"""All clips of a split against all its sentences: metrics, and a rank for every query."""

from collections.abc import Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from c2rl.language.tokenizer import Tokenizer
from c2rl.retrieve import exact, score
from c2rl.retrieve.embed import embed_signs, embed_text
from c2rl.retrieve.model import RetrieverNetwork
from c2rl.store.features import FeatureSplit


class Ranking(NamedTuple):
    """How a split was ranked."""

    metrics: dict[str, Any]
    """The summaries `grouped` and `paired` of `score.summary`."""
    rows: list[dict[str, Any]]
    """One a clip: its ranks under both protocols, and the sentence that it is nearest to."""


def rank(
    model: RetrieverNetwork,
    split: FeatureSplit,
    tokenizer: Tokenizer,
    *,
    sharpness: float,
    mix: float,
    resamples: int = 0,
) -> Ranking:
    """Score all clips of a split against all its sentences, exactly.

    Args:
        model: In evaluation mode.
        split: Clips and sentences.
        tokenizer: Of the model.
        sharpness: Temperature of CLCL's inner softmax.
        mix: Score = mix * V2T + (1 - mix) * T2V.
        resamples: Of the bootstrap; 0: no intervals.

    Returns:
        Metrics and per-clip ranks.
    """
    # Equal sentences are scored once: computed twice, they would differ by rounding, not be a tie.
    distinct = list(dict.fromkeys(split.sentences))
    found = exact.score_pairs(
        embed_signs(model, split),
        embed_text(model, distinct, tokenizer),
        sharpness=sharpness,
        mix=mix,
        device=model.log_scale.device,
    )
    column = {sentence: number for number, sentence in enumerate(distinct)}
    scores = found[:, [column[sentence] for sentence in split.sentences]]
    signed = f"mix:{mix:g}|sharpness:{sharpness:g}|ties:expected"
    return compare(split, scores, resamples=resamples, signature=signed)


def compare(
    split: FeatureSplit,
    scores: npt.NDArray[np.floating[Any]],
    *,
    resamples: int,
    signature: str,
) -> Ranking:
    """Rank a split under both protocols.

    Args:
        split: V clips.
        scores: (V, V) score of every clip with every clip's sentence.
        resamples: Of the bootstrap; 0: no intervals.
        signature: How the scores were made.

    Returns:
        Metrics and per-clip ranks.
    """
    group, first = score.number_groups(split.groups)
    own = scores[:, first]
    protocols = {"grouped": score.grouped(own, group), "paired": score.paired(scores)}
    bootstrap = f"|bs:{resamples}|seed:{score.SEED}" if resamples else ""
    summarise = partial(score.summary, resamples=resamples)
    metrics = {
        name: summarise(ranks) | {"signature": f"{name}|{signature}{bootstrap}"}
        for name, ranks in protocols.items()
    }
    return Ranking(metrics, _rows(split, scores, first, group, **protocols))


def _rows(
    split: FeatureSplit,
    scores: npt.NDArray[np.floating[Any]],
    first: Sequence[int],
    group: npt.NDArray[np.int64],
    *,
    grouped: score.Ranks,
    paired: score.Ranks,
) -> list[dict[str, Any]]:
    best = scores[:, first].argmax(axis=1)
    return [
        {
            "id": row.clip.id,
            "sentence": row.clip.sentence,
            "group": split.groups[i],
            "v2t_rank": float(grouped.v2t.ranks[i]),
            "t2v_rank": float(grouped.t2v.ranks[group[i]]),
            "paired_v2t_rank": float(paired.v2t.ranks[i]),
            "paired_t2v_rank": float(paired.t2v.ranks[i]),
            "score": round(float(scores[i, i]), 4),
            "best": split.sentences[first[best[i]]],
            "best_score": round(float(scores[i, first[best[i]]]), 4),
        }
        for i, row in enumerate(split.rows)
    ]
