"""Alignment maps: which moments of a clip each token of its sentence reads.

Drawn as SVG by the template, so that the browser finds a font for any script.

Shape letters: T native frames, M vectors of the clip, U tokens, D width.
"""

from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from torch import Tensor

from c2rl.objectives.similarity import match
from c2rl.report.matching import TextEncoder
from c2rl.report.pictures import encode
from c2rl.store.manifest import Row
from c2rl.video.sample import candidates, segments

DARK = (107, 48, 8)
"""Blue, green, red of the strongest match; none is white."""
WIDTH, ROW, HEAD, FOOT = 900, 20, 44, 30
"""Pixels of a map: whole width, a token's row, the signs above, the time below."""


class Label(NamedTuple):
    """A word or a line at a place."""

    text: str
    x: float
    y: float


class Sign(NamedTuple):
    """A true sign span, drawn as a bar."""

    text: str
    x: float
    width: float
    label_y: int


class Map(NamedTuple):
    """An alignment map: tokens by time; all places in pixels of the drawing."""

    id: str
    sentence: str
    language: str
    alt: str
    image: str
    """data: address of a PNG, one pixel a frame and token."""
    size: tuple[int, int]
    """Of the whole drawing."""
    left: int
    top: int
    width: int
    height: int
    """Of the image inside it."""
    tokens: list[Label]
    signs: list[Sign]
    ticks: list[Label]
    unit: str


def align(
    row: Row, signs: Tensor, text: TextEncoder, config: dict[str, Any], sharpness: float
) -> Map:
    """Draw which time each token of a clip's sentence reads.

    Args:
        row: The clip.
        signs: (M, D) float, its vectors in the retriever's space.
        text: The retriever's text side.
        config: The encoder's sampling: keep, target_fps, cap.
        sharpness: Temperature of CLCL's inner softmax.

    Returns:
        The map; without sign spans where the corpus has none.

    Raises:
        ValueError: If the clip has another number of vectors than its sampling gives.
    """
    pieces = text.tokenizer.pieces(text.tokenizer.encode(row.clip.sentence))
    names = [piece.replace("▁", "") or "␣" for piece in pieces]
    reads = match(signs, text.encode([row.clip.sentence])[0], sharpness=sharpness)  # (U, M)
    edges = native_edges(row, config)
    if len(edges) != reads.shape[1] + 1:
        raise ValueError(
            f"{row.clip.id} has {reads.shape[1]} stored vectors, {len(edges) - 1} segments were"
            " expected. Run `dvc repro extract`."
        )
    left = min(240, 24 + max(_text_width(name) for name in names))
    width = WIDTH - left - 16
    scale = width / row.num_frames
    return Map(
        id=row.clip.id,
        sentence=row.clip.sentence,
        language=row.clip.language,
        alt=_alt(row, names, reads, edges),
        image=_heat(reads, edges),
        size=(WIDTH, HEAD + ROW * len(names) + FOOT),
        left=left,
        top=HEAD,
        width=width,
        height=ROW * len(names),
        tokens=[Label(n, left - 8, HEAD + ROW * (i + 0.7)) for i, n in enumerate(names)],
        signs=_signs(row, left, scale),
        ticks=_ticks(row, left, scale),
        unit="seconds" if row.fps else "frames",
    )


def native_edges(row: Row, config: dict[str, Any]) -> npt.NDArray[np.int64]:
    """Tell which native frames each stored vector covers.

    Args:
        row: The clip.
        config: The encoder's sampling: keep, target_fps, cap.

    Returns:
        (M + 1,) int64: vector i covers native frames [edges[i], edges[i + 1]).
    """
    options = {name: config[name] for name in ("target_fps", "cap")}
    frames = candidates(row.num_frames, row.fps, **options)
    first, _ = segments(len(frames), config["keep"])
    starts = frames[first]
    starts[0] = 0
    return np.append(starts, row.num_frames)


def _heat(reads: Tensor, edges: npt.NDArray[np.int64]) -> str:
    strength = (reads / reads.max()).clamp(0, 1).sqrt().numpy()
    whole = np.repeat(strength, np.diff(edges), axis=1)[..., None]  # (U, T, 1)
    image = np.rint(255 + (np.array(DARK, dtype=np.float32) - 255) * whole).astype(np.uint8)
    return encode(image, "png")


def _signs(row: Row, left: int, scale: float) -> list[Sign]:
    spans = zip(row.clip.gloss or (), row.clip.gloss_spans or (), strict=False)
    return [
        Sign(gloss, left + first * scale, max(1.0, (end - first) * scale), 12 if i % 2 else 26)
        for i, (gloss, (first, end)) in enumerate(spans)
    ]


def _ticks(row: Row, left: int, scale: float) -> list[Label]:
    """Place at most ten round times."""
    rate = row.fps or 1.0
    steps = [m * 10.0**p for p in range(-1, 6) for m in (1, 2, 5)]
    step = next(s for s in steps if row.num_frames / rate / s <= 10 and s * rate >= 1)
    count = int(row.num_frames / rate / step + 1e-9)
    return [Label(f"{i * step:g}", left + i * step * rate * scale, 0) for i in range(count + 1)]


def _alt(row: Row, names: list[str], reads: Tensor, edges: npt.NDArray[np.int64]) -> str:
    rate, unit = (row.fps, " s") if row.fps else (1.0, "")
    middle = [(a + b) / 2 / rate for a, b in pairwise(edges)]
    peaks = [
        f"{name} at {middle[int(own.argmax())]:.1f}{unit}"
        for name, own in zip(names[:30], reads[:30], strict=True)
    ]
    return f"Alignment map of clip {row.clip.id}. Each token reads most: {', '.join(peaks)}."


def _text_width(text: str) -> int:
    return sum(8 if ord(letter) < 0x2E80 else 15 for letter in text)
