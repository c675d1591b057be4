import json

import numpy as np
import pytest
import small_store
from typer.testing import CliRunner

from c2rl.cli import app
from c2rl.store import info


@pytest.fixture
def store(tmp_path, monkeypatch):
    return small_store.write(tmp_path / "f.zarr", monkeypatch)


def test_a_store_is_described(store):
    found = info.describe(store)
    assert found["splits"]["train"] == {
        "clips": 5,
        "rows": 14,
        "bytes": sum(f.stat().st_size for f in small_store.files(store / "train")),
        "shortest": 1,
        "median": 2.0,
        "longest": 6,
    }
    assert (found["width"], found["profile"]) == (4, "none")
    assert found["files"] == len(small_store.files(store))
    assert found["bytes"] == sum(f.stat().st_size for f in small_store.files(store))
    assert found["made_from"] == small_store.MADE_FROM
    assert found["versions"]["numpy" if "numpy" in found["versions"] else "zarr"]
    assert [b["clips"] for b in found["lengths"]] == [2, 2, 1, 1, 0, 1]  # 1 1 2 2 3 4 6


def test_an_archive_says_so(tmp_path, monkeypatch):
    path = small_store.write(tmp_path / "f.zarr", monkeypatch, profile="zstd")
    assert "profile zstd (archive, unpacked into memory)" in "\n".join(
        info.told(info.describe(path))
    )


@pytest.mark.parametrize(
    ("lengths", "bins"),
    [
        ([], []),
        ([7, 7], [(7, 7, 2)]),
        ([0, 15], [(n, n, int(n in (0, 15))) for n in range(16)]),
        ([1, 16], [(n, n, int(n in (1, 16))) for n in range(1, 17)]),
        ([0, 16], [(2 * n, 2 * n + 1, int(n in (0, 8))) for n in range(9)]),
        (
            [95, 100, 230],
            [(90, 99, 1), (100, 109, 1)] + [(n, n + 9, int(n == 230)) for n in range(110, 240, 10)],
        ),
    ],
)
def test_bins_are_round_and_few(lengths, bins):
    found = info.histogram(np.array(lengths, np.int64))
    assert [tuple(b.values()) for b in found] == bins


def test_a_few_long_clips_do_not_hide_the_rest():
    lengths = np.array([*range(1, 101)] * 10 + [7359])
    found = [tuple(b.values()) for b in info.histogram(lengths)]
    assert found[:2] == [(0, 9, 90), (10, 19, 100)]
    assert found[10] == (100, 109, 10)
    assert found[11:] == [*((n, n + 9, 0) for n in range(110, 150, 10)), (150, 7359, 1)]
    assert sum(clips for *_, clips in found) == len(lengths)


def test_lists_are_cut_and_nothing_is_a_dash():
    assert info._words(["a", "b"]) == "a b"
    assert info._words(list("abcdefghij")) == "a b c d e f g h and 2 more"
    assert [info._words(nothing) for nothing in (None, [], {}, "")] == ["-"] * 4
    assert info._words({"keep": 0.25, "cap": None, "is": False}) == "keep 0.25, cap -, is False"


def test_the_longest_bar_is_40_wide_and_the_least_is_seen():
    bins = [{"first": 0, "last": 9, "clips": 1000}, {"first": 10, "last": 19, "clips": 1}]
    bins += [{"first": 20, "last": 29, "clips": 0}, {"first": 30, "last": 39, "clips": 512}]
    assert [*info._picture(bins)] == [
        " rows   clips",
        "  0–9 │ ████████████████████████████████████████ 1,000",
        "10–19 │ ▏ 1",
        "20–29 │",
        "30–39 │ ████████████████████▌ 512",
    ]


def test_the_command_prints_lines_or_json(store):
    run = CliRunner().invoke
    text = run(app, ["features", "info", str(store)]).stdout
    assert "4 columns of float16" in text
    assert "encoder   0123456789abcdef" in text
    assert "keep 0.25, cap -" in text
    found = json.loads(run(app, ["features", "info", str(store), "--json"]).stdout)
    assert found == json.loads(json.dumps(info.describe(store)))


def test_an_empty_split_is_described(tmp_path):
    assert info._spread(np.empty(0, np.int64)) == {"shortest": 0, "median": 0.0, "longest": 0}
