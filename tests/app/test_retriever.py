"""A retriever answers sentences and clips, and refuses what it cannot answer in one line."""

import json
import shutil
from itertools import pairwise

import numpy as np
import pytest
import small_retriever
import small_store
import torch
from small_retriever import SCORING, SENTENCES, Made

from c2rl.app import answers, indexing, page
from c2rl.app.embedder import Embedder
from c2rl.app.retriever import Retriever
from c2rl.retrieve import folder, index
from c2rl.retrieve.rerank import Query
from c2rl.store.features import FeatureStore


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    return small_retriever.write_retriever(tmp_path_factory.mktemp("made") / "retriever")


@pytest.fixture
def retriever(made: Made) -> Retriever:
    return Retriever(made.path)


@pytest.fixture
def hours(made: Made, tmp_path):
    """An index of two long videos in windows."""
    features = tmp_path / "films.zarr"
    rows = [*small_retriever.windows("tag", 30), *small_retriever.windows("nacht", 3)]
    small_retriever.write_features(features, rows)
    indexing.add(tmp_path / "index", [features], made.path, is_new=True)
    return tmp_path / "index"


@pytest.mark.parametrize("mode", ["exact", "fast", "certified", "auto"])
def test_a_sentence_finds_the_clip_that_signs_it(retriever, mode) -> None:
    for number, sentence in enumerate(SENTENCES):
        found = retriever.search(sentence, top=3, mode=mode)
        assert (found[0].id, found[0].sentence) == (f"c{number}", sentence)
        assert found[0].score > found[1].score > found[2].score


def test_each_word_has_its_moment(retriever) -> None:
    # c0 shows each token for two of its steps, four seconds in all; a word's steps are its tokens'
    hit = retriever.search(SENTENCES[0], top=1)[0]
    assert [word.text for word in hit.words] == ["morgen", "regen", "im", "norden"]
    starts = [word.start_s for word in hit.words]
    assert starts == sorted(starts)
    for word in hit.words:
        assert 0 <= word.start_s <= word.at_s <= word.end_s <= 4
        assert word.at_s == pytest.approx(4 * word.share, abs=1e-3)
        assert (word.start_s, word.end_s) == pytest.approx((4 * word.start, 4 * word.end), abs=1e-3)
    for one, other in pairwise(hit.words):
        assert one.at_s < other.at_s


def test_a_stored_clip_finds_its_sentence_and_like_clips(retriever) -> None:
    answer = retriever.ask_by_clip("c2", wanted="sentences", top=2)
    assert answer.hits[0].sentence == SENTENCES[2]
    assert [w.text for w in answer.hits[0].words] == ["der", "mann", "sucht", "ein", "auto"]
    assert (answer.mode, answer.scored, answer.total) == ("exact", 6, 6)
    alike = retriever.ask_by_clip("c0", top=3)
    assert len(alike.hits) == 3
    assert "c0" not in [hit.id for hit in alike.hits]


def test_an_unknown_clip_is_one_line(retriever) -> None:
    with pytest.raises(KeyError, match="no clip of this index has the id 'c99'"):
        retriever.ask_by_clip("c99")


@pytest.mark.parametrize("query", ["", "   ", "\n"])
def test_an_empty_query_is_one_line(retriever, query) -> None:
    with pytest.raises(ValueError, match="the query is empty"):
        retriever.search(query)


def test_another_script_is_warned_of_and_the_own_is_not(retriever) -> None:
    assert retriever.ask("明天下雨").warnings == (
        "the query is written in CJK, the retriever learned Latin: what it finds means little",
    )
    assert "Cyrillic" in retriever.ask("завтра дождь").warnings[0]
    assert retriever.ask("morgen regen").warnings == ()


def test_fast_tells_its_recall_and_exact_that_it_needs_none(retriever) -> None:
    fast = retriever.ask(SENTENCES[0], mode="fast")
    assert fast.recall.queries == 6
    assert "100.0 % of the best ten" in answers.how(fast)
    exact = retriever.ask(SENTENCES[0])
    assert exact.recall is None
    assert answers.how(exact) == "exact: 6 of 6 clips scored exactly"
    certified = retriever.ask(SENTENCES[0], top=1, mode="certified")
    assert "proved to be worse" in answers.how(certified)


