"""The index proposes, exact CLCL decides."""

import numpy as np
import torch

from c2rl.objectives.similarity import clcl
from c2rl.retrieve import index

CLIPS = [torch.sin(torch.arange(n * 8.0) + n).reshape(n, 8) for n in (3, 5, 2, 4)]
TEXTS = [torch.cos(torch.arange(n * 8.0) * 0.5 + n).reshape(n, 8) for n in (2, 3)]


class Stored(list):
    """Clips in memory instead of in a store."""


def test_tiles_do_not_change_a_score() -> None:
    whole = index.score_pairs(CLIPS, TEXTS, sharpness=0.07, mix=0.5)
    tiles = index.score_pairs(CLIPS, TEXTS, sharpness=0.07, mix=0.5, tile=1)
    np.testing.assert_allclose(whole, tiles, atol=1e-6)


def test_a_score_is_the_mix_of_both_directions() -> None:
    real = [torch.ones(1, n, dtype=torch.bool) for n in (3, 2)]
    both = clcl(CLIPS[0][None], real[0], TEXTS[0][None], real[1])
    expected = 0.3 * float(both.video_to_text) + 0.7 * float(both.text_to_video)
    found = index.score_pairs(CLIPS[:1], TEXTS[:1], sharpness=0.07, mix=0.3)
    np.testing.assert_allclose(found, [[expected]], atol=1e-6)


def test_search_with_all_candidates_is_exact(tmp_path) -> None:
    index.write_index(tmp_path / "i", np.stack([index.pool(c) for c in CLIPS]))
    found = index.search(
        index.read_index(tmp_path / "i"), Stored(CLIPS), TEXTS[0],
        top=3, candidates=99, sharpness=0.07, mix=0.5,
    )  # fmt: skip
    scores = index.score_pairs(CLIPS, TEXTS[:1], sharpness=0.07, mix=0.5)[:, 0]
    assert [hit.number for hit in found] == np.argsort(-scores)[:3].tolist()
