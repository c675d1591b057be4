"""What a corpus is: clips with sentences, and a few facts about them.

A corpus is a module `c2rl/corpora/<dataset>.py` (or package) with a constant `FACTS` and a function
`clips(root)`; `c2rl/corpora/find.py` finds it by name.
"""

from typing import NamedTuple

SPLITS = ("train", "dev", "test")


class Clip(NamedTuple):
    """One annotated stretch of video with its sentence."""

    id: str
    """Unique in the corpus; as the data set spells it."""
    split: str
    """One of `SPLITS`."""
    sentence: str
    """Spoken-language sentence, exactly as annotated."""
    language: str
    """ISO 639-1 code of the sentence: de, en, zh, ..."""
    source: str
    """Video file or folder of frames, relative to the corpus root."""
    start_s: float | None = None
    """First second of the clip within the source; None: from the beginning."""
    end_s: float | None = None
    """Last second of the clip within the source; None: to the end."""
    fps: float | None = None
    """Frame rate of a folder of frames; a video file carries its own."""
    signer: str | None = None
    group: str | None = None
    """Clips with the same group sign the same sentence (grouped retrieval); None: its own group."""
    box: tuple[int, int, int, int] | None = None
    """Signer's box x0, y0, x1, y1 in source pixels, end exclusive; None: the whole frame."""
    gloss: tuple[str, ...] | None = None
    """Ground truth of SynthSign: signs in signed order. Never read by training."""
    gloss_spans: tuple[tuple[int, int], ...] | None = None
    """Ground truth of SynthSign: [first, end) native frame of each sign. Never read by training."""


class Facts(NamedTuple):
    """What is always true of a corpus and therefore no parameter."""

    profile: str | None
    """Metric profile of `translate` (`c2rl/translate/score.py`); None: the language's."""
    counts: dict[str, int]
    """Published clips per split; empty where none were published."""
    obtain: str
    """One sentence: where the release is obtained."""
    licence: str
    """Licence of the release, as its owners state it."""
    citation: str
    """Short citation."""
