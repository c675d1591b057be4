"""What the demo computes: clips and queries end in an answer or a sentence, and nothing stays."""

import base64
import shutil

import cv2
import numpy as np
import pytest
from films import film, write_video

from c2rl.app.demo import guard, page, pictures, session, views
from c2rl.app.demo.session import NEAREST, Session
from c2rl.app.predictions import Translation
from c2rl.extract.trained import read as read_trained
from c2rl.video.sample import at_inference

EVIL = '<img src=x onerror="alert(1)">'


@pytest.fixture(scope="module")
def demo(world):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("C2RL_DATA", str(world.folder / "raw"))
        with Session(world.folder / "data", "synthsign", device="cpu") as made:
            yield made


@pytest.fixture
def handed_over(demo, tmp_path):
    """A copy of a video of the corpus, as an upload would be."""
    id_ = demo.clips.ids("test")[0]
    return shutil.copy(demo.clips.video(id_), tmp_path / "clip.mp4")


@pytest.fixture
def says(demo, monkeypatch):
    """A model that learned for an epoch says nothing; this one does."""

    def say(*sentences: str) -> None:
        n_best = [Translation(sentence, -(n + 1) / 4) for n, sentence in enumerate(sentences)]
        monkeypatch.setattr(demo._predictor.translator, "translate", lambda *_, **__: n_best)

    return say


def unpacked(picture) -> np.ndarray:
    data = base64.b64decode(picture.uri.partition(",")[2])
    return cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)


def test_a_video_says_what_its_stored_features_say_and_is_gone_afterwards(
    demo, handed_over, tmp_path
) -> None:
    told = demo.translate(handed_over)
    stored = demo.translate_stored(demo.clips.ids("test")[0])
    assert told.n_best == stored.n_best
    assert told.nearest == stored.nearest
    assert (told.id, stored.id) == ("", demo.clips.ids("test")[0])
    assert told.about.split(",")[0] == stored.about.split(", ")[1]  # the same length
    assert list(tmp_path.iterdir()) == []


def test_each_word_of_the_translation_has_its_moment(demo, says, handed_over) -> None:
    says("der mann, tanzt", "regen")
    told = demo.translate(handed_over)
    length = demo.clips.stretch(demo.clips.ids("test")[0]).duration_s
    assert [moment.word.text for moment in told.moments] == ["der", "mann", "tanzt"]
    steps = len(demo.clips.values(demo.clips.ids("test")[0]))
    lowest = []
    for moment in told.moments:
        word, image = moment.word, unpacked(moment.heat)
        assert 0 <= word.start_s <= word.at_s <= word.end_s <= length
        assert image.shape == (1, steps, 3)
        assert int(image[0].sum(axis=1).argmin()) == int(word.share * steps)  # darkest at the peak
        lowest.append(image.sum(axis=2).min())
    assert min(lowest) == sum((107, 48, 8))  # of all words, the strongest moment is the darkest
    assert unpacked(told.strip).shape[1] == 8 * unpacked(told.strip).shape[0]


def test_the_nearest_sentences_are_of_the_training_and_scored_as_retrieval_scores(demo) -> None:
    id_ = demo.clips.ids("test")[0]
    nearest = demo.translate_stored(id_).nearest
    assert len({near.sentence for near in nearest}) == NEAREST
    assert all(demo.clips.row(near.id).clip.split == "train" for near in nearest)
    assert all(demo.clips.row(near.id).clip.sentence == near.sentence for near in nearest)
    answer = demo._alone(
        lambda: demo._retriever.ask_by_clip(id_, wanted="sentences", top=len(demo.clips._rows))
    )
    of = {hit.sentence: hit.score for hit in answer.hits}
    assert [near.score for near in nearest] == pytest.approx([of[n.sentence] for n in nearest])
    trained = {demo.clips.row(i).clip.sentence for i in demo.clips.ids("train")}
    assert nearest[0].score == pytest.approx(max(of[sentence] for sentence in trained))