def test_the_time_is_accounted_for(retriever) -> None:
    answer = retriever.ask(SENTENCES[0])
    assert set(answer.seconds) == {"load", "encode", "candidates", "re-rank", "alignment"}
    assert answers.profile(answer)[-1].startswith("all")
    again = retriever.ask(SENTENCES[0])
    assert again.seconds["load"] < answer.seconds["load"] + 1


def test_windows_have_times_and_overlapping_ones_are_merged(made, hours) -> None:
    opened = Retriever(made.path, index=hours)
    answer = opened.ask("regen", top=4)
    assert len(answer.hits) == 4
    spans = [(hit.source, hit.start_s, hit.end_s) for hit in answer.hits]
    text = opened.model.texts(["regen"])[0]
    best = opened.index.search(Query(text, **SCORING), top=1, mode="exact").hits[0]
    assert answer.hits[0].id == opened.index.item(best).id
    for number, (source, start, end) in enumerate(spans):
        own = float(answer.hits[number].id.split("@")[1].split("-")[0])
        assert start <= own
        assert end >= own + 15
        for other in answer.hits[:number]:
            theirs = float(other.id.split("@")[1].split("-")[0])
            assert source != other.source or abs(own - theirs) >= 15
    moments = [w.at_s for hit in answer.hits[:1] for w in hit.words]
    first = float(answer.hits[0].id.split("@")[1].split("-")[0])
    assert all(first <= at <= first + 15 for at in moments)


def test_windows_that_overlap_many_others_leave_as_many_hits_as_asked_for(made, tmp_path) -> None:
    # a window a second: each overlaps 26 others, so three times as many hits are far from enough
    small_retriever.write_features(tmp_path / "f.zarr", small_retriever.windows("tag", 120, 1.0))
    indexing.add(tmp_path / "index", [tmp_path / "f.zarr"], made.path, is_new=True)
    opened = Retriever(made.path, index=tmp_path / "index")
    assert len(opened.ask("regen", top=4).hits) == 4
    several = opened.ask("regen", top=50).hits  # more than there is room for
    assert sum(1 + len(hit.merged) for hit in several) == 120


def test_windows_have_no_sentences_to_look_for(made, hours) -> None:
    with pytest.raises(ValueError, match="have no sentences"):
        Retriever(made.path, index=hours).ask_by_clip("tag@10.00-25.00", wanted="sentences")


def test_what_is_embedded_for_an_index_is_what_the_network_gives(made, tmp_path) -> None:
    rows = small_retriever.windows("v", 7)
    clips = small_retriever.write_features(tmp_path / "f.zarr", rows)
    indexing.add(tmp_path / "i", [tmp_path / "f.zarr"], made.path, is_new=True)
    part = folder.open_index(tmp_path / "i").parts[0]
    for number, clip in enumerate(clips):
        alone = torch.from_numpy(clip.astype(np.float32))[None]
        mask = torch.ones(1, len(clip), dtype=torch.bool)
        with torch.no_grad():
            expected = made.network.encode_signs(alone, mask)[0].numpy()
        np.testing.assert_allclose(part.clips[number], expected, atol=2e-3)


def test_features_of_another_encoder_or_width_are_refused(made, tmp_path) -> None:
    rows = small_retriever.windows("v", 2)
    small_retriever.write_features(tmp_path / "a.zarr", rows, encoder="other")
    with pytest.raises(ValueError, match=r"features of encoder other, but .* was trained on"):
        indexing.add(tmp_path / "i", [tmp_path / "a.zarr"], made.path, is_new=True)
    small_retriever.write_features(tmp_path / "b.zarr", rows, width=5)
    with pytest.raises(ValueError, match="features of 5 numbers"):
        indexing.add(tmp_path / "i", [tmp_path / "b.zarr"], made.path, is_new=True)
    assert not (tmp_path / "i").exists()


@pytest.mark.parametrize("other", [{"point": "before_transformer"}, {"which": "last"}])
def test_features_from_another_place_of_the_encoder_are_refused(world, tmp_path, other) -> None:
    model = Embedder(world.path("retrievers"))
    (option, place), *_ = other.items()
    usual = {"point": "after_transformer", "which": "best", "precision": "float32"}
    small_retriever.write_features(
        tmp_path / "f.zarr",
        small_retriever.windows("video", 2),
        encoder=model.config["encoder"],
        width=16,
        extract=usual | other,
    )
    with pytest.raises(ValueError) as error:
        indexing.add(tmp_path / "i", [tmp_path / "f.zarr"], model.path, is_new=True)
    assert str(error.value) == (
        f"{tmp_path / 'f.zarr'} holds features of {option} {place}, but {model.path} was trained"
        f" on {usual[option]}. Extract them with --{option} {usual[option]}."
    )


