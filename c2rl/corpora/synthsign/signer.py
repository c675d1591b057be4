"""The people of SynthSign, and how one take of the camera differs from the next.

Lengths are in frame widths; colours are RGB, 0 to 255.
"""

import colorsys
from typing import NamedTuple

import numpy as np

Colour = tuple[int, int, int]

_SKINS: tuple[Colour, ...] = (
    (98, 62, 42),
    (134, 88, 60),
    (172, 120, 86),
    (205, 156, 118),
    (226, 184, 150),
    (240, 208, 184),
)
_HAIRS: tuple[Colour, ...] = (
    (28, 22, 20),
    (66, 42, 26),
    (120, 78, 40),
    (190, 150, 84),
    (150, 60, 34),
    (150, 150, 152),
)
HAIRSTYLES = ("short", "long", "bun", "bald")
_OUTFITS = 3
_OUTFIT_CONTRAST, _BACKGROUND_CONTRAST = 85.0, 60.0


class Signer(NamedTuple):
    """One person: body, colours, tempo and framing."""

    name: str
    scale: float
    offset: tuple[float, float]
    shoulder: float
    """Half the distance between the shoulders."""
    head: float
    """Factor of head size."""
    hand: float
    """Factor of hand size."""
    arm: float
    """Thickness of a sleeve."""
    tempo: float
    """Factor of signing speed."""
    reach: float
    """Factor of movement size."""
    skin: Colour
    hair: Colour
    hairstyle: str
    has_glasses: bool
    outfits: tuple[Colour, ...]
    background: Colour


class Take(NamedTuple):
    """What is particular to one clip."""

    outfit: Colour
    top: Colour
    """Background at the top edge."""
    bottom: Colour
    light: float
    scale: float
    offset: tuple[float, float]
    roll: float
    """Slant of the camera in radians."""
    jitter: tuple[float, float, float]
    """Camera sway: size, and two phases in radians."""
    grain: float
    """Standard deviation of sensor noise, in grey levels."""


def luma(colour: Colour) -> float:
    """Tell how bright a colour is.

    Args:
        colour: RGB.

    Returns:
        Brightness, 0 to 255.
    """
    return 0.299 * colour[0] + 0.587 * colour[1] + 0.114 * colour[2]


def signers(*, seed: int, count: int) -> list[Signer]:
    """Draw the people of a corpus: those of train first, then one of dev, one of test.

    The training signers are spread evenly over every range, in an order of chance, so the unseen
    two lie inside what training has shown without being like anyone in it.

    Args:
        seed: Seed of the corpus.
        count: Number of signers, at least 3.

    Returns:
        The signers.

    Raises:
        ValueError: If there are too few for three splits.
    """
    if count < 3:
        raise ValueError(
            f"synthsign.signers is {count}, but train, dev and test need one each that the others"
            " never show. Choose 3 or more."
        )
    rng = np.random.default_rng(np.random.SeedSequence([seed, 2]))
    train = count - 2
    even = (np.arange(train) + 0.5) / train
    grid = np.stack([rng.permutation(even) for _ in range(12)], axis=1)  # (train, 12)
    unseen = rng.uniform(0.2, 0.8, size=(2, 12))
    return [_signer(rng, i, row) for i, row in enumerate(np.concatenate([grid, unseen]))]


def _signer(rng: np.random.Generator, index: int, unit: np.ndarray) -> Signer:
    def between(axis: int, low: float, high: float) -> float:
        return float(low + (high - low) * unit[axis])

    skin = _blend(_SKINS, float(unit[0]))
    outfits = [_contrasting(rng, [skin], _OUTFIT_CONTRAST) for _ in range(_OUTFITS)]
    return Signer(
        name=f"signer{index + 1:02d}",
        scale=between(1, 0.93, 1.06),
        offset=(between(2, -0.04, 0.04), between(3, -0.03, 0.03)),
        shoulder=between(4, 0.21, 0.27),
        head=between(5, 0.92, 1.08),
        hand=between(6, 1.3, 1.5),
        arm=between(7, 0.1, 0.13),
        tempo=between(8, 0.85, 1.2),
        reach=between(9, 0.9, 1.1),
        skin=skin,
        hair=_HAIRS[int(rng.integers(len(_HAIRS)))],
        hairstyle=HAIRSTYLES[int(unit[10] * len(HAIRSTYLES))],
        has_glasses=bool(rng.random() < 0.25),
        outfits=tuple(outfits),
        background=_contrasting(rng, [skin], _BACKGROUND_CONTRAST),
    )


def _blend(palette: tuple[Colour, ...], position: float) -> Colour:
    place = position * (len(palette) - 1)
    low = min(int(place), len(palette) - 2)
    share = place - low
    red, green, blue = (
        round((1 - share) * a + share * b)
        for a, b in zip(palette[low], palette[low + 1], strict=True)
    )
    return red, green, blue


def _contrasting(rng: np.random.Generator, others: list[Colour], contrast: float) -> Colour:
    """Draw a colour that is clearly brighter or darker than the others."""
    while True:
        hue, saturation, value = rng.random(), rng.uniform(0.1, 0.75), rng.uniform(0.15, 0.92)
        red, green, blue = (round(255 * c) for c in colorsys.hsv_to_rgb(hue, saturation, value))
        colour = red, green, blue
        if all(abs(luma(colour) - luma(other)) >= contrast for other in others):
            return colour


def take(rng: np.random.Generator, signer: Signer, *, noise: float = 1.0) -> Take:
    """Draw what is particular to one clip of a signer.

    Args:
        rng: Source of chance.
        signer: Who signs.
        noise: Strength of jitter, grain and change of light; 0 is a still studio.

    Returns:
        The take.
    """
    outfit = signer.outfits[int(rng.integers(len(signer.outfits)))]
    shade = rng.normal(0, 10 * noise, size=3)
    slope = rng.uniform(4, 18) * rng.choice([-1.0, 1.0])
    base = np.array(signer.background) + shade
    return Take(
        outfit=_clipped(np.array(outfit) + rng.normal(0, 6 * noise, size=3)),
        top=_clipped(base + slope),
        bottom=_clipped(base - slope),
        light=float(np.clip(1 + 0.06 * noise * rng.normal(), 0.8, 1.2)),
        scale=float(signer.scale * (1 + 0.012 * noise * rng.normal())),
        offset=(
            float(signer.offset[0] + 0.01 * noise * rng.normal()),
            float(signer.offset[1] + 0.008 * noise * rng.normal()),
        ),
        roll=float(0.01 * noise * rng.normal()),
        jitter=(
            0.004 * noise,
            float(rng.uniform(0, 2 * np.pi)),
            float(rng.uniform(0, 2 * np.pi)),
        ),
        grain=2.5 * noise,
    )


def _clipped(colour: np.ndarray) -> Colour:
    red, green, blue = (int(c) for c in np.clip(np.rint(colour), 0, 255))
    return red, green, blue
