"""Segments and samples: the paper's rule, and purity."""

import numpy as np
import pytest

from c2rl.video.sample import candidates, generator, sample, segments


@pytest.mark.parametrize("num_frames", [1, 2, 3, 7, 16, 101, 475])
@pytest.mark.parametrize("keep", [0.1, 0.25, 0.5, 1.0])
def test_segments_follow_the_rule(num_frames: int, keep: float) -> None:
    m = max(1, int(np.floor(keep * num_frames + 0.5)))
    first, end = segments(num_frames, keep)
    assert len(first) == m
    for i in range(m):
        assert first[i] == num_frames * i // m
        assert end[i] == max(num_frames * i // m + 1, num_frames * (i + 1) // m)
    assert end[-1] == num_frames


def test_inference_takes_the_first_frame_of_each_segment() -> None:
    frames = candidates(16, 25.0, target_fps=None, cap=None)
    assert sample(frames, 0.25).tolist() == [0, 4, 8, 12]


def test_training_takes_any_frame_of_each_segment() -> None:
    frames = candidates(16, 25.0, target_fps=None, cap=None)
    drawn = np.stack([sample(frames, 0.25, generator(0, e, "clip")) for e in range(200)])
    assert (drawn // 4 == np.arange(4)).all()
    assert all(len(set(drawn[:, i])) == 4 for i in range(4))


def test_a_draw_depends_on_its_key_alone() -> None:
    frames = candidates(100, 25.0, target_fps=None, cap=None)
    first = sample(frames, 0.25, generator(3, 1, "a"))
    sample(frames, 0.25, generator(3, 1, "b"))
    assert (first == sample(frames, 0.25, generator(3, 1, "a"))).all()
    assert (first != sample(frames, 0.25, generator(3, 2, "a"))).any()


def test_rate_comes_before_the_cap() -> None:
    assert candidates(60, 50.0, target_fps=25.0, cap=None).tolist() == list(range(0, 60, 2))
    assert len(candidates(1000, 50.0, target_fps=25.0, cap=300)) == 300
    assert candidates(10, 0.0, target_fps=25.0, cap=None).tolist() == list(range(10))


def test_a_clip_without_frames_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one frame"):
        candidates(0, 25.0, target_fps=None, cap=None)
