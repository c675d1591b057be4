"""Translation scores by named profile, each with its signature; the only door to sacrebleu.

References are the data set's strings, never decoded tokens.

Source: `Tables II-V` name BLEU and ROUGE without their settings; register row 32.
"""

import contextlib
import hashlib
import math
import os
import string
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

import sacrebleu
from sacrebleu.metrics.bleu import BLEU, BLEUScore
from sacrebleu.metrics.chrf import CHRF

from c2rl.translate.profiles import (
    PROFILES,
    Profile,
    fits,
    profile,
    profile_of,
    require_fit,
    treat,
    treatment,
)
from c2rl.translate.rouge import rouge_l, rouge_l_pypi, rouge_l_tf

__all__ = ["PROFILES", "Profile", "fits", "profile_of", "rouge_l"]

SEED = 12345
"""sacrebleu's own."""
TARRES = (290, "a6a98d95")
"""Size and hash of the word list published with `en.tarres`."""
_FORMULAS = {"coco": "coco-b1.2", "tf": "tf-seq2seq-bP/R", "pypi": "rouge-1.0.1"}
_PUNCTUATION = str.maketrans("", "", string.punctuation.replace("'", ""))


def bleu(hypotheses: Sequence[str], references: Sequence[str], name: str, order: int = 4) -> float:
    """Score a whole split by corpus BLEU.

    Args:
        hypotheses: One a clip.
        references: The data set's strings, in the same order.
        name: Profile.
        order: Longest n-gram; BLEU-n is cumulative.

    Returns:
        0 to 100.

    Raises:
        ValueError: If the profile cannot count the references' words.
    """
    require_fit(name, references)
    ours, theirs = _sides(hypotheses, references, name)
    return cumulative(metric(name).corpus_score(ours, [theirs]), order)


def score(
    hypotheses: Mapping[str, str],
    references: Mapping[str, str],
    name: str,
    *,
    resamples: int = 0,
    frequent: Collection[str] | None = None,
) -> dict[str, float | int | str]:
    """Score a split under one profile.

    Args:
        hypotheses: Clip id to sentence.
        references: Clip id to the data set's sentence.
        name: Profile.
        resamples: Bootstrap samples for the interval of BLEU-4; 0 for none.
        frequent: Words that do not count for reduced BLEU, where the profile has it.

    Returns:
        bleu1 to bleu4, rouge_l, chrf, chrf_pp (0 to 100), n, ids_sha256 and signature; with
        resamples bleu4_mean and bleu4_ci, half the 95 % interval around it; with frequent words
        rbleu.

    Raises:
        ValueError: If the ids differ, as a score of a part is no score; if a reference is empty; if
            the profile cannot count the references' words.
    """
    require_same(hypotheses, references)
    ids = sorted(references)
    require_fit(name, references.values())
    ours, theirs = _sides([hypotheses[i] for i in ids], [references[i] for i in ids], name)
    with seeded():
        found = metric(name).corpus_score(ours, [theirs], n_bootstrap=max(1, resamples))
    own: dict[str, float | int | str] = {
        **{f"bleu{n}": round(cumulative(found, n), 2) for n in range(1, 5)},
        "rouge_l": round(sum(map(_rouge(name), ours, theirs)) / len(ids), 2),
        # Both ignore spaces, so characters apart change chrF2 by nothing and are chrF++'s words.
        "chrf": round(float(CHRF().corpus_score(ours, [theirs]).score), 2),
        "chrf_pp": round(float(CHRF(word_order=2).corpus_score(ours, [theirs]).score), 2),
        "n": len(ids),
        "ids_sha256": _sha256("\n".join(ids))[:16],
        "signature": signature(name, resamples=resamples, frequent=frequent),
    }
    if resamples > 1:
        own |= {"bleu4_mean": round(float(found._mean), 2), "bleu4_ci": round(float(found._ci), 2)}
    if frequent is not None and profile(name).reduced:
        own["rbleu"] = round(_reduced(ours, theirs, name, frequent), 2)
    return own


def signature(name: str, *, resamples: int = 0, frequent: Collection[str] | None = None) -> str:
    """Say how a profile's numbers are made: every choice that can change one.

    Args:
        name: Profile.
        resamples: Bootstrap samples, where there is an interval.
        frequent: Words that do not count for reduced BLEU, where they are given.

    Returns:
        One line: profile, text treatment, formulas, sacrebleu's version.
    """
    own = profile(name)
    told = (
        f"{name}|{treatment(name)}|bleu:cumulative|smooth:{own.smooth}"
        f"{'0' * (own.smooth == 'floor')}|rouge:{_FORMULAS[own.rouge]}|chrf:2|chrf_pp:word2"
    )
    if own.reduced and frequent is None:
        told += "|rbleu:no word list given"
    elif own.reduced and frequent is not None:
        told += "|rbleu:{},{} words removed,sha256:{}".format(*_list_of(frequent))
    if resamples > 1:
        told += f"|bs:{resamples}|seed:{SEED}"
    return f"{told}|sacrebleu:{sacrebleu.__version__}"


