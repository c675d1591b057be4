"""Which moment of a clip each word of a sentence reads, to look at and to play."""

from typing import NamedTuple

from torch import Tensor

from c2rl.app import words
from c2rl.app.demo import pictures
from c2rl.app.retriever import Retriever
from c2rl.app.words import Stretch, Word
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
    read = words.read(signs, text, named, sharpness=sharpness)
    most = max((float(weights.max()) for _, weights in read), default=1.0)
    heats = [pictures.heat((weights / most).numpy()) for _, weights in read]
    return [Moment(*both) for both in zip(words.place(read, stretch), heats, strict=True)]
