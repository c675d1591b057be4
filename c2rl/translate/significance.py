"""Whether one system is better than another by more than chance: sacrebleu's paired test."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from sacrebleu.significance import PairedTest, Result

from c2rl.translate import profiles, score


class Comparison(NamedTuple):
    """Two systems on the same clips, by paired bootstrap resampling."""

    bleu4: float
    other: float
    p_value: float
    """Chance of so large a difference if the two were equally good; 1 for equal outputs."""
    signature: str


def compare(
    hypotheses: Mapping[str, str],
    others: Mapping[str, str],
    references: Mapping[str, str],
    name: str,
    *,
    resamples: int = 1000,
) -> Comparison:
    """Test whether one system's BLEU-4 differs from another's by more than chance.

    Args:
        hypotheses: Clip id to sentence.
        others: The same of the other system.
        references: Clip id to the data set's sentence.
        name: Profile.
        resamples: Bootstrap samples, 1 or more.

    Returns:
        The scores and the p-value, the same for the same files on every machine.

    Raises:
        ValueError: As `score.score` does.
    """
    score.require_same(hypotheses, references)
    score.require_same(others, references)
    profiles.require_fit(name, references.values())
    ids = sorted(references)
    theirs = [profiles.treat(references[i], name, is_reference=True) for i in ids]
    systems: list[tuple[str, Sequence[str]]] = [
        (label, [profiles.treat(side[i], name, is_reference=False) for i in ids])
        for label, side in (("other", others), ("own", hypotheses))
    ]
    with score.seeded():
        test = PairedTest(
            systems, {"BLEU": score.metric(name)}, [theirs], "bs", n_samples=resamples
        )
        other, own = (found for found in test()[1]["BLEU"] if isinstance(found, Result))
    told = f"{score.signature(name)}|test:paired-bootstrap|bs:{resamples}|seed:{score.SEED}"
    return Comparison(
        bleu4=round(own.score, 2),
        other=round(other.score, 2),
        # sacrebleu gives equal outputs the smallest p-value there is.
        p_value=1.0 if systems[0][1] == systems[1][1] else round(own.p_value or 0.0, 4),
        signature=told,
    )


def counts(
    hypotheses: Sequence[str], references: Sequence[str], name: str
) -> npt.NDArray[np.int64]:
    """Count what BLEU-4 adds up over sentences: lengths, and n-grams that are right or there.

    Args:
        hypotheses: One a clip.
        references: The data set's strings, in the same order.
        name: Profile.

    Returns:
        (clips, numbers) int64; their sum over clips gives the score, by `bleu4_of`.
    """
    sides = [
        [profiles.treat(text, name, is_reference=is_reference) for text in texts]
        for texts, is_reference in ((hypotheses, False), (references, True))
    ]
    metric = score.metric(name)
    return np.array(metric._extract_corpus_statistics(sides[0], [sides[1]]), dtype=np.int64)


def bleu4_of(total: npt.NDArray[np.int64], name: str) -> float:
    """Compute BLEU-4 from the sum of `counts`.

    Args:
        total: (numbers,) int64.
        name: Profile.

    Returns:
        0 to 100.
    """
    return score.cumulative(score.metric(name)._compute_score_from_stats(total.tolist()), 4)
