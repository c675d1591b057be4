"""Whether one system is better than another by more than chance: sacrebleu's paired test."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

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
