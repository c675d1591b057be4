import numpy as np
import pytest
import torch

from c2rl.corpora.clip import Clip
from c2rl.report import alignment, inputs, matching, plots, strips, tables
from c2rl.retrieve import exact
from c2rl.retrieve.embed import embed_text
from c2rl.store.manifest import Row
from c2rl.video.sample import segments


def test_the_text_side_equals_the_retrievers(finished):
    run = finished[0]
    paths = run.paths()
    tables = {"tables": paths.pop("suites")}
    found = inputs.read(**{k: v for k, v in paths.items() if k != "report"}, **tables)
    run.model.eval()
    sentences = found.embeddings.sentences
    ours = matching.TextEncoder(found.retriever).encode(sentences)
    for own, theirs in zip(ours, embed_text(run.model, sentences, run.tokenizer), strict=True):
        torch.testing.assert_close(own, theirs, rtol=0, atol=0)


@pytest.mark.parametrize("tile", [1, 3, 32])
def test_the_matrix_equals_the_retrievers(tile):
    rng = torch.Generator().manual_seed(0)
    clips = [torch.randn(n, 6, generator=rng) for n in (3, 1, 5, 2)]
    texts = [torch.randn(n, 6, generator=rng) for n in (2, 4, 1, 7)]
    ours = matching.similarity(clips, texts, sharpness=0.07, mix=0.3, tile=tile)
    theirs = exact.score_pairs(clips, texts, sharpness=0.07, mix=0.3)
    np.testing.assert_allclose(ours, theirs, atol=1e-5)


@pytest.mark.parametrize("num_frames", [1, 2, 13, 91])
def test_vectors_cover_their_segments(num_frames):
    row = Row(Clip("a", "test", "s", "de", "a.mp4"), "ok", "", num_frames, 25.0)
    edges = alignment.native_edges(row, {"keep": 0.25, "target_fps": None, "cap": None})
    first, end = segments(num_frames, 0.25)
    assert edges[:-1].tolist() == first.tolist()
    assert edges[1:].tolist() == end.tolist()


@pytest.mark.parametrize(("target_fps", "cap"), [(12.5, None), (None, 20)])
def test_vectors_cover_the_whole_clip_at_any_rate(target_fps, cap):
    row = Row(Clip("a", "test", "s", "de", "a.mp4"), "ok", "", 91, 25.0)
    edges = alignment.native_edges(row, {"keep": 0.5, "target_fps": target_fps, "cap": cap})
    assert (edges[0], edges[-1]) == (0, 91)
    assert (np.diff(edges) > 0).all()


def test_examples_are_a_pure_choice():
    rows = [{"id": f"{i:02}", "rouge_l": float(i % 5)} for i in range(20)]
    for count in (1, 2, 3, 6, 20, 50):
        chosen = strips.choose(rows, count)
        assert chosen == strips.choose(rows[::-1], count)
        ids = [row["id"] for _, row in chosen]
        assert len(set(ids)) == len(ids) == min(count, 20)
    kinds = [kind for kind, _ in strips.choose(rows, 6)]
    assert kinds == ["best", "best", "random", "random", "worst", "worst"]
    ends = [row["id"] for kind, row in strips.choose(rows, 6) if kind != "random"]
    assert ends == ["04", "09", "10", "15"]


def test_misses_are_shown_once_a_sentence():
    ranks = [
        {"id": f"c{i:02}", "sentence": f"s{i // 2}", "group": f"g{i // 2}",
         "v2t_rank": float(1 + i // 4), "t2v_rank": 1.5, "score": 0.1, "best": "s0",
         "best_score": 0.2}
        for i in range(12)
    ]  # fmt: skip
    hits, narrow, wide = tables.hits_and_misses(ranks)
    assert [row[0] for row in hits.rows] == ["c00", "c02"]
    assert [row[0] for row in narrow.rows + wide.rows] == ["c04", "c06", "c08", "c10"]
    assert hits.rows[0][2:5] == ["the same", "1", "1.5"]
    assert hits.rows[1][2] == "s0"


def test_a_history_without_a_value_has_no_chart():
    lines = [plots.Curve("dev", "dev_loss")]
    assert plots.curves([{"epoch": 1, "loss": 1.0}], "title", "unit", lines) is None
    assert plots.curves([], "title", "unit", lines) is None


def test_random_examples_are_the_same_clips_whatever_the_model_says():
    """So reports of two runs can be laid side by side."""
    ids = [f"{i:02}" for i in range(40)]
    good = [{"id": own, "rouge_l": 50.0 + number} for number, own in enumerate(ids)]
    other = [{"id": own, "rouge_l": 90.0 - number} for number, own in enumerate(ids)]
    drawn = [
        {row["id"] for kind, row in strips.choose(rows, 9) if kind == "random"}
        for rows in (good, other)
    ]
    edges = {*ids[:3], *ids[-3:]}  # best of one is worst of the other
    assert drawn[0] == drawn[1]
    assert not drawn[0] & edges
