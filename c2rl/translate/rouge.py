"""The three ROUGE-L formulas that the field's numbers come from; they differ by up to four points.

With LCS length l, P = l / |hypothesis| and R = l / |reference|, F = (1 + b^2) P R / (R + b^2 P).
Source: register row 32; the papers say `ROUGE` without a variant.
"""

from collections.abc import Sequence


def rouge_l(hypothesis: Sequence[str], reference: Sequence[str], beta: float = 1.2) -> float:
    """Score one sentence by its longest common subsequence, as the coco caption scorer does.

    Args:
        hypothesis: Words.
        reference: Words.
        beta: Weight of recall.

    Returns:
        F-measure, 0 to 100.

    Example:
        >>> round(rouge_l("a b c d".split(), "a c d e".split()), 1)
        75.0
    """
    length = _lcs(hypothesis, reference)[-1][-1]
    if not length:
        return 0.0
    return _f(length / len(hypothesis), length / len(reference), beta)


def rouge_l_tf(hypothesis: Sequence[str], reference: Sequence[str]) -> float:
    """Score one sentence as tf-seq2seq, and so MMTLB and TwoStream, do: b is P / R.

    Args:
        hypothesis: Words.
        reference: Words.

    Returns:
        F-measure, 0 to 100.
    """
    length = _lcs(hypothesis, reference)[-1][-1]
    if not length:
        return 0.0
    precision, recall = length / len(hypothesis), length / len(reference)
    return _f(precision, recall, precision / (recall + 1e-12))


def rouge_l_pypi(hypothesis: str, reference: str) -> float:
    """Score one sentence as version 1.0.1 of the package `rouge`, and so GloFE and Uni-Sign, do.

    Text is cut at every period, all pieces are compared with all, and distinct words are counted:
    what a subsequence holds twice counts once.

    Args:
        hypothesis: Text; an empty one, which the package cannot score, has 0.
        reference: Text.

    Returns:
        F-measure with b = 1, 0 to 100.
    """
    ours, theirs = _pieces(hypothesis), _pieces(reference)
    if not ours or not theirs:
        return 0.0
    common: set[str] = set()
    for piece in theirs:
        for other in ours:
            common |= _common(piece, other)
    precision = len(common) / len({word for piece in ours for word in piece})
    recall = len(common) / len({word for piece in theirs for word in piece})
    return 100 * 2 * precision * recall / (precision + recall + 1e-8)


def _f(precision: float, recall: float, beta: float) -> float:
    return 100 * (1 + beta**2) * precision * recall / (recall + beta**2 * precision)


def _lcs(first: Sequence[str], second: Sequence[str]) -> list[list[int]]:
    """Give the lengths of the longest common subsequences of all beginnings of two sequences."""
    table = [[0] * (len(second) + 1)]
    for word in first:
        above, row = table[-1], [0]
        for j, other in enumerate(second):
            row.append(above[j] + 1 if word == other else max(above[j + 1], row[j]))
        table.append(row)
    return table


def _pieces(text: str) -> list[list[str]]:
    # A piece of spaces alone is one empty word, which the package counts like any other.
    return [" ".join(piece.split()).split(" ") for piece in text.split(".") if piece]


def _common(reference: Sequence[str], hypothesis: Sequence[str]) -> set[str]:
    """Give the distinct words of one longest common subsequence, walked back from the end.

    Where several are equally long, which one is found decides how many distinct words it has: a
    step back in the hypothesis goes first, as in the package.
    """
    table = _lcs(reference, hypothesis)
    i, j, found = len(reference), len(hypothesis), set()
    while i and j:
        if reference[i - 1] == hypothesis[j - 1]:
            i, j = i - 1, j - 1
            found.add(reference[i])
        elif table[i - 1][j] > table[i][j - 1]:
            i -= 1
        else:
            j -= 1
    return found
