"""`c2rl search` and `c2rl index` on the command line."""

import json

import pytest
import small_retriever
from typer.testing import CliRunner

from c2rl.cli import app


@pytest.fixture(scope="module")
def retriever(tmp_path_factory) -> str:
    path = tmp_path_factory.mktemp("made") / "retriever"
    return str(small_retriever.write_retriever(path).path)


def run(*arguments: str):
    return CliRunner().invoke(app, [str(a) for a in arguments])


def features(tmp_path, name, count):
    path = tmp_path / f"{name}.zarr"
    small_retriever.write_features(path, small_retriever.windows(name, count))
    return path


def test_a_sentence_gives_a_table_and_says_how(retriever) -> None:
    done = run("search", "sonne im süden", "--retriever", retriever, "--top", "2", "--profile")
    assert done.exit_code == 0
    assert done.stdout.splitlines()[0].split()[0::3][:2] == ["1", "c1"]
    assert "exact: 6 of 6 clips scored exactly" in done.stderr
    assert [line.split()[0] for line in done.stderr.splitlines()[1:]] == [
        *("load", "encode", "candidates", "re-rank", "alignment", "all"),
    ]


def test_json_is_one_object(retriever) -> None:
    done = run("search", "sonne im süden", "--retriever", retriever, "--json")
    told = json.loads(done.stdout)
    assert told["hits"][0]["sentence"] == "sonne im süden"
    assert told["mode"] == "exact"


def test_a_clip_looks_for_sentences(retriever) -> None:
    done = run("search", "--clip", "c3", "--for", "sentences", "--retriever", retriever)
    assert done.exit_code == 0
    assert "die frau liest" in done.stdout.splitlines()[0]


def test_a_page_is_written(retriever, tmp_path) -> None:
    page = tmp_path / "hits.html"
    done = run("search", "regen", "--retriever", retriever, "--html", page)
    assert done.exit_code == 0
    assert page.read_text(encoding="utf-8").startswith("<!doctype html>")


def test_a_query_in_another_script_is_warned_of(retriever) -> None:
    done = run("search", "明天", "--retriever", retriever)
    assert done.exit_code == 0
    assert done.stderr.startswith("warning: the query is written in CJK")


@pytest.mark.parametrize(
    "wrong",
    [
        (),
        ("regen", "--clip", "c1"),
        ("regen", "--for", "sentences"),
        ("regen", "--frames", "x"),
        ("regen", "--mode", "slow"),
    ],
)
def test_wrong_use_exits_with_2(retriever, wrong) -> None:
    assert run("search", *wrong, "--retriever", retriever).exit_code == 2


def test_an_index_is_built_added_to_and_searched(retriever, tmp_path) -> None:
    index = tmp_path / "index"
    of = ("--retriever", retriever)
    done = run("index", "build", index, features(tmp_path, "tag", 5), *of)
    assert done.stdout.strip() == f"{index}: 5 clips in 1 parts"
    done = run("index", "add", index, features(tmp_path, "nacht", 3), *of, "--json")
    assert json.loads(done.stdout) == {"index": str(index), "clips": 8, "parts": 2}
    done = run("index", "remove", index, "tag@0.00-15.00")
    assert done.stdout.strip() == f"{index}: 7 clips"
    done = run("search", "regen", *of, "--index", index, "--top", "9", "--json")
    told = json.loads(done.stdout)
    assert told["total"] == 7
    assert {hit["source"] for hit in told["hits"]} == {"tag.mp4", "nacht.mp4"}
    assert run("index", "verify", index).stdout.strip() == f"{index}: sound"
    assert json.loads(run("index", "info", index, "--json").stdout)["removed"] == 1
    (index / "parts/0002/index.faiss").write_bytes(b"0" * 30)
    done = run("index", "verify", index)
    assert done.exit_code == 1
    assert "parts/0002/index.faiss: is not what was written" in done.stdout


def test_adding_an_id_twice_is_told(retriever, tmp_path) -> None:
    index, store = tmp_path / "index", features(tmp_path, "tag", 5)
    assert run("index", "build", index, store, "--retriever", retriever).exit_code == 0
    done = run("index", "add", index, store, "--retriever", retriever)
    assert isinstance(done.exception, ValueError)
    assert "already in" in str(done.exception)
