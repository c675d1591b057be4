"""The certificate scores few clips and still proves its best ones."""

import numpy as np
import planted

from c2rl.retrieve import certificate
from c2rl.retrieve.index import SearchIndex
from c2rl.retrieve.rerank import Query

NONE = np.empty(0, np.int64)


def plant(text, clips, place):
    """Put a clip that signs the text in the place of another."""
    rows = np.repeat(text.numpy(), 2, axis=0).astype(np.float16)
    return [*clips[:place], rows, *clips[place + 1 :]]


def test_a_planted_match_spares_most_clips(tmp_path, monkeypatch) -> None:
    text = planted.texts(1)[0]
    clips = plant(text, planted.clips(200), 150)
    part = planted.part(tmp_path / "p", clips, monkeypatch)
    found = SearchIndex([part]).search(
        Query(text, planted.SHARPNESS, planted.MIX), top=1, mode="certified"
    )
    assert [hit.number for hit in found.hits] == [150]
    assert found.scored < 20


def test_every_clip_whose_bound_reaches_the_kth_score_is_scored(tmp_path, monkeypatch) -> None:
    text = planted.texts(1)[0]
    clips = planted.clips(90)
    part = planted.part(tmp_path / "p", clips, monkeypatch)
    kth = np.sort(planted.brute(clips, text))[-5]
    query = Query(text, planted.SHARPNESS, planted.MIX)
    numbers, _ = certificate.search(part.clips, query, 5, float(kth), NONE)
    bounds = np.array([planted.score(clip, text, soft=False) for clip in clips])
    assert numbers.tolist() == np.flatnonzero(bounds >= kth - 1e-4).tolist()


def test_the_threshold_rises_on_the_way(tmp_path, monkeypatch) -> None:
    text = planted.texts(1)[0]
    clips = plant(text, planted.clips(90), 0)
    part = planted.part(tmp_path / "p", clips, monkeypatch)
    query = Query(text, planted.SHARPNESS, planted.MIX)
    numbers, scores = certificate.search(part.clips, query, 1, -np.inf, NONE)
    assert len(numbers) < 30
    assert numbers[scores.argmax()] == 0


def test_removed_clips_neither_count_nor_raise_the_threshold(tmp_path, monkeypatch) -> None:
    text = planted.texts(1)[0]
    clips = plant(text, planted.clips(60), 0)
    part = planted.part(tmp_path / "p", clips, monkeypatch)
    query = Query(text, planted.SHARPNESS, planted.MIX)
    numbers, scores = certificate.search(part.clips, query, 1, -np.inf, np.array([0]))
    assert 0 not in numbers
    expected = 1 + int(np.argmax(planted.brute(clips[1:], text)))
    assert numbers[scores.argmax()] == expected
