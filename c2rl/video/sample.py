"""Which frames of a clip the encoder sees.

Source: Sec. IV-B a; the segment rule where k*T is no integer is register row 12.
"""

import hashlib

import numpy as np
import numpy.typing as npt

Indices = npt.NDArray[np.int64]


def generator(*key: int | str) -> np.random.Generator:
    """Make the random generator of one decision: a pure function of its key.

    Args:
        key: For instance (seed, epoch, clip id); never a worker, batch or rank.

    Returns:
        A generator that depends on the key alone.
    """
    digest = hashlib.blake2b(repr(key).encode(), digest_size=16).digest()
    return np.random.Generator(np.random.Philox(key=int.from_bytes(digest, "little")))


def candidates(
    num_frames: int, fps: float, *, target_fps: float | None, cap: int | None
) -> Indices:
    """List the frames that sampling may choose from: target rate first, then the cap.

    Args:
        num_frames: Native frames of the clip.
        fps: Native frames per second; 0 where unknown, which leaves the rate alone.
        target_fps: Frames per second to bring every clip to; None keeps the native rate.
        cap: Most frames to keep, spread evenly; None keeps all.

    Returns:
        (T,) int64, increasing frame numbers; T >= 1.

    Raises:
        ValueError: If the clip has no frame.
    """
    if num_frames < 1:
        raise ValueError(f"a clip needs at least one frame, this has {num_frames}")
    chosen = np.arange(num_frames, dtype=np.int64)
    if target_fps is not None and fps > 0:
        count = max(1, int(num_frames * target_fps / fps + 0.5))
        chosen = chosen[np.arange(count) * num_frames // count]
    if cap is not None and len(chosen) > cap:
        chosen = chosen[np.arange(cap) * len(chosen) // cap]
    return chosen


def at_inference(
    num_frames: int,
    fps: float,
    *,
    keep: float,
    target_fps: float | None,
    cap: int | None,
    views: int = 1,
) -> list[int]:
    """Choose the frames of a clip that the encoder sees at inference.

    Args:
        num_frames: Native frames of the clip.
        fps: Native frames per second; 0 where unknown.
        keep: Share of frames kept; k in the paper.
        target_fps: See `candidates`.
        cap: See `candidates`.
        views: How many of the phases of `sample` are wanted, from the first on.

    Returns:
        Increasing frame numbers: m of them for one view.
    """
    frames = candidates(num_frames, fps, target_fps=target_fps, cap=cap)
    chosen = np.concatenate([sample(frames, keep, phase=phase) for phase in range(views)])
    return [int(number) for number in np.unique(chosen)]


def count(
    num_frames: int, fps: float, *, keep: float, target_fps: float | None, cap: int | None
) -> int:
    """Count the frames of a clip that the encoder sees, in training as at inference.

    Args:
        num_frames: Native frames of the clip.
        fps: Native frames per second; 0 where unknown.
        keep: Share of frames kept; k in the paper.
        target_fps: See `candidates`.
        cap: See `candidates`.

    Returns:
        T' = max(1, floor(keep * T + 0.5)), T being the number of candidates.
    """
    return len(segments(len(candidates(num_frames, fps, target_fps=target_fps, cap=cap)), keep)[0])


def segments(num_frames: int, keep: float) -> tuple[Indices, Indices]:
    """Split a clip into m = max(1, floor(keep * T + 0.5)) consecutive segments.

    Args:
        num_frames: T, frames to split.
        keep: Share of frames to keep; k in the paper, 0.25.

    Returns:
        First frame and one past the last frame of each segment, (m,) int64 each.
    """
    count = max(1, int(keep * num_frames + 0.5))
    i = np.arange(count, dtype=np.int64)
    first = num_frames * i // count
    return first, np.maximum(first + 1, num_frames * (i + 1) // count)


def sample(
    frames: Indices, keep: float, rng: np.random.Generator | None = None, *, phase: int = 0
) -> Indices:
    """Choose one frame of each segment: a random one in training, the first at inference.

    Args:
        frames: (T,) int64, from `candidates`.
        keep: Share of frames to keep; k in the paper.
        rng: From `generator(seed, epoch, clip id)` in training; None at inference.
        phase: Which frame of each segment is taken at inference, from 0, or its last one; 1/k
            phases see every frame.

    Returns:
        (m,) int64, increasing frame numbers.
    """
    first, end = segments(len(frames), keep)
    fixed = np.minimum(first + phase, end - 1)
    chosen = fixed if rng is None else first + rng.integers(0, end - first)
    return frames[chosen]
