"""Files on the disk, and how two of them come together."""

from pathlib import Path

import pytest

from c2rl.translate.outputs import Read, differences, left_out, pair, read, second


def side(texts: str, ids: str | None = None, *, splits: str | None = None, path: str = "f") -> Read:
    names = None if ids is None else tuple(ids.split())
    return Read(Path(path), tuple(texts.split("/")), names, "", splits and tuple(splits.split()))


def written(tmp_path: Path, name: str, text: str | bytes) -> Path:
    path = tmp_path / name
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def test_a_byte_order_mark_and_carriage_returns_are_no_text(tmp_path) -> None:
    path = written(tmp_path, "h.txt", b"\xef\xbb\xbfguten abend\r\n\r\nes regnet")
    assert read(path, "hypothesis").texts == ("guten abend", "", "es regnet")


def test_a_label_is_told_and_a_videos_suffix_is_no_part_of_an_id(tmp_path) -> None:
    path = written(tmp_path, "h.txt", "sample: v_0.mp4, prediction: x\nsample: w, prediction: y\n")
    found = read(path, "hypothesis")
    assert (found.texts, found.ids) == (("x", "y"), ("v_0", "w"))
    assert found.note == f"{path}: 'sample: ..., prediction: ...' labels were taken off 2 lines"


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.txt", "", "holds no sentences"),
        ("a.jsonl", "", "holds no sentences|no hypothesis"),
        ("a.txt", b"\xff\xfe", "not UTF-8"),
        ("a.txt", "<!doctype html><p>", "web page"),
        ("a.txt", "x|a\ny|b\nx|c\n", "names x more than once"),
        ("a.txt", "sample: x, ground-truth: a\n", "a.txt: it was given for the hypothesis"),
        (
            "a.jsonl",
            '{"id": "x.mp4", "hyp": "a"}\n{"id": "x", "hyp": "b"}',
            "names x more than once",
        ),
    ],
)
def test_what_cannot_be_read_is_told_with_the_file(tmp_path, name, text, message) -> None:
    with pytest.raises(ValueError, match=message):
        read(written(tmp_path, name, text), "hypothesis")


def test_a_missing_file_is_told(tmp_path) -> None:
    with pytest.raises(FileNotFoundError, match="expected hypothesis sentences, one a line"):
        read(tmp_path / "none.txt", "hypothesis")


def test_only_a_file_with_another_column_holds_references_too(tmp_path) -> None:
    both = written(tmp_path, "a.jsonl", '{"id": 1, "hypothesis": "x", "reference": "y"}')
    found = second(both, read(both, "hypothesis"))
    assert found is not None
    assert found.texts == ("y",)
    for name, text in (("b.jsonl", '{"id": 1, "sentence": "x"}'), ("c.txt", "x\n")):
        alone = written(tmp_path, name, text)
        assert second(alone, read(alone, "hypothesis")) is None


def test_ids_bring_files_together_in_any_order() -> None:
    found = pair(side("x/y", "b a"), side("v/w", "a b"))
    assert found == ({"b": "x", "a": "y"}, {"b": "w", "a": "v"})


def test_lines_do_where_there_are_no_ids_and_sort_as_they_lie() -> None:
    texts = "/".join(map(str, range(12)))
    found = pair(side(texts), side(texts))
    assert [found.references[id_] for id_ in sorted(found.references)] == texts.split("/")


@pytest.mark.parametrize(
    ("ours", "theirs", "message"),
    [
        (side("x", "a"), side("x/y/z/v/w", "a b c d e"), r"4 missing \(b, c, d and 1 more\)"),
        (side("x/y", "a b"), side("x", "a"), r"1 extra \(b\)"),
        (side("x/y", "a b"), side("x/y", "a c"), r"1 missing \(c\) and 1 extra \(b\)"),
        (side("x", "a", path="g"), side("x"), "g names its clips, but f does not"),
        (side("x"), side("x", "a", path="g"), "g names its clips, but f does not"),
        (side("x/y"), side("x/y/"), "2 lines, but f has 3; the last line of f is blank"),
        (side("x/y"), side("x/ "), r"1 of 2 references are empty \(line 2\)"),
        (side("x/y", "a b"), side("/x", "b a"), r"1 of 2 references are empty \(b\)"),
    ],
)
def test_what_does_not_belong_together_is_refused(ours, theirs, message) -> None:
    with pytest.raises(ValueError, match=message):
        pair(ours, theirs)


def test_an_empty_hypothesis_is_one() -> None:
    assert pair(side("/x", "a b"), side("y/x", "a b")).hypotheses == {"a": "", "b": "x"}


def test_the_data_set_may_have_more_clips_but_not_fewer() -> None:
    dataset = side("v//w", "a b c")
    assert pair(side("x", "a"), dataset, part=True) == ({"a": "x"}, {"a": "v"})
    with pytest.raises(ValueError, match=r"of f: 1 extra \(d\)"):
        pair(side("x/y", "a d"), dataset, part=True)


def test_clips_without_hypothesis_are_told_within_their_split() -> None:
    dataset = side("v/w/x", "a b c", splits="dev dev test")
    assert left_out(side("x", "c"), dataset) == ""
    assert left_out(side("x", "a"), dataset) == (
        "1 of 2 clips of f dev have no hypothesis (b): the score is of the others"
    )
    assert left_out(side("x", "a"), side("v/w", "a b")).startswith("1 of 2 clips of f have no")
    assert left_out(side("x"), side("v")) == ""


def test_references_differ_by_the_mildest_kind_that_explains_it() -> None:
    expected = {
        "same": "a b",
        "space": "他四岁。",
        "wide": "他，她",
        "case": "Ａ B",
        "other": "他今年",
    }
    found = {
        "same": "a b",
        "space": "他 四 岁 。",
        "wide": "他 , 她",
        "case": "a b",
        "other": "他 年",
    }
    kinds = {one.id: one.kind for one in differences(found, expected)}
    assert kinds == {"space": "spacing", "wide": "nfkc", "case": "case", "other": "text"}
    assert differences({"a": "x"}, {"a": "y"}) == [("a", "text", "x", "y")]
