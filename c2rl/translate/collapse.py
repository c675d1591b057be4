"""The watch for translators that stopped looking: what they say is fluent, and the same for all.

BLEU alone does not show it: a corpus of alike sentences rewards its commonest one.
"""

import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import NamedTuple

FEWEST_DISTINCT = 0.5
"""Of the distinct references; fewer distinct hypotheses are warned of."""
COMMONEST = (10.0, 3.0)
"""Per cent of the hypotheses, and times what the commonest reference has; more is warned of."""
LENGTHS = (0.7, 1.4)
"""Characters said for one that was meant; less and more is warned of."""
COPIED = 30.0
"""Points more hypotheses than references that are training sentences; more is warned of."""


class Watch(NamedTuple):
    """How varied hypotheses are; shares are in per cent."""

    num_distinct: int
    distinct: float
    distinct_references: float
    length_ratio: float
    """Characters of the hypotheses over those of the references, spaces aside."""
    commonest: float
    """Of the sentence that is said most often."""
    commonest_sentence: str
    empty: float
    copied: float | None
    """Of hypotheses that are training sentences word for word; None without training sentences."""
    copied_references: float | None
    """Of references that are; what `copied` would be without a mistake."""
    warnings: tuple[str, ...]

    def numbers(self) -> dict[str, float]:
        """Give what belongs among metrics.

        Returns:
            distinct, length_ratio, commonest, empty and, if there were training sentences, copied.
        """
        names = ("distinct", "length_ratio", "commonest", "empty", "copied")
        return {name: value for name in names if (value := getattr(self, name)) is not None}


def watch(
    hypotheses: Sequence[str], references: Sequence[str], training: Iterable[str] = ()
) -> Watch:
    """Look at all hypotheses at once.

    Sentences count as the same that differ in case, spacing or full-width forms alone.

    Args:
        hypotheses: One a clip.
        references: In the same order.
        training: Sentences of the training split; none to leave copies uncounted.

    Returns:
        Numbers, and a warning in words for each that is beyond its threshold.

    Raises:
        ValueError: If there are no clips, or not as many of both.
    """
    if not references or len(hypotheses) != len(references):
        raise ValueError(
            f"expected as many hypotheses as references, one or more; got {len(hypotheses)} and"
            f" {len(references)}."
        )
    ours, theirs = [_plain(s) for s in hypotheses], [_plain(s) for s in references]
    known = {_plain(s) for s in training}
    said, meant = Counter(ours), Counter(theirs)
    most, times = said.most_common(1)[0]
    found = Watch(
        num_distinct=len(said),
        distinct=_share(len(said), ours),
        distinct_references=_share(len(meant), ours),
        length_ratio=round(_length(ours) / max(1, _length(theirs)), 2),
        commonest=_share(times, ours),
        commonest_sentence=hypotheses[ours.index(most)],
        empty=_share(said[""], ours),
        copied=_share(sum(s in known for s in ours), ours) if known else None,
        copied_references=_share(sum(s in known for s in theirs), ours) if known else None,
        warnings=(),
    )
    most_meant = _share(meant.most_common(1)[0][1], ours)
    return found._replace(warnings=tuple(_warnings(found, len(ours), len(meant), most_meant)))


def _warnings(found: Watch, clips: int, distinct: int, most_meant: float) -> list[str]:
    told = []
    if found.num_distinct < FEWEST_DISTINCT * distinct:
        told.append(
            f"only {found.num_distinct} distinct hypotheses for {clips} clips; the references have"
            f" {distinct}"
        )
    if found.commonest > COMMONEST[0] and found.commonest > COMMONEST[1] * most_meant:
        told.append(
            f"{found.commonest:.1f} % of the hypotheses are '{found.commonest_sentence}'; no"
            f" reference has more than {most_meant:.1f} %"
        )
    if not LENGTHS[0] <= found.length_ratio <= LENGTHS[1]:
        extent = "short" if found.length_ratio < 1 else "long"
        told.append(
            f"hypotheses are {found.length_ratio:.2f} times as long as the references: too {extent}"
        )
    if found.copied is not None and found.copied_references is not None:
        more = found.copied - found.copied_references
        if more > COPIED:
            told.append(
                f"{found.copied:.1f} % of the hypotheses are training sentences word for word; of"
                f" the references {found.copied_references:.1f} % are"
            )
    if found.empty:
        told.append(f"{found.empty:.1f} % of the hypotheses are empty")
    return told


def _plain(sentence: str) -> str:
    return " ".join(unicodedata.normalize("NFKC", sentence).casefold().split())


def _length(sentences: Iterable[str]) -> int:
    return sum(len(sentence.replace(" ", "")) for sentence in sentences)


def _share(count: int, of: Sequence[str]) -> float:
    return round(100 * count / len(of), 2)
