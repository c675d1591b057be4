"""Plans a corpus: which signer signs which sentence in which clip.

Everything follows from the knobs alone; nothing is rendered here.
"""

from typing import NamedTuple

import numpy as np

from c2rl.corpora.clip import SPLITS
from c2rl.corpora.synthsign.grammar import Sentence, sentences
from c2rl.corpora.synthsign.lexicon import LANGUAGES, vocabulary
from c2rl.corpora.synthsign.motion import Motion, motion
from c2rl.corpora.synthsign.signer import Signer, Take, signers, take

_FRAMES_A_CLAUSE = 65
_MOST_CLAUSES = 5


class Size(NamedTuple):
    """How large a corpus is."""

    counts: tuple[int, int, int]
    """Clips of train, dev and test."""
    width: int
    height: int
    has_natural_lengths: bool
    """Whether frames per clip follow PHOENIX14T instead of the sentence alone."""


SIZES = {
    "nano": Size((24, 8, 8), 160, 192, False),
    "tiny": Size((400, 64, 64), 160, 192, False),
    "small": Size((2000, 200, 300), 160, 192, False),
    "paper": Size((7096, 519, 642), 210, 260, True),
}


class Knobs(NamedTuple):
    """What a corpus is made from."""

    size: str
    language: str
    seed: int
    vocabulary: int
    signers: int
    reordering: float
    noise: float


class Scene(NamedTuple):
    """What one clip shows."""

    id: str
    split: str
    source: str
    sentence: Sentence
    signer: Signer
    seeds: tuple[int, ...]
    num_frames: int | None


def check(knobs: Knobs) -> None:
    """Check the knobs that no part of the plan checks.

    Args:
        knobs: What the user chose.

    Raises:
        ValueError: If one is out of range; the message names it and the range.
    """
    if knobs.size not in SIZES:
        raise ValueError(f"synthsign.size '{knobs.size}' is unknown. Known: {', '.join(SIZES)}.")
    if knobs.language not in LANGUAGES:
        raise ValueError(
            f"synthsign.language '{knobs.language}' is unknown. Known: {', '.join(LANGUAGES)}."
        )
    if knobs.seed < 0:
        raise ValueError(f"synthsign.seed is {knobs.seed}. Choose a whole number from 0 on.")
    if not 0 <= knobs.reordering <= 1:
        raise ValueError(
            f"synthsign.reordering is {knobs.reordering}, but it is a probability."
            " Choose 0 (spoken order) to 1 (the sign language's own order)."
        )
    if not 0 <= knobs.noise <= 5:
        raise ValueError(f"synthsign.noise is {knobs.noise}. Choose 0 (none) to 5; 1 is usual.")
    vocabulary(knobs.vocabulary)
    signers(seed=knobs.seed, count=knobs.signers)


def lengths(*, seed: int, count: int) -> list[int]:
    """Draw frames per clip the way PHOENIX14T's are spread.

    Args:
        seed: Seed of the corpus.
        count: Number of clips.

    Returns:
        Whole frames, 16 to 475, with median near 112 and mean near 116.6.
    """
    rng = np.random.default_rng(np.random.SeedSequence([seed, 4]))
    usual = rng.gamma(7.9, 115.0 / 7.9, size=count)
    rare = rng.uniform(16, 475, size=count)  # the long tails that one gamma has not
    drawn = np.where(rng.random(count) < 0.01, rare, usual)
    return [int(frames) for frames in np.clip(np.rint(drawn), 16, 475)]


def scenes(knobs: Knobs) -> list[Scene]:
    """Plan every clip.

    Args:
        knobs: What the corpus is made from.

    Returns:
        The clips in the order train, dev, test; no sentence twice, no signer in two splits.

    Raises:
        ValueError: If the knobs are out of range.
    """
    check(knobs)
    counts = SIZES[knobs.size].counts
    total = sum(counts)
    frames: list[int | None] = [None] * total
    if SIZES[knobs.size].has_natural_lengths:
        frames = list(lengths(seed=knobs.seed, count=total))
    said = sentences(
        clauses=[_clauses(length) for length in frames],
        language=knobs.language,
        seed=knobs.seed,
        vocabulary_size=knobs.vocabulary,
        reordering=knobs.reordering,
    )
    people = signers(seed=knobs.seed, count=knobs.signers)
    casts = {"train": people[:-2], "dev": people[-2:-1], "test": people[-1:]}
    planned: list[Scene] = []
    for number, (split, count) in enumerate(zip(SPLITS, counts, strict=True)):
        for index in range(count):
            name = f"synthsign-{split}-{index:04d}"
            planned.append(
                Scene(
                    id=name,
                    split=split,
                    source=f"videos/{split}/{name}.mp4",
                    sentence=said[len(planned)],
                    signer=casts[split][index % len(casts[split])],
                    seeds=(knobs.seed, 3, number, index),
                    num_frames=frames[len(planned)],
                )
            )
    return planned


def _clauses(num_frames: int | None) -> int:
    if num_frames is None:
        return 1
    return min(max(1, round(num_frames / _FRAMES_A_CLAUSE)), _MOST_CLAUSES)


class Shot(NamedTuple):
    """A scene made concrete: everything but the pixels."""

    take: Take
    motion: Motion
    rng: np.random.Generator
    """Chance that is left for the pixels."""


def shoot(scene: Scene, *, noise: float) -> Shot:
    """Make a scene concrete.

    Args:
        scene: What the clip shows.
        noise: Strength of variation.

    Returns:
        Camera and poses; the same for the same scene, whoever asks.
    """
    seeds = np.random.SeedSequence(list(scene.seeds)).spawn(3)
    camera, body, pixels = (np.random.default_rng(seed) for seed in seeds)
    poses = motion(
        body,
        scene.sentence,
        tempo=scene.signer.tempo,
        reach=scene.signer.reach,
        noise=noise,
        num_frames=scene.num_frames,
    )
    return Shot(take(camera, scene.signer, noise=noise), poses, pixels)
