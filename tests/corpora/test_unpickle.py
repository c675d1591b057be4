"""Pickles of strangers: data comes out as it is, and whatever else they ask for never happens."""

import codecs
import collections
import gzip
import os
import pickle
import sys
import tracemalloc
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch

from c2rl.corpora import unpickle
from c2rl.corpora.unpickle import Opaque

PROTOCOLS = range(6)
PLAIN = {
    "text": ["", "a", "grüß Gott", "他今年四岁。", "😀\n\\u", "x" * 300, "y" * 70_000],
    "numbers": [0, 1, 255, 256, -1, 70_000, 2**31, -(2**63), 0.25, -1e300, True, False, None],
    "tuples": [(), (1,), (1, 2), (1, 2, 3), (1, 2, 3, 4)],
    7: {"nested": [{"x": {}}, [[]]]},
    "many": list(range(2500)),
    "long": {str(number): number for number in range(2500)},
}
SMALL = {"train/a": {"name": "train/a", "text": "grüß gott", "length": 70_000, "x": [1.5, None]}}


class Watch:
    """What the interpreter reports of itself: imports, executed code, system calls."""

    def __init__(self) -> None:
        self.is_on = False
        self.events: list[str] = []
        sys.addaudithook(self.hook)

    def hook(self, event: str, _: tuple[object, ...]) -> None:
        if self.is_on:
            self.events.append(event)

    def __enter__(self) -> list[str]:
        self.events = []
        self.is_on = True
        return self.events

    def __exit__(self, *_: object) -> None:
        self.is_on = False


WATCH = Watch()
"""An audit hook cannot be taken out again, so there is one."""
for codec in ("raw_unicode_escape", "unicode_escape"):
    codecs.lookup(codec)  # Python imports its own codecs when they are first used


class Call:
    def __init__(self, function, *arguments):
        self.call = (function, arguments)

    def __reduce__(self):
        return self.call


def load(path: Path, data: bytes, **limits: int):
    """Load what was written, and see that nothing happens beside opening the file."""
    path.write_bytes(data)
    try:
        with WATCH:
            return unpickle.load(path, **limits)
    finally:
        assert set(WATCH.events) <= {"open"}


def refusal(path: Path, data: bytes, **limits: int) -> str:
    """Load what must be refused; return why, which is one line that begins with the file."""
    with pytest.raises(ValueError) as raised:
        load(path, data, **limits)
    told = str(raised.value)
    assert type(raised.value) is ValueError
    assert told.startswith(f"{path} ")
    assert told.isprintable()
    assert told.endswith(".")
    return told.removeprefix(f"{path} ")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "labels.train"


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_data_comes_out_as_it_went_in_plain_or_gzipped(path, protocol):
    data = pickle.dumps(PLAIN, protocol)
    for written in (data, gzip.compress(data)):
        loaded = load(path, written)
        assert loaded == PLAIN
        assert list(map(type, loaded["numbers"])) == list(map(type, PLAIN["numbers"]))


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_what_is_the_same_object_stays_the_same_object(path, protocol):
    shared, itself = [1], []
    itself.append(itself)
    loaded = load(path, pickle.dumps([shared, shared, itself], protocol))
    assert loaded[0] is loaded[1]
    assert loaded[2][0] is loaded[2]


@pytest.mark.parametrize("protocol", [3, 4, 5])
def test_bytes_and_long_texts_of_every_instruction_are_read(path, protocol):
    value = [b"", b"\x00\xff", b"z" * 300]
    assert load(path, pickle.dumps(value, protocol)) == value
    eight = (5).to_bytes(8, "little")
    assert load(path, b"\x80\x04\x8d" + eight + b"gr\xc3\xbc\n.") == "grü\n"
    assert load(path, b"\x80\x04\x8e" + eight + b"12345.") == b"12345"
    assert load(path, b"\x80\x02U\x03\xc3\xbcx.") == "üx"  # Python 2


