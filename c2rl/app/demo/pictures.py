"""Film strips, heat maps and marks, as images inside the page.

Shape letters: T vectors or frames of a clip, C columns of its features.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from c2rl.report import strips
from c2rl.report.pictures import Picture, encode

_DARK = np.array((107, 48, 8), dtype=np.float32)
"""Blue, green, red of the strongest value, as in the report's alignment maps."""
_RED = np.array((38, 50, 178), dtype=np.float32)
"""Of the lowest one, where values have a sign."""
_USUAL = 98
"""Per cent of the values that the colours tell apart; the few beyond are as dark as these."""


def film(files: Sequence[npt.NDArray[np.uint8]], name: str) -> Picture:
    """Put evenly chosen frames of a clip side by side.

    Args:
        files: Its compressed frames, in order; at least one.
        name: Of the clip, for those who hear the page.

    Returns:
        One JPEG.

    Raises:
        ValueError: If a frame is no image.
    """
    chosen = strips.evenly(len(files))
    return strips.film(
        [files[number] for number in chosen],
        f"Film strip of {name}: {len(chosen)} evenly chosen frames.",
        broken=f"a frame of {name} is no image",
    )


def heat(strength: npt.NDArray[np.floating[Any]]) -> Picture:
    """Draw what one word reads, a pixel a vector.

    Args:
        strength: (T,) float in [0, 1].

    Returns:
        A PNG, white where it reads nothing.
    """
    shown = np.clip(strength, 0, 1).astype(np.float32)[None, :, None]  # (1, T, 1)
    image = np.rint(255 + (_DARK - 255) * shown).astype(np.uint8)
    return Picture(encode(image, "png"), "", image.shape[1], 1)


def marks(numbers: Sequence[int], num_frames: int) -> Picture:
    """Draw which frames of a clip are used, a pixel a frame.

    Args:
        numbers: Of the used ones.
        num_frames: Of the clip.

    Returns:
        A PNG.
    """
    used = np.zeros(num_frames)
    used[list(numbers)] = 1
    alt = f"{len(numbers)} of {num_frames} frames are used: " + ", ".join(map(str, numbers[:40]))
    return heat(used)._replace(alt=alt + (", ..." if len(numbers) > 40 else "."))


def features(values: npt.NDArray[np.float16]) -> Picture:
    """Draw the features of a clip: time from left to right, a row a column of the store.

    Args:
        values: (T, C) float16.

    Returns:
        A PNG: blue above the column's mean over the clip, red below.
    """
    centred = (values.astype(np.float32) - values.astype(np.float32).mean(axis=0)).T  # (C, T)
    most = float(np.percentile(np.abs(centred), _USUAL)) or 1.0
    shown = np.clip(centred / most, -1, 1)[..., None]
    colour = np.where(shown > 0, _DARK, _RED)
    image = np.rint(255 + (colour - 255) * np.abs(shown)).astype(np.uint8)
    alt = f"Heat map of the features: {values.shape[1]} rows, {values.shape[0]} moments."
    return Picture(encode(image, "png"), alt, image.shape[1], image.shape[0])
