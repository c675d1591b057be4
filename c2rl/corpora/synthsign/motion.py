"""From signs to the pose of every frame, with coarticulation.

The body's axes: x from -0.5 to 0.5 is the frame's width, the signer's right is negative; y is 0
at the top, also in frame widths. Hand 0 is the dominant one (the signer's right, the viewer's
left), hand 1 the weak one; both are described as if they were the right hand and mirrored at last.

Shape letters in this file:
    T frames, N signs.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from c2rl.corpora.synthsign.grammar import Sentence
from c2rl.corpora.synthsign.lexicon import BY_GLOSS, SIGNS, Form

FPS = 25
Floats = npt.NDArray[np.float64]

# Thumb, index, middle, ring and little finger from 0 (curled) to 1 (straight); spread; ring of
# thumb and fingers.
SHAPES: dict[str, tuple[float, ...]] = {
    "fist": (0, 0, 0, 0, 0, 0, 0),
    "flat": (0.2, 1, 1, 1, 1, 0, 0),
    "index": (0, 1, 0, 0, 0, 0, 0),
    "vee": (0, 1, 1, 0, 0, 1, 0),
    "ell": (1, 1, 0, 0, 0, 0, 0),
    "five": (1, 1, 1, 1, 1, 1, 0),
    "thumb": (1.15, 0, 0, 0, 0, 0, 0),
    "ring": (0.3, 0, 0, 0, 0, 0, 1),
    "horns": (1, 0, 0, 0, 1, 1, 0),
}
PLACES: dict[str, tuple[float, float]] = {
    "forehead": (-0.14, 0.22),
    "cheek": (-0.22, 0.41),
    "chin": (-0.03, 0.54),
    "chest": (-0.06, 0.77),
    "contra": (0.16, 0.72),
    "side": (-0.33, 0.80),
    "high": (-0.32, 0.26),
    "belly": (-0.10, 1.0),
}
_BOTH_APART = 0.165  # two hands keep at least this distance from the midline
_ANGLES = {"up": -np.pi / 2, "in": -0.12, "down": np.pi / 2 - 0.3}
_REST = (-0.17, 1.13, _ANGLES["in"] + 0.5)
_RELAXED = (0.3, 0.4, 0.4, 0.4, 0.4, 0.0, 0.0)
_STROKE_S, _CHANGE_S, _REST_S = 0.36, 0.14, 0.2
_PULL = 0.12  # coarticulation: how far a sign's place is drawn towards its neighbours'


class Motion(NamedTuple):
    """The pose of every frame."""

    hands: Floats
    """(T, 2, 3): x and y of the palm, angle of the fingers in radians; not yet mirrored."""
    shapes: Floats
    """(T, 2, 7): see `SHAPES`."""
    head: Floats
    """(T, 2): turn from -1 to 1, tilt in radians."""
    face: Floats
    """(T, 4): brows raised, brows knit, mouth open, mouth corners; 0 to 1, corners -1 to 1."""
    spans: tuple[tuple[int, int], ...]
    """(N, 2): first and end frame of each sign."""


def motion(
    rng: np.random.Generator,
    sentence: Sentence,
    *,
    tempo: float = 1.0,
    reach: float = 1.0,
    noise: float = 1.0,
    num_frames: int | None = None,
) -> Motion:
    """Sign a sentence.

    Args:
        rng: Source of chance: each production differs a little.
        sentence: What is signed.
        tempo: Factor of speed.
        reach: Factor of movement size.
        noise: Strength of the variation between productions.
        num_frames: Exact length wanted; None: as long as the tempo makes it.

    Returns:
        The pose of every frame at 25 frames a second.
    """
    forms = [BY_GLOSS[gloss].form for gloss in sentence.gloss]
    starts, ends, length = _timing(rng, len(forms), tempo, noise, num_frames)
    times = np.arange(length, dtype=np.float64)
    places = _places(rng, forms, noise)
    hands, shapes = np.empty((length, 2, 3)), np.empty((length, 2, 7))
    for hand in (0, 1):
        hands[:, hand], shapes[:, hand] = _hand(times, forms, places, starts, ends, hand, reach)
    hands[:, :, :2] = _smooth(hands[:, :, :2])
    head, face = _head(rng, times, sentence, starts, ends)
    spans = tuple((round(a), round(b)) for a, b in zip(starts, ends, strict=True))
    return Motion(hands, shapes, head, face, spans)


def _timing(
    rng: np.random.Generator, signs: int, tempo: float, noise: float, num_frames: int | None
) -> tuple[Floats, Floats, int]:
    """Give start and end of every stroke, in frames, and the number of frames."""
    stroke = _STROKE_S * np.exp(0.07 * noise * np.clip(rng.normal(size=signs), -2, 2))
    change = _CHANGE_S * np.exp(0.1 * noise * np.clip(rng.normal(size=signs + 1), -2, 2))
    rest = _REST_S * np.exp(0.15 * noise * np.clip(rng.normal(size=2), -2, 2))
    pieces = np.concatenate([[rest[0]], np.stack([change[:-1], stroke], axis=1).ravel()])
    edges = np.cumsum(pieces) * FPS / tempo
    total = float(edges[-1] + (change[-1] + rest[1]) * FPS / tempo)
    length = num_frames or round(total)
    edges *= length / total
    return edges[1::2], edges[2::2], length


def _places(rng: np.random.Generator, forms: list[Form], noise: float) -> Floats:
    """Give the place (N, 2) of every sign, drawn towards its neighbours and never twice equal."""
    ideal = np.array([PLACES[form.location] for form in forms])
    for i, form in enumerate(forms):
        if form.hands == 2:
            ideal[i, 0] = min(ideal[i, 0], -_BOTH_APART)
    padded = np.concatenate([ideal[:1], ideal, ideal[-1:]])
    around = (padded[:-2] + padded[2:]) / 2
    error = 0.012 * noise * rng.normal(size=ideal.shape)
    return np.asarray((1 - _PULL) * ideal + _PULL * around + error)


def moved(movement: str, phase: Floats, reach: float) -> Floats:
    """Follow a movement.

    Args:
        movement: One of the lexicon's movements.
        phase: (T,) float, 0 at the stroke's start, 1 at its end.
        reach: Factor of movement size.

    Returns:
        (T, 3) float: change of x, y and angle.
    """
    zero, turn = np.zeros_like(phase), 2 * np.pi * phase
    x, y, angle = {
        "hold": (zero, zero, zero),
        "tap": (zero, 0.06 * np.abs(np.sin(turn)), zero),
        "up": (zero, 0.10 - 0.20 * phase, zero),
        "down": (zero, -0.10 + 0.20 * phase, zero),
        "side": (0.09 * np.sin(turn), zero, zero),
        "circle": (0.07 * np.cos(turn), 0.07 * np.sin(turn), zero),
        "apart": (0.06 - 0.16 * phase, zero, zero),
        "twist": (zero, zero, 0.75 * np.sin(turn)),
        "arc": (0.09 * np.cos(np.pi * phase), -0.09 * np.sin(np.pi * phase), -0.4 + 0.8 * phase),
    }[movement]
    return np.stack([reach * x, reach * y, angle], axis=1)


def _hand(
    times: Floats,
    forms: list[Form],
    places: Floats,
    starts: Floats,
    ends: Floats,
    hand: int,
    reach: float,
) -> tuple[Floats, Floats]:
    """Give the path (T, 3) and the handshape (T, 7) of one hand."""
    path, shape = np.empty((len(times), 3)), np.empty((len(times), 7))
    rest, relaxed = np.array(_REST), np.array(_RELAXED)
    before, shape_before, free_since = rest, relaxed, 0.0

    def change(until: float, goal: Floats, shape_goal: Floats) -> None:
        now = (times >= free_since) & (times < until)
        share = _ease((times[now] - free_since) / max(until - free_since, 1e-6))[:, None]
        path[now] = before + share * (goal - before)
        shape[now] = shape_before + share * (shape_goal - shape_before)

    for form, place, start, end in zip(forms, places, starts, ends, strict=True):
        if hand == 1 and form.hands == 1:
            goal, shape_goal, delta = rest, relaxed, np.zeros((2, 3))
        else:
            goal = np.array([*place, _ANGLES[form.orientation]])
            shape_goal = np.array(SHAPES[form.handshape])
            delta = moved(form.movement, np.array([0.0, 1.0]), reach)
        change(float(start), goal + delta[0], shape_goal)
        during = (times >= start) & (times < end)
        path[during], shape[during] = goal, shape_goal
        if goal is not rest:
            phase = (times[during] - start) / (end - start)
            path[during] += moved(form.movement, phase, reach)
        before, shape_before, free_since = goal + delta[1], shape_goal, float(end)
    change(free_since + _CHANGE_S * FPS * 1.4, rest, relaxed)
    after = times >= free_since + _CHANGE_S * FPS * 1.4
    path[after], shape[after] = rest, relaxed
    return path, shape


def _head(
    rng: np.random.Generator, times: Floats, sentence: Sentence, starts: Floats, ends: Floats
) -> tuple[Floats, Floats]:
    """Give head (T, 2) and face (T, 4): the non-manual markers, over small idle movement."""
    negated, mouthing = np.zeros_like(times), np.zeros_like(times)
    for is_negated, gloss, start, end in zip(
        sentence.negated, sentence.gloss, starts, ends, strict=True
    ):
        during = (times >= start - 4) & (times < end + 2)
        negated[during] = np.maximum(negated[during], float(is_negated))
        mouthing[(times >= start) & (times < end)] = (SIGNS.index(BY_GLOSS[gloss]) % 3) / 2
    asked = float(sentence.question) * ((times >= starts[0] - 4) & (times < ends[-1] + 2))
    negated, asked, mouthing = (
        _smooth(_smooth(_smooth(mark))) for mark in (negated, asked, mouthing)
    )
    phase = rng.uniform(0, 2 * np.pi, size=3)
    seconds = times / FPS
    shake = np.sin(2 * np.pi * 2.3 * seconds + phase[0])
    idle = 0.12 * np.sin(2 * np.pi * 0.5 * seconds + phase[1])
    tilt = 0.02 * np.sin(2 * np.pi * 0.4 * seconds + phase[2]) + 0.26 * asked
    head = np.stack([idle * (1 - negated) + shake * negated, tilt], axis=1)
    face = np.stack([asked, negated, 0.7 * mouthing * (1 - negated), asked * 0.3 - negated], axis=1)
    return head, face


def _ease(share: Floats) -> Floats:
    return share * share * (3 - 2 * share)


def _smooth(series: Floats) -> Floats:
    """Average every frame with its neighbours, 1:2:1 along the first axis."""
    padded = np.concatenate([series[:1], series, series[-1:]])
    return np.asarray((padded[:-2] + 2 * padded[1:-1] + padded[2:]) / 4)