def test_ordered_dictionaries_are_dictionaries(path):
    value = collections.OrderedDict(b=1, a=[2])
    for protocol in PROTOCOLS:
        loaded = load(path, pickle.dumps(value, protocol))
        assert type(loaded) is dict
        assert list(loaded.items()) == [("b", 1), ("a", [2])]


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_tensors_become_inert_and_the_rest_is_read(path, protocol):
    entries = [{"name": f"dev/{n}", "sign": torch.zeros(n), "text": "ja ."} for n in range(3)]
    loaded = load(path, gzip.compress(pickle.dumps(entries, protocol)))
    assert [entry["name"] for entry in loaded] == ["dev/0", "dev/1", "dev/2"]
    assert [entry["text"] for entry in loaded] == ["ja ."] * 3
    assert {entry["sign"] for entry in loaded} == {Opaque("torch._utils._rebuild_tensor_v2")}


def test_a_pickled_npy_gives_the_dictionary_inside(path):
    value = {"prefix": "/disk", 0: {"fileid": "a", "num_frames": 3}}
    np.save(path.with_suffix(".npy"), np.array(value), allow_pickle=True)
    data = path.with_suffix(".npy").read_bytes()
    assert load(path, data) == value
    assert load(path, gzip.compress(data)) == value
    header = data[10:128].replace(b"  ", b"", 1)
    second = b"\x93NUMPY\x02\x00" + len(header).to_bytes(4, "little") + header + data[128:]
    assert load(path, second) == value
    older = data.replace(b"numpy._core", b"numpy.core").replace(b"\x8c\x16numpy", b"\x8c\x15numpy")
    assert older != data
    assert load(path, older) == value


def test_other_arrays_are_refused(path):
    npy = path.with_suffix(".npy")
    for value in (np.zeros(3), np.array([{}, {}]), np.array({}, dtype=object).reshape(1)):
        np.save(npy, value, allow_pickle=True)
        assert "expected one" in refusal(path, npy.read_bytes())
    np.save(npy, np.array({}), allow_pickle=True)
    head = npy.read_bytes()[:128]
    assert "asks for os.system" in refusal(path, head + b"cos\nsystem\n(VX\ntR.")
    assert "no array of one object" in refusal(path, head + pickle.dumps({}))
    assert "no array of one object" in refusal(
        path, head + b"cnumpy.core.multiarray\n_reconstruct\n."
    )


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize(
    ("evil", "name"),
    [
        (Call(os.system, "touch here"), "posix.system"),
        (Call(eval, "1 + 1"), "eval"),
        (Call(getattr, "a", "__class__"), "getattr"),
        (Call(torch.load, "weights.pt"), "torch.serialization.load"),
        (np.float64(1.5).__class__, "numpy.float64"),
        ({1, 2}, None),
    ],
)
def test_any_other_name_is_refused_and_nothing_happens(path, protocol, evil, name):
    told = refusal(path, gzip.compress(pickle.dumps({"a": [evil]}, protocol)))
    assert told.endswith("label files hold only text and numbers. Do not use this file.")
    assert name is None or f"{name};" in told


def test_the_watch_sees_what_a_usual_load_would_do():
    data = pickle.dumps(Call(eval, "1 + 1"))
    with WATCH as events:
        assert pickle.loads(data) == 2
    assert {"pickle.find_class", "compile", "exec"} <= set(events)


ORDERED = b"ccollections\nOrderedDict\n"


