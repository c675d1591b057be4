"""The named habits in which the field reports scores: what is done to text before it is compared.

The same output scores 13 to 17 BLEU-4 under different habits, so a number without its profile says
little. Source: register row 32; the profiles are those of the projects they are named after.
"""

import unicodedata
from collections.abc import Iterable
from typing import Literal, NamedTuple

WITHOUT_SPACES = frozenset({"zh", "yue", "ja"})
"""Languages that write no spaces: their words are characters."""


class Profile(NamedTuple):
    """How text is brought in order, and which formulas then compare it."""

    tokenize: Literal["none", "13a"]
    """sacrebleu's tokenizer; `none` counts whitespace-separated words."""
    smooth: Literal["floor", "exp"]
    """sacrebleu's smoothing; `floor` is used with value 0, which is none."""
    rouge: Literal["coco", "tf", "pypi"]
    """A formula of `rouge.py`."""
    lower: bool = False
    nfkc: bool = False
    """Full-width punctuation becomes half-width, on both sides."""
    characters: bool = False
    """Every character is a word; spaces are dropped."""
    period: Literal["keep", "drop", "apart"] = "keep"
    """A final period stays as it is, goes, or is the last word of every sentence but empty ones."""
    removed: str = ""
    """A mark that a tokenizer leaves behind, taken out of both sides."""
    mapped: tuple[tuple[str, str], ...] = ()
    """Replacements in the references alone."""
    reduced: bool = False
    """BLEU without frequent words is reported beside it, where their list is given."""


_FULL_WIDTH = (("，", ","), ("？", "?"))
PROFILES = {
    "phoenix.gfslt": Profile("none", "floor", "coco", lower=True, period="drop"),
    "phoenix.slrt": Profile("none", "floor", "coco", lower=True, period="apart"),
    "phoenix.mmtlb": Profile("none", "floor", "tf", lower=True, period="apart"),
    "csl.char": Profile("none", "floor", "coco", nfkc=True, characters=True),
    "csl.mmtlb": Profile("none", "floor", "tf", characters=True),
    "csl.unisign": Profile("13a", "exp", "pypi", characters=True, mapped=_FULL_WIDTH),
    "en.sacre13a": Profile("13a", "exp", "coco"),
    "en.glofe": Profile("none", "floor", "pypi", lower=True, removed="</s>"),
    "en.tarres": Profile("13a", "exp", "coco", reduced=True),
}
"""Named after those who report so; see `profile_of` for the defaults."""


def profile(name: str) -> Profile:
    """Look up a profile.

    Args:
        name: A key of `PROFILES`.

    Returns:
        The profile.

    Raises:
        ValueError: If there is none of that name.
    """
    if name not in PROFILES:
        raise ValueError(f"metric profile '{name}' is unknown. Known: {', '.join(PROFILES)}.")
    return PROFILES[name]


def profile_of(language: str) -> str:
    """Choose the profile that the language's benchmarks are reported in.

    Args:
        language: ISO 639-1 code.

    Returns:
        A key of `PROFILES`.
    """
    if language in WITHOUT_SPACES:
        return "csl.char"
    return "phoenix.gfslt" if language == "de" else "en.sacre13a"


def fits(name: str, language: str) -> bool:
    """Tell whether a profile makes sense for a language: words where there are spaces.

    Args:
        name: Profile.
        language: ISO 639-1 code.

    Returns:
        False for a word profile on a language without spaces, and the other way round.
    """
    return profile(name).characters == (language in WITHOUT_SPACES)


def language_of(sentences: Iterable[str]) -> str | None:
    """Guess a language from its script alone, where that is certain.

    Args:
        sentences: Any number.

    Returns:
        `zh` where a third of the letters or more are Han characters, `ja` where there is kana among
        them; None for every other script, which many languages share.

    Example:
        >>> language_of(["他今年四岁。"]), language_of(["guten abend"])
        ('zh', None)
    """
    han = kana = letters = 0
    for sentence in sentences:
        for letter in filter(str.isalpha, sentence):
            letters += 1
            han += "\u3400" <= letter <= "\u9fff" or "\U00020000" <= letter <= "\U000323af"
            kana += "\u3041" <= letter <= "\u30ff"
    if 3 * (han + kana) <= letters:  # names in Latin letters are long
        return None
    return "ja" if 20 * kana > han + kana else "zh"


def require_fit(name: str, references: Iterable[str], language: str | None = None) -> None:
    """Refuse a profile that cannot count the references' words.

    Args:
        name: Profile.
        references: Sentences to be scored against.
        language: ISO 639-1 code, where it is known; otherwise the script tells.

    Raises:
        ValueError: If words are counted where there are no spaces, or characters where there are.
    """
    seen = language_of(references)
    if language is not None and (language in WITHOUT_SPACES) != (seen in WITHOUT_SPACES):
        script = "Han characters or kana" if seen else "another script"
        raise ValueError(
            f"the references are said to be '{language}', but are written in {script}. Correct the"
            " language, or leave it out."
        )
    spoken = language or seen or "en"
    if fits(name, spoken):
        return
    if profile(name).characters:
        told = "counts characters, but the references are written in words"
        other = profile_of(language) if language else "phoenix.gfslt (German) or en.sacre13a"
    else:
        told = f"counts words between spaces, but the references ({spoken}) have no spaces"
        other = profile_of(spoken)
    raise ValueError(f"metric profile '{name}' {told}. Use {other}.")


def treat(sentence: str, name: str, *, is_reference: bool) -> str:
    """Bring one sentence in the order in which a profile compares it.

    Args:
        sentence: As said, or as annotated.
        name: Profile.
        is_reference: Which side it is on; most profiles treat both alike.

    Returns:
        Words with single spaces between them, whatever spaces there were.

    Example:
        >>> treat("Am Tag Regen.", "phoenix.slrt", is_reference=False)
        'am tag regen .'
        >>> treat("他 四岁？", "csl.char", is_reference=True)
        '他 四 岁 ?'
    """
    own = profile(name)
    if own.nfkc:
        sentence = unicodedata.normalize("NFKC", sentence)
    if is_reference:
        for old, new in own.mapped:
            sentence = sentence.replace(old, new)
    if own.removed:
        sentence = sentence.replace(own.removed, "")
    words = (sentence.lower() if own.lower else sentence).split()
    if own.period != "keep":
        words = " ".join(words).removesuffix(".").split()
        words += ["."] * (own.period == "apart" and bool(words))
    return " ".join("".join(words) if own.characters else words)


def treatment(name: str) -> str:
    """Say what `treat` does, for a signature.

    Args:
        name: Profile.

    Returns:
        Fields with `|` between them.
    """
    own = profile(name)
    fields = {
        "tok": "char" if own.characters and own.tokenize == "none" else own.tokenize,
        "split": "characters" if own.characters else "spaces",
        "case": "lc" if own.lower else "mixed",
        "nfkc": "both" if own.nfkc else "no",
        "period": own.period,
        "removed": own.removed or "nothing",
        "refs": ",".join(f"{old}>{new}" for old, new in own.mapped) or "as-is",
    }
    return "|".join(f"{key}:{value}" for key, value in fields.items())