def test_an_index_of_another_retriever_is_refused(made, hours, tmp_path) -> None:
    other = tmp_path / "other"
    shutil.copytree(made.path, other)
    told = json.loads((other / "meta.json").read_text())
    told["fingerprint"] = "f" * 16
    del told["checksum"]
    (other / "meta.json").write_text(json.dumps(told))
    with pytest.raises(ValueError, match=r"is an index of retriever .* but this one is ffff"):
        Retriever(other, index=hours)


def test_a_deleted_token_store_and_flipped_bits_are_one_line(made, tmp_path) -> None:
    path = tmp_path / "retriever"
    shutil.copytree(made.path, path)
    small_store.flip(path / "index.faiss", 999)
    assert Retriever(path).search("regen", mode="exact")
    with pytest.raises(ValueError, match=r"index\.faiss is not what was written"):
        Retriever(path).search("regen", mode="fast")
    shutil.rmtree(path / "embeddings.zarr")
    with pytest.raises(ValueError, match=r"embeddings.zarr/.* missing"):
        Retriever(path)


def test_a_million_clips_are_searched_fast_without_being_asked(retriever, monkeypatch) -> None:
    monkeypatch.setattr(index, "EXACT_MOST", 5)
    assert retriever.ask("regen").mode == "fast"


def test_an_answer_is_json_and_lines(retriever) -> None:
    answer = retriever.ask(SENTENCES[1], top=2)
    told = json.loads(json.dumps(answers.as_json(answer)))
    assert told["hits"][0]["id"] == "c1"
    assert told["hits"][0]["words"][0]["text"] == "sonne"
    lines = answers.told(answer)
    assert "c1" in lines[0]
    assert SENTENCES[1] in lines[0]
    assert "sonne 0:" in lines[1]


def test_the_page_escapes_what_it_shows_and_needs_no_network(retriever) -> None:
    answer = retriever.ask("regen <script>", top=2)
    text = page.render(answer, None)
    assert "regen &lt;script&gt;" in text
    assert "<script" not in text
    assert "http" not in text.replace("http-equiv", "")
    assert "exact: 6 of 6 clips scored exactly" in text


def test_a_video_of_the_corpus_finds_itself_and_its_sentence(world) -> None:
    opened = Retriever(world.path("retrievers"))
    video = sorted((world.folder / "raw/synthsign").glob("*/videos/test/*.mp4"))[0]
    answer = opened.ask_by_clip(video, encoder=world.path("encoders"), top=3, mode="exact")
    stored = opened.index.find(video.stem)
    own = opened.model.clips([FeatureStore(world.path("features"))["test"][video.stem]])[0]
    np.testing.assert_allclose(opened.index.embeddings(stored), own, atol=2e-3)
    assert video.stem in [hit.id for hit in answer.hits]
    sentences = opened.ask_by_clip(video, encoder=world.path("encoders"), wanted="sentences")
    assert len({hit.sentence for hit in sentences.hits}) == len(sentences.hits) == 10
    length = opened.index.item(stored).duration_s
    assert all(0 < word.at_s < length for hit in sentences.hits for word in hit.words)


def test_a_video_by_another_encoder_is_refused(world, made) -> None:
    video = sorted((world.folder / "raw/synthsign").glob("*/videos/test/*.mp4"))[0]
    with pytest.raises(ValueError, match="trained on features of encoder 0123456789abcdef"):
        Retriever(made.path).ask_by_clip(video, encoder=world.path("encoders"))


def test_the_page_has_film_strips_of_clips_whose_frames_are_there(world) -> None:
    opened = Retriever(world.path("retrievers"))
    answer = opened.ask("der mann tanzt", top=2)
    text = page.render(answer, world.path("frames"))
    assert text.count("data:image/jpeg;base64,") == 2
    assert text.count("Film strip of clip") == 2
    assert text.count('class="track"') == sum(len(hit.words) for hit in answer.hits)
    known = answer._replace(hits=[answer.hits[0]._replace(id="elsewhere")])
    assert "data:image" not in page.render(known, world.path("frames"))
