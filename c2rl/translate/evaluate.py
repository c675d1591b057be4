"""Scoring any two files of sentences: what `c2rl evaluate` does."""

import re
from collections import Counter
from pathlib import Path
from typing import Any, NamedTuple

from c2rl.corpora.files import read_text
from c2rl.translate import bleurt as learned
from c2rl.translate import collapse, outputs, profiles, score, significance
from c2rl.translate.labelled import lines

Scores = dict[str, dict[str, Any]]
"""Profile to what `score.score` gives."""


class Evaluation(NamedTuple):
    """Everything there is to say about a file of hypotheses."""

    hypotheses: str
    references: str
    """Whose sentences `scores` are against."""
    scores: Scores
    """The asked profile first."""
    scores_of_file: Scores
    """Against the references of the file, where `scores` are against the data set's strings."""
    differences: list[outputs.Difference]
    """References of the file that are not the data set's strings."""
    against: dict[str, Any] | None
    """The other system's file and BLEU-4, the p-value and the signature of the test."""
    watch: collapse.Watch
    notes: list[str]
    """What was done to the files, and what is left out."""


class Files(NamedTuple):
    """What to read."""

    hypotheses: Path
    references: Path | None = None
    """None: the first file holds both, or the data set's strings are given."""
    dataset: Path | None = None
    """The data set's strings, of these clips or more."""
    against: Path | None = None
    """Hypotheses of another system."""
    training: Path | None = None
    """Sentences of the training split."""


def evaluate(
    files: Files,
    *,
    profile: str | None = None,
    language: str | None = None,
    all_profiles: bool = False,
    resamples: int = 1000,
    frequent: Path | None = None,
    bleurt: Path | None = None,
) -> Evaluation:
    """Score a file of hypotheses.

    Args:
        files: What to read.
        profile: Metric profile; None for the language's.
        language: ISO 639-1 code; None where the script or the profile tells enough.
        all_profiles: Add every other profile that fits the language.
        resamples: Bootstrap samples for the interval and the test; 0 for no interval.
        frequent: Words, one a line, that reduced BLEU leaves out.
        bleurt: Checkpoint folder, to add BLEURT.

    Returns:
        Scores against the data set's strings where they are given, else against the file's.

    Raises:
        ValueError: If the files do not go together, no profile can be chosen, or the chosen one
            cannot count the references' words.
        FileNotFoundError: If there is no such file.
    """
    ours = outputs.read(files.hypotheses, "hypothesis")
    own, truth, notes = _references(files, ours)
    pairs = truth or own
    if pairs is None:
        raise ValueError(
            f"{files.hypotheses} holds no references. Give a file of them after it, or"
            " --dataset-refs."
        )
    names = _profiles(pairs, profile, language, all_profiles=all_profiles)
    words = None if frequent is None else frozenset(filter(None, lines(read_text(frequent))))

    def scored(of: outputs.Pairs) -> Scores:
        return {n: score.score(*of, n, resamples=resamples, frequent=words) for n in names}

    found = scored(pairs)
    if bleurt is not None:
        value, signature = learned.bleurt(*pairs, bleurt)
        found[names[0]] |= {"bleurt": value, "bleurt_signature": signature}
    against = None
    if files.against is not None:
        against = _against(files.against, ours, pairs, names[0], resamples, notes)
    training = () if files.training is None else outputs.read(files.training, "reference").texts
    said, meant = (list(side.values()) for side in pairs)
    return Evaluation(
        hypotheses=str(files.hypotheses),
        references=str((truth and files.dataset) or files.references or files.hypotheses),
        scores=found,
        scores_of_file=scored(own) if truth and own else {},
        differences=outputs.differences(own.references, truth.references) if truth and own else [],
        against=against,
        watch=collapse.watch(said, meant, training),
        notes=notes,
    )


def as_json(found: Evaluation) -> dict[str, Any]:
    """Give an evaluation as a program reads it.

    Args:
        found: An evaluation.

    Returns:
        Its fields; of the differences their number by kind, and examples.
    """
    return found._asdict() | {
        "differences": {
            "counts": _counts(found.differences),
            "examples": [d._asdict() for d in _examples(found.differences, 20)],
        },
        "watch": found.watch._asdict(),
    }


def told(found: Evaluation) -> list[str]:
    """Give an evaluation as a person reads it.

    Args:
        found: An evaluation.

    Returns:
        Lines: tables, differences, the test, the watch, signatures.
    """
    count = next(iter(found.scores.values()))["n"]
    text = [f"{found.hypotheses}: {count} clips against {found.references}", *_table(found.scores)]
    if found.scores_of_file:
        text += ["", "against the file's own references:", *_table(found.scores_of_file)]
        text += ["", *_told_differences(found.differences, count)]
    if found.against is not None:
        text += [
            "",
            "BLEU-4 {bleu4:.2f} against {other:.2f} of {file}: p = {p_value:.4f}".format(
                **found.against
            ),
        ]
    text += ["", _told_watch(found.watch), ""]
    for name, own in found.scores.items():
        text += [own["signature"], *[f"{name}: {own[k]}" for k in own if k == "bleurt_signature"]]
    return text + ([found.against["signature"]] if found.against else [])