@pytest.mark.parametrize(
    ("program", "reason"),
    [
        (b"cos\nsystem\n(Vtouch here\ntR.", "asks for os.system"),
        (b"\x80\x04\x8c\x02os\x8c\x06system\x93.", "asks for os.system"),
        (b"\x80\x04\x8c\x05os\n\x1b[\x8c\x01x\x93.", r"asks for os\n\x1b[.x"),
        (b"\x80\x04\x8c\x0bcollections\x8c\x14OrderedDict.fromkeys\x93.", "OrderedDict.fromkeys"),
        (b"(Vtouch here\nios\nsystem\n.", "builds objects"),
        (b"(" + ORDERED + b"o.", "builds objects"),
        (b"\x80\x02" + ORDERED + b")\x81.", "builds objects"),
        (b"\x80\x04" + ORDERED + b")}\x92.", "builds objects"),
        (b"\x80\x02\x82\x01.", "outside"),
        (b"\x80\x02\x83\x01\x00.", "outside"),
        (b"\x80\x02\x84\x01\x00\x00\x00.", "outside"),
        (b"Pyou\n.", "outside"),
        (b"NQ.", "outside"),
        (b"\x80\x05\x97.", "outside"),
        (b"\x80\x05C\x01a\x98.", "outside"),
        (b"}}b.", "sets what cannot be set"),
        (ORDERED + b")R}V__class__\nNsb.", "sets what cannot be set"),
        (b"])R.", "calls what cannot be called"),
        (ORDERED + b"]R.", "calls what cannot be called"),
        (b"]NNs.", "no dictionary"),
        (b"\x80\x04\x8f.", "sets or byte arrays"),
        (b"\x80\x04(\x91.", "sets or byte arrays"),
        (b"\x80\x05\x96" + (1 << 62).to_bytes(8, "little") + b".", "sets or byte arrays"),
        (b"S'a'\n.", "Python 2"),
        (b"}NNs.", "key of type NoneType"),
        (b"}L4294967296L\nNs.", "key of type int"),
        (b"}I01\nNs.", "key of type bool"),
        (b"\x80\x04}" + b")" + b"2\x86" * 64 + b"Ns.", "key of type tuple"),  # hashed: years
        (b"(NNd.", "key of type NoneType"),
        (b"\x80\x02\x8b\xff\xff\xff\x7f.", "ends too early"),
        (b"\x80\x04\x8e" + (1 << 60).to_bytes(8, "little") + b"a.", "ends too early"),
        (b"\x80\x04\x95" + (1 << 60).to_bytes(8, "little") + b"N", "ends too early"),
        (b"Va", "ends too early"),
        (b"L" + b"9" * 100_000 + b"L\n.", "makes no sense"),
        (b"\x80\x63N.", "makes no sense"),
        (b"h\x05.", "makes no sense"),
        (b"0.", "makes no sense"),
        (b"t.", "makes no sense"),
        (b"Na.", "makes no sense"),
        (b"X\x01\x00\x00\x00\xff.", "makes no sense"),
        (b"(Vkey\nd.", "makes no sense"),
        (b'{"name": "a"}', "makes no sense"),
        (b"name|video|start\n", "makes no sense"),
        (b"", "is empty"),
        (gzip.compress(b""), "is empty"),
        (b"N.N.", "goes on for 2 bytes"),
        (gzip.compress(b"N.") + b"PK", "goes on for 2 bytes"),
        (gzip.compress(b"N.") + gzip.compress(b"N."), "goes on for 22 bytes"),
        (b"\x1f\x8b\x08 and no more", "makes no sense"),
        (b"\n<!DOCTYPE html><html><body>Quota exceeded", "is a web page"),
        (gzip.compress(b"\xef\xbb\xbf<html>"), "is a web page"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "is a Git LFS pointer"),
        (b"PK\x03\x04archive/data.pkl", "is a zip archive"),
        (b"\x93NUMPY", "makes no sense"),
    ],
)
def test_what_is_more_than_data_or_damaged_is_refused(path, program, reason):
    assert reason in refusal(path, program)


def test_a_call_or_a_state_of_an_inert_value_is_inert(path):
    inert = b"cnumpy\nndarray\n"
    assert load(path, inert + b".") == Opaque("numpy.ndarray")
    assert load(path, inert + b"(Va\ntR)R.") == Opaque("numpy.ndarray")
    assert load(path, inert + b"}V__class__\nI1\nsb.") == Opaque("numpy.ndarray", {"__class__": 1})


def test_what_is_no_file_is_told(tmp_path):
    for missing in (tmp_path, tmp_path / "absent"):
        with pytest.raises(FileNotFoundError, match=f"^{missing} is not there, or is no file.$"):
            unpickle.load(missing)


