"""Translation scores by named profile, each with its signature; the only door to sacrebleu.

The same output scores 13 to 17 BLEU-4 under different habits of the field, so a number without its
profile says little. References are the data set's strings, never decoded tokens.

Source: `Tables II-V` name BLEU and ROUGE without their settings; register row 32.
"""

import hashlib
import math
import unicodedata
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

import sacrebleu
from sacrebleu.metrics.bleu import BLEU
from sacrebleu.metrics.chrf import CHRF


class Profile(NamedTuple):
    """How text is brought in order before it is compared."""

    tokenize: str
    """sacrebleu tokenizer; `none` counts whitespace-separated words."""
    lower: bool
    nfkc: bool
    """Full-width punctuation becomes half-width, on both sides."""
    characters: bool
    """Every character is a word; spaces are dropped."""
    smooth: str
    """sacrebleu smoothing: `exp`, or `floor` with value 0, which is none."""


PROFILES = {
    "phoenix.gfslt": Profile("none", True, False, False, "floor"),
    "csl.char": Profile("none", False, True, True, "floor"),
    "en.sacre13a": Profile("13a", False, False, False, "exp"),
}
"""Named after those who report so; see `profile_of` for the defaults."""


def profile_of(language: str) -> str:
    """Choose the profile that the language's benchmarks are reported in.

    Args:
        language: ISO 639-1 code.

    Returns:
        A key of `PROFILES`.
    """
    return {"de": "phoenix.gfslt", "zh": "csl.char", "ja": "csl.char"}.get(language, "en.sacre13a")


def fits(name: str, language: str) -> bool:
    """Tell whether a profile makes sense for a language: words where there are spaces.

    Args:
        name: Profile.
        language: ISO 639-1 code.

    Returns:
        False for a word profile on a language without spaces.
    """
    return PROFILES[name].characters == (language in ("zh", "ja"))


def _text(sentence: str, profile: Profile) -> str:
    sentence = unicodedata.normalize("NFKC", sentence) if profile.nfkc else sentence
    sentence = sentence.lower() if profile.lower else sentence
    return " ".join(sentence.replace(" ", "")) if profile.characters else sentence


def _bleu(profile: Profile, order: int) -> BLEU:
    floor = 0.0 if profile.smooth == "floor" else None
    return BLEU(
        tokenize=profile.tokenize,
        smooth_method=profile.smooth,
        smooth_value=floor,
        max_ngram_order=order,
        force=True,
    )


def bleu(hypotheses: Sequence[str], references: Sequence[str], name: str, order: int = 4) -> float:
    """Score a whole split by corpus BLEU.

    Args:
        hypotheses: One a clip.
        references: The data set's strings, in the same order.
        name: Profile.
        order: Longest n-gram; BLEU-n is cumulative.

    Returns:
        0 to 100.
    """
    profile = PROFILES[name]
    ours, theirs = ([_text(s, profile) for s in side] for side in (hypotheses, references))
    if not any(ours):
        return 0.0  # nothing was said: sacrebleu would divide by zero
    return float(_bleu(profile, order).corpus_score(ours, [theirs]).score)


def rouge_l(hypothesis: Sequence[str], reference: Sequence[str], beta: float = 1.2) -> float:
    """Score one sentence by its longest common subsequence.

    Args:
        hypothesis: Words.
        reference: Words.
        beta: Weight of recall; 1.2 as in the coco caption scorer.

    Returns:
        F-measure, 0 to 100.

    Example:
        >>> round(rouge_l("a b c d".split(), "a c d e".split()), 1)
        75.0
    """
    row = [0] * (len(reference) + 1)
    for word in hypothesis:
        diagonal = 0
        for j, other in enumerate(reference, 1):
            diagonal, row[j] = row[j], diagonal + 1 if word == other else max(row[j], row[j - 1])
    if not row[-1]:
        return 0.0
    precision, recall = row[-1] / len(hypothesis), row[-1] / len(reference)
    return 100 * (1 + beta**2) * precision * recall / (recall + beta**2 * precision)


def score(
    hypotheses: dict[str, str], references: dict[str, str], name: str
) -> dict[str, float | int | str]:
    """Score a split under one profile.

    Args:
        hypotheses: Clip id to sentence.
        references: Clip id to the data set's sentence.
        name: Profile.

    Returns:
        bleu1 to bleu4, rouge_l, chrf (0 to 100), n, ids_sha256 and signature.

    Raises:
        ValueError: If the ids differ: a score of a part is no score.
    """
    if hypotheses.keys() != references.keys():
        odd = sorted(hypotheses.keys() ^ references.keys())
        raise ValueError(
            f"hypotheses and references are not of the same clips: {len(odd)} differ ({odd[0]})"
        )
    profile = PROFILES[name]
    ids = sorted(references)
    ours, theirs = ([side[i] for i in ids] for side in (hypotheses, references))
    plain = [[_text(s, profile) for s in side] for side in (ours, theirs)]
    rouge = [rouge_l(h.split(), r.split()) for h, r in zip(*plain, strict=True)]
    # chrF compares characters already: it takes the text before it is split into characters.
    chrf = CHRF().corpus_score(ours, [theirs])
    return {
        **{f"bleu{n}": round(bleu(ours, theirs, name, n), 2) for n in range(1, 5)},
        "rouge_l": round(sum(rouge) / len(rouge), 2),
        "chrf": round(float(chrf.score), 2),
        "n": len(ids),
        "ids_sha256": hashlib.sha256("\n".join(ids).encode()).hexdigest()[:16],
        "signature": signature(name),
    }


def signature(name: str) -> str:
    """Say how a profile's numbers are made.

    Args:
        name: Profile.

    Returns:
        One line: profile, text treatment, sacrebleu's version.
    """
    p = PROFILES[name]
    return (
        f"{name}|case:{'lc' if p.lower else 'mixed'}|nfkc:{'yes' if p.nfkc else 'no'}"
        f"|tok:{'char' if p.characters else p.tokenize}|smooth:{p.smooth}"
        f"|rouge:coco-beta1.2|chrf:2|sacrebleu:{sacrebleu.__version__}"
    )


def sentence_score(hypothesis: str, reference: str, name: str) -> float:
    """Score one sentence, for sorting examples; never averaged into a table.

    Args:
        hypothesis: A sentence.
        reference: A sentence.
        name: Profile.

    Returns:
        ROUGE-L, 0 to 100.
    """
    ours, theirs = (_text(s, PROFILES[name]).split() for s in (hypothesis, reference))
    return round(rouge_l(ours, theirs), 2)


def best_constant(training: Sequence[str], references: Sequence[str], name: str) -> float:
    """Find what one and the same training sentence for every clip would score.

    Args:
        training: Sentences of the training split.
        references: The data set's sentences of the scored split.
        name: Profile.

    Returns:
        Highest BLEU-4 of any of the 400 training sentences that share most words with the
        references.
    """
    profile = PROFILES[name]
    words = Counter(w for r in references for w in _text(r, profile).split())

    def overlap(sentence: str) -> float:
        own = _text(sentence, profile).split()
        return float(sum(math.log1p(words[w]) for w in own) / max(1, len(own)) ** 0.5)

    likely = sorted(sorted(set(training)), key=overlap, reverse=True)[:400]
    return max(bleu([sentence] * len(references), references, name) for sentence in likely)