@pytest.mark.parametrize("content", [b"", b"this is no video", bytes(5000)])
def test_a_broken_file_is_a_sentence_and_is_gone_too(demo, tmp_path, content) -> None:
    video = tmp_path / "a secret <name>.mp4"
    video.write_bytes(content)
    with pytest.raises(ValueError, match=r"^The video cannot be read: .+") as caught:
        demo.translate(video)
    assert "\n" not in str(caught.value)
    assert "secret" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []
    assert demo.translate_stored(demo.clips.ids("test")[0]).n_best  # and the page lives on


def test_half_a_file_is_a_sentence(demo, handed_over) -> None:
    content = handed_over.read_bytes()
    handed_over.write_bytes(content[: len(content) // 2])
    with pytest.raises(ValueError, match=r"^The video cannot be read: "):
        demo.translate(handed_over)


def test_what_is_too_long_or_too_large_is_told_with_what_is_taken(
    demo, handed_over, tmp_path, monkeypatch
) -> None:
    long = write_video(tmp_path / "long.mp4", film(320, 32, 32), fps=5)
    with pytest.raises(ValueError, match=r"is 64 s long, this page takes 60 s at most: cut it"):
        demo.translate(long)
    monkeypatch.setattr(session, "MAX_BYTES", 2**20)
    with handed_over.open("ab") as file:
        file.write(bytes(3 * 2**20 - handed_over.stat().st_size))
    with pytest.raises(ValueError, match="has 3 MB, this page takes 1 MB at most: cut it"):
        demo.translate(handed_over)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("query", ["", "  \n"])
def test_an_empty_query_is_a_sentence(demo, query) -> None:
    with pytest.raises(ValueError, match="the query is empty: give a sentence"):
        demo.search(query)


def test_a_query_that_is_a_book_is_a_sentence(demo) -> None:
    with pytest.raises(ValueError, match=r"has 1,501 letters, expected 500 at most"):
        demo.search("ab " * 500 + "c")


def test_hits_have_their_video_strip_and_moments(demo) -> None:
    told = demo.search("der mann tanzt", top=3)
    assert len(told.hits) == 3
    for hit in told.hits:
        assert hit.has_video
        assert hit.strip is not None
        assert [moment.word for moment in hit.moments] == list(hit.found.words)
    text = views.searched(told)
    assert text.count("<video") == text.count('class="c2rl-strip"') == 3
    assert text.count('class="c2rl-play"') == 9
    start = max(told.hits[0].moments, key=lambda moment: moment.word.weight).word.start_s
    assert f"/clip/{told.hits[0].found.id}#t={max(start, 0.001)}" in text
    assert "clips scored exactly" in text


def test_a_query_in_another_script_is_warned_of(demo) -> None:
    assert "the query is written in CJK" in views.searched(demo.search("明天下雨"))


def test_a_clip_is_shown_with_the_frames_that_the_encoder_sees(demo, world) -> None:
    id_ = demo.clips.ids("dev")[1]
    row, told = demo.clips.row(id_), demo.inspect(id_)
    used = unpacked(told.used)[0]
    sampling = read_trained(world.path("encoders")).sampling
    expected = at_inference(row.num_frames, row.fps, **sampling)
    assert used.shape == (row.num_frames, 3)
    assert np.flatnonzero((used != 255).any(axis=1)).tolist() == expected
    values = demo.clips.values(id_)
    assert unpacked(told.features).shape == (*values.T.shape, 3)
    facts = dict(told.facts)
    assert facts["frames"] == f"{row.num_frames}, of which {len(expected)} are used"
    assert facts["features"] == f"{len(values)} x {values.shape[1]}, float16"
    assert " ".join(m.word.text for m in told.moments) == row.clip.sentence.rstrip("?")


@pytest.mark.parametrize("id_", ["", "no-such-clip", "../../etc/passwd"])
def test_an_unknown_clip_is_a_sentence(demo, id_) -> None:
    for ask in (demo.inspect, demo.translate_stored, demo.clips.video):
        with pytest.raises(ValueError, match=r"no clip has the id"):
            ask(id_)


def test_a_source_that_leaves_the_corpus_is_not_played(demo, monkeypatch) -> None:
    id_ = demo.clips.ids("test")[0]
    row = demo.clips.row(id_)
    evil = row._replace(clip=row.clip._replace(source="../../../../../../etc/passwd"))
    monkeypatch.setitem(demo.clips._rows, id_, evil)
    assert demo.clips.video(id_) is None
    assert "<video" not in views.inspected(demo.inspect(id_))


def test_examples_are_clips_that_can_be_played(demo) -> None:
    examples = demo.clips.examples(4)
    assert len({one.id for one in examples}) == 4
    assert all(demo.clips.video(one.id) is not None for one in examples)


def test_every_text_is_escaped(demo, says, handed_over, monkeypatch) -> None:
    says(f"regen {EVIL}", EVIL)
    told = demo.translate(handed_over)
    near = told.nearest[0]._replace(sentence=EVIL, id=EVIL)
    told = told._replace(nearest=[near], name=EVIL, about=EVIL, id=f"{EVIL}#?/")
    found = demo.search(f"regen {EVIL}", top=1)
    hit = found.hits[0]
    wild = hit.found._replace(id=EVIL, sentence=EVIL, split=EVIL)
    found = found._replace(hits=[hit._replace(found=wild)])
    seen = demo.inspect(demo.clips.ids("test")[0])
    seen = seen._replace(id=EVIL, sentence=EVIL, facts=[(EVIL, EVIL)])
    for text in (
        views.translated(told, has_video=True),
        views.searched(found),
        views.inspected(seen),
        views.failure(EVIL),
    ):
        assert "<img src=x" not in text
        assert 'onerror="' not in text
        assert "&lt;img src=x" in text
    assert "/clip/%3Cimg%20src%3Dx" in views.translated(told, has_video=True)


def test_a_silent_model_is_told_of(demo, says) -> None:
    says("")
    text = views.translated(demo.translate_stored(demo.clips.ids("test")[0]), has_video=False)
    assert "(the model says nothing)" in text
    assert "c2rl-play" not in text


def test_models_that_do_not_belong_together_are_refused(world, tmp_path, monkeypatch) -> None:
    other = tmp_path / "retriever"
    shutil.copytree(world.path("retrievers"), other)
    config = (other / "config.json").read_text()
    own = read_trained(world.path("encoders")).meta.fingerprint
    (other / "config.json").write_text(config.replace(f'"{own}"', '"ffffffffffffffff"'))
    with pytest.raises(ValueError, match="was trained on features of encoder ffffffffffffffff"):
        Session(world.folder / "data", "synthsign", retriever=other)


def test_pictures_have_the_colours_of_their_numbers() -> None:
    heat = unpacked(pictures.heat(np.array([0.0, 1.0, 0.5])))
    assert heat[0].tolist() == [[255, 255, 255], [107, 48, 8], [181, 152, 132]]
    marks = unpacked(pictures.marks([0, 3], 5))[0, :, 0]
    assert marks.tolist() == [107, 255, 255, 107, 255]
    values = np.array([[1, 5], [3, 5]], np.float16)  # a column that varies, and one that does not
    shown = unpacked(pictures.features(values))
    assert shown[1].tolist() == [[255] * 3] * 2
    assert shown[0].tolist() == [[38, 50, 178], [107, 48, 8]]


def test_a_page_without_gradio_says_what_to_install(world, monkeypatch) -> None:
    monkeypatch.setattr(page.importlib.util, "find_spec", lambda _: None)
    with pytest.raises(ValueError, match=r"needs Gradio. Run: pip install 'c2rl\[demo\]'"):
        page.serve(world.folder / "data", "synthsign", 0, tell=print)


def test_sentences_of_errors_have_one_line() -> None:
    assert views.sentence(KeyError("no clip")) == "no clip"
    assert views.sentence(ValueError("a\n  b")) == "a b"
    assert views.sentence(MemoryError()) == "this needs more memory than there is"
    assert "The query" in views.failure("the query is empty")


def test_too_large_is_told_in_megabytes() -> None:
    assert guard.too_large(300 * 2**20, 200 * 2**20).startswith("The video has 300 MB, this page")
