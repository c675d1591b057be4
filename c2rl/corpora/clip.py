"""What a corpus is: clips with sentences, and a few facts about them.

A corpus is a module `c2rl/corpora/<dataset>.py` (or package) with a constant `FACTS` and a function
`read(root, choice)`; `c2rl/corpora/find.py` finds it by name.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

SPLITS = ("train", "dev", "test")
NO_SPLIT = "clips"
"""Of videos that belong to no corpus."""

Box = tuple[int, int, int, int]
"""x0, y0, x1, y1 in pixels, end exclusive."""


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
    box: Box | None = None
    """Signer's box in source pixels; None: the annotation has none."""
    relative_box: tuple[float, float, float, float] | None = None
    """Signer's box as shares of width and height, to be made a square around its centre."""
    gloss: tuple[str, ...] | None = None
    """Ground truth of SynthSign: signs in signed order. Never read by training."""
    gloss_spans: tuple[tuple[int, int], ...] | None = None
    """Ground truth of SynthSign: [first, end) native frame of each sign. Never read by training."""
    gloss_words: tuple[tuple[int, int] | None, ...] | None = None
    """Ground truth of SynthSign: [first, end) character of `sentence`, per sign, of the words that
    render it; None: it has none. A compound's signs share its word. Never read by training."""


class Facts(NamedTuple):
    """What is always true of a corpus and therefore no parameter."""

    profile: str | None
    """Metric profile of `translate` (`c2rl/translate/score.py`); None: the language's."""
    counts: dict[str, int]
    """Clips per split in the release's own files, as counted; empty where there is no release."""
    paper: dict[str, int]
    """Clips per split as the paper prints them (Sec. IV-A a); shown, never asserted."""
    obtain: str
    """One sentence: where the release is obtained."""
    licence: str
    """Licence of the release, as its owners state it."""
    citation: str
    """Short citation."""
    marks: tuple[str, ...] = ()
    """Paths below its root by which a release is known; one of them is there."""
    labels: tuple[str, ...] = ("release",)
    """Whose annotation files can be read (`prepare.labels`)."""
    crop: tuple[str, ...] = ("whole",)
    """Box policy: where the signer's box comes from, in the order of trial (`crop.method: corpus`):
    box, detector, square (the largest centred one) or whole (the whole frame)."""
    least_frames: int = 1
    """Shorter clips are left out."""
    is_gapless: bool = False
    """Whether the numbers of a folder's frames follow one another; a gap is a lost frame."""


class Choice(NamedTuple):
    """How a release is read, where there is more than one way."""

    labels: str = "release"
    """Whose annotation files are read."""
    repair_text: bool = False
    """Whether sentences that were decoded with the wrong encoding are mended."""
    box: str = "extent"
    """Which numbers of CiCo's box files count: `extent` (x1, y1, w, h) or `corners`."""


class Entry(NamedTuple):
    """An annotated clip, and whether it is known to be unusable before anything is decoded."""

    clip: Clip
    status: str = ""
    """Empty, or the status in the manifest: known_defect, ..."""
    reason: str = ""


class Annotations(NamedTuple):
    """What the annotation files of a release say."""

    entries: list[Entry]
    """In the order of the files, train before dev before test."""
    files: list[Path]
    """What was read; their content identifies the release."""
    notes: list[str]
    """What a user should know, one line each."""
    absent: Sequence[str] = ()
    """Splits that have no annotation file, with the file that was looked for."""
    lengths: Mapping[str, int] = MappingProxyType({})
    """Clip id to its number of frames, where the annotations tell it."""