def sentence_score(hypothesis: str, reference: str, name: str) -> float:
    """Score one sentence, for sorting examples; never averaged into a table.

    Args:
        hypothesis: A sentence.
        reference: A sentence.
        name: Profile.

    Returns:
        The profile's ROUGE-L, 0 to 100.
    """
    (ours,), (theirs,) = _sides([hypothesis], [reference], name)
    return round(_rouge(name)(ours, theirs), 2)


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
    require_fit(name, references)
    known = {s: treat(s, name, is_reference=False) for s in sorted(set(training))}
    theirs = [treat(r, name, is_reference=True) for r in references]
    words = Counter(w for r in theirs for w in r.split())

    def overlap(sentence: str) -> float:
        own = known[sentence].split()
        return float(sum(math.log1p(words[w]) for w in own) / max(1, len(own)) ** 0.5)

    counted = metric(name, theirs)  # reads the references once for all candidates
    likely = sorted(known, key=overlap, reverse=True)[:400]
    return max(float(counted.corpus_score([known[s]] * len(theirs), None).score) for s in likely)


def _sides(ours: Sequence[str], theirs: Sequence[str], name: str) -> tuple[list[str], list[str]]:
    return (
        [treat(s, name, is_reference=False) for s in ours],
        [treat(s, name, is_reference=True) for s in theirs],
    )


def metric(name: str, references: Sequence[str] | None = None) -> BLEU:
    """Build what counts a profile's n-grams.

    Args:
        name: Profile.
        references: Treated; read once for many systems. None to give them with each.

    Returns:
        sacrebleu's metric, for treated text.
    """
    own = profile(name)
    return BLEU(
        tokenize=own.tokenize,
        smooth_method=own.smooth,
        smooth_value=0.0 if own.smooth == "floor" else None,
        force=True,
        references=None if references is None else [references],
    )


def cumulative(found: BLEUScore, order: int) -> float:
    """Give BLEU-n of what was counted to 4: BP exp(mean of ln p_k), k to n.

    It is what sacrebleu gives with `max_ngram_order`, and the list of `raw_corpus_bleu`.

    Args:
        found: Of sacrebleu.
        order: n.

    Returns:
        0 to 100.
    """
    precisions = found.precisions[:order]
    if min(precisions) <= 0:
        return 0.0
    return float(found.bp * math.exp(sum(map(math.log, precisions)) / order))


def _rouge(name: str) -> Callable[[str, str], float]:
    kind = profile(name).rouge
    if kind == "pypi":
        return rouge_l_pypi
    formula = rouge_l if kind == "coco" else rouge_l_tf
    return lambda ours, theirs: formula(ours.split(), theirs.split())


def _reduced(ours: list[str], theirs: list[str], name: str, frequent: Collection[str]) -> float:
    """Give BLEU of what is left without punctuation and frequent words, where anything is left."""

    def left(sentence: str) -> str:
        words = sentence.translate(_PUNCTUATION).split()
        return " ".join(word for word in words if word not in frequent)

    pairs = [(left(h), left(r)) for h, r in zip(ours, theirs, strict=True)]
    pairs = [(h, r) for h, r in pairs if r]
    if not pairs:
        return 0.0
    said, meant = zip(*pairs, strict=True)
    return float(metric(name).corpus_score(said, [meant]).score)


def _list_of(frequent: Collection[str]) -> tuple[str, int, str]:
    known = (len(frequent), _sha256("\n".join(sorted(frequent)))[:8])
    return ("published list" if known == TARRES else "own list", *known)


def require_same(hypotheses: Mapping[str, str], references: Mapping[str, str]) -> None:
    """Refuse to score a part, nothing, or against nothing.

    Args:
        hypotheses: Clip id to sentence.
        references: Clip id to the data set's sentence.

    Raises:
        ValueError: If the ids differ, there are none, or a reference is empty.
    """
    if hypotheses.keys() != references.keys():
        odd = sorted(hypotheses.keys() ^ references.keys())
        raise ValueError(
            f"hypotheses and references are not of the same clips: {len(odd)} differ ({odd[0]})"
        )
    if not references:
        raise ValueError("there are no clips to score; expected one or more")
    empty = sorted(id_ for id_, sentence in references.items() if not sentence.strip())
    if empty:
        raise ValueError(
            f"{len(empty)} of {len(references)} references are empty ({empty[0]}): no hypothesis"
            " can be right. Leave such clips out of the split."
        )


@contextlib.contextmanager
def seeded() -> Iterator[None]:
    """Give sacrebleu its seed: it reads the environment, where somebody may have set another.

    Yields:
        Nothing; inside, the same resamples are drawn for the same number of clips.
    """
    before = os.environ.get("SACREBLEU_SEED")
    os.environ["SACREBLEU_SEED"] = str(SEED)
    try:
        yield
    finally:
        if before is None:
            del os.environ["SACREBLEU_SEED"]
        else:
            os.environ["SACREBLEU_SEED"] = before


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