def test_what_is_wrong_with_the_disk_is_not_told_of_the_file(path, monkeypatch):
    def fail(_):
        raise OSError(28, "No space left on device")

    path.write_bytes(b"N.")
    monkeypatch.setattr(Path, "read_bytes", fail)
    with pytest.raises(OSError, match="No space left"):
        unpickle.load(path)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_file_that_ends_too_early_is_refused_wherever_it_ends(path, protocol):
    data = pickle.dumps(SMALL, protocol)
    packed = gzip.compress(data)
    assert load(path, data) == SMALL
    for whole in (data, packed):
        for size in range(len(whole)):
            refusal(path, whole[:size])


def test_an_npy_that_ends_too_early_is_refused_wherever_it_ends(path):
    np.save(path.with_suffix(".npy"), np.array(SMALL), allow_pickle=True)
    data = path.with_suffix(".npy").read_bytes()
    for size in range(len(data)):
        refusal(path, data[:size])


def kinds(value) -> set[type]:
    """List the types of a value and of all that is in it; it may hold itself."""
    todo, seen = [value], {}
    while todo:
        value = todo.pop()
        if id(value) in seen:
            continue
        seen[id(value)] = value
        if type(value) is dict:
            todo += [*value, *value.values()]
        elif type(value) in (list, tuple, Opaque):
            todo += value
    return {type(value) for value in seen.values()}


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_whatever_byte_is_wrong_only_data_comes_out(path, protocol):
    tensor = Call(torch._utils._rebuild_tensor_v2, None, 0, (1,))
    data = pickle.dumps([SMALL, tensor], protocol)
    refused = 0
    for place in range(len(data)):
        for mask in (0x01, 0x5A):
            flipped = data[:place] + bytes([data[place] ^ mask]) + data[place + 1 :]
            try:
                loaded = load(path, flipped)
            except ValueError:
                refusal(path, flipped)
                refused += 1
            else:
                assert kinds(loaded) <= {*map(type, (None, True, 1, 1.5, "", b"")), *CONTAINERS}
    assert refused > len(data) / 2


CONTAINERS = (dict, list, tuple, Opaque)


def test_deep_nesting_is_read_and_let_go(path):
    depth = 100_000
    value = load(path, b"\x80\x02" + b"]" * depth + b"a" * (depth - 1) + b".")
    levels = 1
    while value:
        (value,) = value
        levels += 1
    assert levels == depth
    inert = load(path, b"cnumpy\nndarray\n" * depth + b"b" * (depth - 1) + b".")
    assert inert.name == "numpy.ndarray"
    del inert


def test_a_memo_entry_of_a_huge_number_takes_no_memory(path):
    path.write_bytes(b"\x80\x02]r\xff\xff\xff\x7fj\xff\xff\xff\x7f\x86.")
    tracemalloc.start()
    try:
        assert unpickle.load(path) == ([], [])
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
    finally:
        tracemalloc.stop()


def test_a_gzip_bomb_is_refused_before_it_is_unpacked(path):
    stream = zlib.compressobj(9, wbits=31)
    zeros = bytes(1 << 20)
    path.write_bytes(b"".join(stream.compress(zeros) for _ in range(256)) + stream.flush())
    size = path.stat().st_size
    assert size < 300_000
    tracemalloc.start()
    try:
        with pytest.raises(ValueError, match=f"unpacks from {size} to over {200 * size} bytes"):
            unpickle.load(path)
        assert tracemalloc.get_traced_memory()[1] < 2.2 * 200 * size
    finally:
        tracemalloc.stop()


def test_sizes_ratios_and_steps_have_limits(path, monkeypatch):
    data = pickle.dumps("a" * 3_000_000)
    packed = gzip.compress(data)
    assert len(load(path, packed, most_ratio=2000)) == 3_000_000
    assert "unpacks from" in refusal(path, packed)
    assert "unpacks from" in refusal(path, packed, most_ratio=2000, most_bytes=2_000_000)
    assert "bytes; expected 2000000 at most" in refusal(path, data, most_bytes=2_000_000)
    assert len(load(path, gzip.compress(pickle.dumps("a" * 900_000)))) == 900_000
    lists = b"(" + b"]" * 1000 + b"l."
    assert load(path, lists) == [[]] * 1000
    monkeypatch.setattr(unpickle, "_MOST_READS", 1000)
    assert "takes over 1000 steps" in refusal(path, lists)