def _references(
    files: Files, ours: outputs.Read
) -> tuple[outputs.Pairs | None, outputs.Pairs | None, list[str]]:
    """Read the references that came with the hypotheses, and the data set's strings."""
    notes, own, truth = [ours.note], None, None
    theirs = (
        outputs.second(files.hypotheses, ours)
        if files.references is None
        else outputs.read(files.references, "reference")
    )
    if theirs is not None:
        notes.append(theirs.note)
        own = outputs.pair(ours, theirs)
    if files.dataset is not None:
        strings = outputs.read(files.dataset, "reference")
        truth = outputs.pair(ours, strings, part=True)
        notes += [strings.note, outputs.left_out(ours, strings)]
    return own, truth, [note for note in notes if note]


def _profiles(
    pairs: outputs.Pairs, asked: str | None, language: str | None, *, all_profiles: bool
) -> list[str]:
    if language is not None and not re.fullmatch("[a-z]{2,3}", language):
        raise ValueError(f"language '{language}' is no ISO 639-1 code; expected one as de, en, zh.")
    references = list(pairs.references.values())
    spoken = language or profiles.language_of(references)
    if asked is None and spoken is None:
        raise ValueError(
            "the references' script is that of many languages. Give --language (de, en, ...) or"
            f" --profile ({', '.join(profiles.PROFILES)})."
        )
    first = asked or profiles.profile_of(spoken or "")
    profiles.require_fit(first, references, language)
    if not all_profiles:
        return [first]
    others = [name for name in profiles.PROFILES if profiles.fits(name, spoken or "en")]
    return [first, *(name for name in others if name != first)]


def _against(
    path: Path,
    ours: outputs.Read,
    pairs: outputs.Pairs,
    name: str,
    resamples: int,
    notes: list[str],
) -> dict[str, Any]:
    other = outputs.read(path, "hypothesis")
    notes += [other.note] * bool(other.note)
    said, _ = outputs.match(other, ours)
    # Without an interval the test still needs samples: 1000 as sacrebleu has it.
    found = significance.compare(
        pairs.hypotheses, said, pairs.references, name, resamples=resamples or 1000
    )
    return {"file": str(path), **found._asdict()}


_HEADS = {
    **{f"bleu{n}": f"BLEU-{n}" for n in range(1, 5)},
    **{"bleu4_ci": "+-95%", "rouge_l": "ROUGE-L", "chrf": "chrF2", "chrf_pp": "chrF++"},
    **{"rbleu": "rBLEU", "bleurt": "BLEURT"},
}


def _table(scores: Scores) -> list[str]:
    heads = [key for key in _HEADS if any(key in own for own in scores.values())]
    rows = [f"{'profile':14}" + "".join(f"{_HEADS[key]:>9}" for key in heads)]
    for name, own in scores.items():
        cells = [f"{own[key]:9.2f}" if key in own else f"{'-':>9}" for key in heads]
        rows.append(f"{name:14}" + "".join(cells))
    return rows


def _told_differences(found: list[outputs.Difference], clips: int) -> list[str]:
    counts = ", ".join(f"{n} in {kind}" for kind, n in _counts(found).items() if n)
    text = [f"{len(found)} of {clips} references differ from the data set's: {counts or 'none'}"]
    return text + [
        f"  {one.id} ({one.kind}): {one.found!r}, data set {one.expected!r}"
        for one in _examples(found, 3)
    ]


def _told_watch(watch: collapse.Watch) -> str:
    text = (
        f"{watch.num_distinct} distinct hypotheses ({watch.distinct:.1f} %; references"
        f" {watch.distinct_references:.1f} %), length ratio {watch.length_ratio:.2f}, commonest"
        f" {watch.commonest:.1f} %, empty {watch.empty:.1f} %"
    )
    if watch.copied is not None:
        text += f", copied {watch.copied:.1f} % (references {watch.copied_references:.1f} %)"
    return text


def _counts(found: list[outputs.Difference]) -> dict[str, int]:
    kinds = Counter(one.kind for one in found)
    return {kind: kinds[kind] for kind in outputs.KINDS}


def _examples(found: list[outputs.Difference], most: int) -> list[outputs.Difference]:
    return sorted(found, key=lambda one: -outputs.KINDS.index(one.kind))[:most]
