"""The Python API translates one clip or many, from any thread; its examples run."""

import inspect
import re
import shutil
import textwrap
from concurrent.futures import ThreadPoolExecutor
from itertools import count, islice

import numpy as np
import pytest
import torch

import c2rl
from c2rl.app import translator as module
from c2rl.app.predict import Predictor
from c2rl.app.translator import Translator
from c2rl.nn.search import Hypothesis


@pytest.fixture(scope="module")
def translator(world) -> Translator:
    return Translator(world.path("translators"), device="cpu")


@pytest.fixture(scope="module")
def split(world):
    return c2rl.FeatureStore(world.path("features"))["test"]


def test_an_array_and_a_tensor_give_the_sentences_of_the_search(translator, split) -> None:
    found = translator.translate(split[0])
    assert found == translator.translate(torch.from_numpy(split[0].copy()))
    assert found == translator.translate(torch.from_numpy(split[0].copy()).float())
    assert 1 <= len(found) <= translator.search["beams"]
    assert [one.score for one in found] == sorted((one.score for one in found), reverse=True)
    assert len({one.sentence for one in found}) == len(found)


def test_best_cuts_and_more_beams_are_asked_for_by_name(translator, split) -> None:
    whole = translator.translate(split[0])
    assert translator.translate(split[0], best=1) == whole[:1]
    assert len(translator.translate(split[0], best=6, beams=6)) > len(whole)
    with pytest.raises(ValueError, match="3 sentences are asked for, the search has 2 beams"):
        translator.translate(split[0], best=3)
    with pytest.raises(ValueError, match="0 sentences are asked for"):
        translator.translate(split[0], best=0)
    with pytest.raises(ValueError, match="the search has 0 beams"):
        translator.translate(split[0], beams=0)


def test_many_clips_are_translated_as_each_alone(translator, split, monkeypatch) -> None:
    monkeypatch.setattr(module, "_TOGETHER", 3)
    together = list(translator.translate_all(split[n] for n in range(len(split))))
    assert len(together) == len(split) == 8
    for number, found in enumerate(together):
        alone = translator.translate(split[number])
        assert [one.sentence for one in found] == [one.sentence for one in alone]
        np.testing.assert_allclose(
            [one.score for one in found], [one.score for one in alone], atol=1e-5
        )


def test_clips_are_read_when_their_turn_comes(translator, split, monkeypatch) -> None:
    monkeypatch.setattr(module, "_TOGETHER", 2)
    taken = []
    endless = (taken.append(n) or split[0] for n in count())
    assert len(list(islice(translator.translate_all(endless, best=1), 3))) == 3
    assert taken == [0, 1, 2, 3]


def test_sentences_that_different_tokens_spell_alike_are_told_once(translator, split, monkeypatch):
    def found(*_: object, **__: object) -> list[list[Hypothesis]]:
        return [[Hypothesis([4, 5], -0.1), Hypothesis([4, 5, 3], -0.2), Hypothesis([6], -0.3)]]

    monkeypatch.setattr(translator.network, "generate", found)
    assert [one.score for one in translator.translate(split[0])] == [-0.1, -0.3]


@pytest.mark.parametrize(
    ("shape", "told"),
    [((4, 15), r"\(4, 15\)"), ((0, 16), r"\(0, 16\)"), ((16,), r"\(16,\)"), ((1, 4, 16), "1, 4")],
)
def test_features_of_another_shape_are_one_line(translator, shape, told) -> None:
    with pytest.raises(ValueError, match=rf"features are .*{told}.* expects \(T, 16\)"):
        translator.translate(np.zeros(shape, np.float16))


def test_many_threads_read_a_store_and_translate_at_once(world, translator, split) -> None:
    expected = [translator.translate(split[n]) for n in range(8)]
    opened = c2rl.FeatureStore(world.path("features"))  # nothing of it is read yet

    def work(number: int) -> object:
        own = opened["test"]
        np.testing.assert_array_equal(own[own.ids[number % 8]], split[number % 8])
        return translator.translate(own[number % 8])

    with ThreadPoolExecutor(8) as threads:
        assert list(threads.map(work, range(32))) == expected * 4


def test_load_hands_options_on_and_refuses_what_is_no_artefact(world, tmp_path) -> None:
    assert c2rl.load(world.path("translators"), device="cpu").device == torch.device("cpu")
    assert c2rl.load(world.path("encoders"), which="last").form.which == "last"
    with pytest.raises(TypeError, match="devise"):
        c2rl.load(world.path("translators"), devise="cpu")
    with pytest.raises(FileNotFoundError, match=r"no meta\.json"):
        c2rl.load(tmp_path)
    for content in ("{", "[]", '{"kind": "report"}'):
        (tmp_path / "meta.json").write_text(content)
        with pytest.raises(ValueError, match=r"is no JSON|holds (None|report)"):
            c2rl.load(tmp_path)


def example(thing: object) -> str:
    """The code of a docstring's example: what is indented below two colons."""
    text = inspect.getdoc(thing) or ""
    (block,) = re.findall(r"Example:\n.*?::\n\n((?:        .*\n?|\n)+)", text, re.DOTALL)
    return textwrap.dedent(block)


@pytest.mark.parametrize("thing", [c2rl.load, Translator, Predictor], ids=lambda t: t.__name__)
def test_the_example_in_the_docstring_runs(thing, world, tmp_path, monkeypatch, capsys) -> None:
    video = sorted((world.folder / "raw/synthsign").glob("*/videos/test/*.mp4"))[0]
    (tmp_path / "data").symlink_to(world.folder / "data")
    (tmp_path / "clips").mkdir()
    for copy in ("clip.mp4", "clips/other.mp4"):
        shutil.copy(video, tmp_path / copy)
    monkeypatch.chdir(tmp_path)
    exec(compile(example(thing), thing.__name__, "exec"), {})
    assert capsys.readouterr().out.strip()
