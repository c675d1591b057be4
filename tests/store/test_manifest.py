import json

from c2rl.corpora.clip import Clip
from c2rl.store.manifest import Row, count, missing, read_manifest, write_manifest

CLIP = Clip("a/ü:1", "train", 'sagt "ja",\u2028 und\tgeht', "de", "videos/a.mp4", 0.5, 1.25)


def test_a_manifest_is_read_back(tmp_path):
    rows = [
        Row(CLIP._replace(box=(1, 2, 3, 4), fps=25.0), "ok", "", 19, 25.0, "decord"),
        Row(
            CLIP._replace(id="b", gloss=("A", "B"), gloss_spans=((0, 3), (3, 9)), fps=0.0),
            "decode_error",
            "x",
        ),
        Row(
            CLIP._replace(
                id="c",
                gloss=("A", "B"),
                gloss_spans=((0, 3), (3, 9)),
                gloss_words=((10, 13), None),
                fps=25.0,
            ),
            "ok",
            "",
            9,
            25.0,
        ),
    ]
    write_manifest(tmp_path / "m.jsonl", rows)
    assert read_manifest(tmp_path / "m.jsonl") == rows


def test_gloss_is_written_only_where_there_is_one(tmp_path):
    write_manifest(tmp_path / "m.jsonl", [Row(CLIP, "ok", "", 1, 25.0)])
    assert "gloss" not in (tmp_path / "m.jsonl").read_text()


def test_a_manifest_from_before_the_words_of_signs_is_read(tmp_path):
    row = Row(CLIP._replace(gloss=("A",), gloss_spans=((0, 3),), fps=25.0), "ok", "", 3, 25.0)
    write_manifest(tmp_path / "m.jsonl", [row])
    entry = json.loads((tmp_path / "m.jsonl").read_text())
    del entry["gloss_words"]
    (tmp_path / "m.jsonl").write_text(json.dumps(entry) + "\n")
    assert read_manifest(tmp_path / "m.jsonl") == [row]


def test_clips_are_counted_by_split_and_status():
    rows = [Row(CLIP, "ok"), Row(CLIP, "ok"), Row(CLIP, "missing_file")]
    assert count(rows) == {
        "train": {"ok": 2, "missing_file": 1},
        "dev": {"ok": 0},
        "test": {"ok": 0},
    }


def test_missing_clips_are_named():
    assert missing(["c", "a", "b"], ["b"]) == ["a", "c"]
    assert missing(["a"], ["a"]) == []
