"""A split is ranked under both protocols; equal sentences tie to the last bit."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from c2rl.corpora.clip import Clip
from c2rl.language import tokenizer as language
from c2rl.retrieve.embed import embed_text
from c2rl.retrieve.model import RetrieverNetwork
from c2rl.retrieve.ranking import compare, rank
from c2rl.store.manifest import Row


class Split(SimpleNamespace):
    """What ranking asks of a split of a feature store."""

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, clip: int):
        return self.features[clip]


def split(sentences, groups):
    clips = [
        Clip(f"clip{i}", "test", sentence, "de", "a.mp4", group=group)
        for i, (sentence, group) in enumerate(zip(sentences, groups, strict=True))
    ]
    features = [
        np.cos(np.arange(8 * (2 + i)) * 0.7 + i).reshape(-1, 8).astype(np.float16)
        for i in range(len(clips))
    ]
    return Split(
        rows=[Row(clip, "ok", "", 9, 25.0) for clip in clips],
        sentences=list(sentences),
        groups=[clip.group or clip.id for clip in clips],
        features=features,
        lengths=[len(f) for f in features],
    )


# Clips 0 and 1 sign one sentence. Columns: of each clip's sentence.
TEXTS = ["regen", "regen", "sonne"]
SCORES = np.array([[0.9, 0.9, 0.1], [0.2, 0.2, 0.3], [0.4, 0.4, 0.4]])


def ranked(groups):
    return compare(split(TEXTS, groups), SCORES, resamples=0, signature="x")


def test_by_text_and_identity_are_both_told() -> None:
    """As for OpenASL, whose groups are the clips of equal sentences."""
    metrics, rows = ranked(["a", "a", "b"])
    # V2T: 0.9 > 0.1; 0.2 < 0.3; 0.4 = 0.4. T2V: max(0.9, 0.2) > 0.4; 0.4 > max(0.1, 0.3).
    assert [row["v2t_rank"] for row in rows] == [1, 2, 1.5]
    assert [row["t2v_rank"] for row in rows] == [1, 1, 1]
    assert (metrics["grouped"]["pool"], metrics["grouped"]["t2v"]["n"]) == (2, 2)
    assert metrics["grouped"]["t2v"]["r1"] == 100
    # V2T: its own 0.9 and an equal; 0.2 twice after 0.3; all equal. T2V: first; last; first.
    assert [row["paired_v2t_rank"] for row in rows] == [1.5, 2.5, 2]
    assert [row["paired_t2v_rank"] for row in rows] == [1, 3, 1]
    assert (metrics["paired"]["pool"], metrics["paired"]["v2t"]["ties"]) == (3, 3)
    assert [row["group"] for row in rows] == ["a", "a", "b"]


@pytest.mark.parametrize("nothing", [None, ""])
def test_clips_without_a_group_are_groups_of_their_own(nothing) -> None:
    """Nor are equal sentences merged, as PHOENIX14T's are not."""
    metrics, rows = ranked([nothing] * 3)
    assert [row["group"] for row in rows] == ["clip0", "clip1", "clip2"]
    assert metrics["grouped"]["pool"] == 3
    for key in ("t2v", "v2t"):
        assert metrics["grouped"][key] == metrics["paired"][key]


def test_the_nearest_sentence_of_a_clip_is_named() -> None:
    rows = ranked(["a", "a", "b"]).rows
    assert [row["best"] for row in rows] == ["regen", "sonne", "regen"]
    assert [row["best_score"] for row in rows] == [0.9, 0.3, 0.4]
    assert [row["score"] for row in rows] == [0.9, 0.2, 0.4]


def test_how_scores_were_made_is_signed() -> None:
    metrics = compare(split(TEXTS, "aab"), SCORES, resamples=9, signature="mix:0.5").metrics
    assert metrics["paired"]["signature"] == "paired|mix:0.5|bs:9|seed:0"
    assert metrics["grouped"]["t2v"]["r1_low"] == 100
    assert ranked("aab").metrics["grouped"]["signature"] == "grouped|x"


@pytest.fixture
def model():
    torch.manual_seed(0)
    sizes = {"width": 16, "layers": 1, "heads": 2, "feedforward": 32, "dropout": 0.2}
    rest = {"feature_width": 8, "temperature": 0.07, "max_scale": 100.0, "vocabulary": 60}
    return RetrieverNetwork(**sizes, **rest).eval()


def test_equal_sentences_tie_to_the_last_bit(model) -> None:
    """Computed apart, in batches of other lengths, they would differ by rounding."""
    texts = ["regen", "sonne und wind im norden"] * 40 + ["regen"]
    own = split(texts, [None] * 81)
    tokenizer = language.build("corpus", 100, texts)
    found = rank(model, own, tokenizer, sharpness=0.07, mix=0.5).metrics["paired"]
    assert found["v2t"]["ties"] == 81
    assert found["pool"] == 81


def test_a_sentence_longer_than_the_positions_is_refused(model) -> None:
    tokenizer = language.build("corpus", 100, ["regen"])
    with pytest.raises(ValueError, match="a sentence has 1102 tokens, the retriever takes 1024"):
        embed_text(model, ["regen", "x" * 1100], tokenizer)
