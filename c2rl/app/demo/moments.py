"""Which moment of a clip each word of a sentence reads, to look at and to play."""

from typing import NamedTuple

from torch import Tensor

from c2rl.app import words
from c2rl.app.demo import pictures
from c2rl.app.retriever import Retriever
from c2rl.app.words import Stretch, Word
from c2rl.objectives.similarity import match
from c2rl.report.pictures import Picture


class Moment(NamedTuple):
    """A word of a sentence."""

    word: Word
    heat: Picture
    """What it reads, over the clip."""


def moments(
    retriever: Retriever, signs: Tensor, sentence: str, stretch: Stretch, text: Tensor | None = None
) -> list[Moment]:
    """Tell what each word reads, by CLCL's inner weights.

    Args:
        retriever: Whose vectors they are.
        signs: (T, D) float, the clip.
        sentence: Any text.
        stretch: Where the clip lies in its video.
        text: (U, D) float, the sentence's vectors; None: they are computed.

    Returns:
        The words, in order; none of an empty sentence.
    """
    if not sentence.strip():
        return []
    model = retriever.model
    sharpness = model.scoring["sharpness"]
    text = model.texts([sentence])[0] if text is None else text
    named = words.group(model.tokenizer, sentence)
    named = [(name, own) for name, own in named if any(letter.isalnum() for letter in name)]
    reads = match(signs.float(), text.float(), sharpness=sharpness)  # (U, T)
    weights = [reads[own].mean(dim=0) for _, own in named]
    most = max((float(own.max()) for own in weights), default=1.0)
    found = words.align(signs, text, named, stretch, sharpness=sharpness)
    heats = [pictures.heat((own / most).numpy()) for own in weights]
    return [Moment(word, heat) for word, heat in zip(found, heats, strict=True)]
