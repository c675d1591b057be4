"""Files of strangers: read where they are as described, refused in one line where they are not."""

import builtins
import gzip
import os
import pickle
import subprocess
import sys
import tracemalloc
import zipfile
import zlib
from pathlib import Path

import numpy as np
import peer_features as peer
import pytest
import torch
from peer_features import Call

from c2rl.extract.exchange import import_features
from c2rl.extract.peers import foreign, pickled, tensors
from c2rl.store.features import FeatureStore

ROOT = Path(__file__).parent.parent.parent
PROTOCOLS = range(6)
X = (np.arange(80 * 16, dtype=np.float32).reshape(80, 16) - 600) / 8
"""Of over a kilobyte, so that it goes to the scratch file; float16 holds every number."""
BATCH = torch.from_numpy(np.stack([X + 1, X, X + 2]))
"""GFSLT-VLP's script saves rows of a batch: the whole batch's storage is in every one."""


def read(tmp_path, value, protocol=4):
    path = tmp_path / "one.pkl"
    path.write_bytes(pickle.dumps(value, protocol))
    with foreign.Scratch(tmp_path) as scratch:
        found = foreign.load(path, scratch)
        return np.array(tensors.array(found["x"], scratch))


KINDS = {
    "tensor": torch.from_numpy(X),
    "tensor of double": torch.from_numpy(X).double(),
    "tensor of half": torch.from_numpy(X).half(),
    "tensor with gradient": torch.from_numpy(X).clone().requires_grad_(True),
    "parameter": torch.nn.Parameter(torch.from_numpy(X)),
    "one of a batch": BATCH[1],
    "transposed tensor": torch.from_numpy(np.ascontiguousarray(X.T)).t(),
    "array": X,
    "array of double": X.astype(np.float64),
    "array of half": X.astype(np.float16),
    "array by columns": np.asfortranarray(X),
    "array of big ends": X.astype(">f4"),
    "every second row": np.repeat(X, 2, axis=0)[::2],
}


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("kind", KINDS)
def test_every_array_is_what_its_own_library_would_have_made(tmp_path, kind, protocol):
    value = KINDS[kind]
    found = read(tmp_path, {"x": value}, protocol)
    np.testing.assert_array_equal(found, X)
    small = read(tmp_path, {"x": value[:2, :4]}, protocol)
    np.testing.assert_array_equal(small, X[:2, :4])


def test_bfloat16_is_read_exactly(tmp_path):
    value = torch.tensor([[1.0, -2.5, 0.00390625, 3.0e38]], dtype=torch.bfloat16)
    np.testing.assert_array_equal(read(tmp_path, {"x": value}), value.float().numpy())


def test_what_is_shared_in_a_file_is_read_wherever_it_stands(tmp_path):
    path = tmp_path / "one.pkl"
    path.write_bytes(pickle.dumps([X, X, {"again": X.astype(np.float32)}, X[1:]]))
    with foreign.Scratch(tmp_path) as scratch:
        found = foreign.load(path, scratch)
        for value, expected in ((found[1], X), (found[2]["again"], X), (found[3], X[1:])):
            np.testing.assert_array_equal(tensors.array(value, scratch), expected)


def gfslt(tmp_path, entries, protocol=4):
    peer.dump(tmp_path / "src/features.train", entries, protocol)
    return import_features(tmp_path / "src", "gfslt", tmp_path / "f.zarr", language="de")


def entry(name, feature, **more):
    return {f"train/{name}": {"name": f"train/{name}", "text": "ja", "feature": feature} | more}


def test_gfslts_own_file_is_read_with_what_else_is_in_it(tmp_path):
    entries = {
        **entry("a", BATCH[1], gloss="JA", length=320, imgs_path=["train/a/images0001.png"] * 320),
        **entry("b", torch.from_numpy(X[:3]), extra={"mask": torch.ones(3, dtype=torch.int64)}),
    }
    for protocol in PROTOCOLS:
        done = gfslt(tmp_path, entries, protocol)
        assert done.clips == {"train": 2}
        store = FeatureStore(tmp_path / "f.zarr")
        np.testing.assert_array_equal(store["train"]["a"], X)
        np.testing.assert_array_equal(store["train"]["b"], X[:3])
        assert [row.num_frames for row in store["train"].rows] == [320, 0]


def test_a_tensor_of_a_gpu_is_read_without_one(tmp_path):
    data = pickle.dumps(entry("a", torch.from_numpy(X)), 4)
    device = b"X\x03\x00\x00\x00cpu"
    assert data.count(device) == 1
    at, longer = data.index(device), b"X\x06\x00\x00\x00cuda:7"
    storage = data.rindex(b"B", 0, at)  # the storage's bytes, which grow by three
    size = int.from_bytes(data[storage + 1 : storage + 5], "little")
    moved = data[: storage + 1] + (size + 3).to_bytes(4, "little") + data[storage + 5 : at]
    moved += longer + data[at + len(device) :]
    (tmp_path / "src").mkdir()
    (tmp_path / "src/features.train").write_bytes(gzip.compress(moved))
    import_features(tmp_path / "src", "gfslt", tmp_path / "f.zarr", language="de")
    np.testing.assert_array_equal(FeatureStore(tmp_path / "f.zarr")["train"]["a"], X)


def test_neccams_list_is_read_as_it_is_and_as_twostream_has_it(tmp_path):
    first = {"name": "dev/a", "signer": "Signer08", "gloss": "JA", "text": "ja ."}
    entries = [
        first | {"sign": torch.from_numpy(X), "num_frames": 80, "alignments": {"pami0": "0 1"}},
        {"name": "b", "signer": 3, "gloss": "A", "text": "ja ja .", "sign": X},
    ]
    peer.dump(tmp_path / "src/phoenix14t.pami0.dev", entries)
    done = import_features(tmp_path / "src", "neccam", tmp_path / "f.zarr", language="de")
    assert done.clips == {"dev": 2}
    rows = FeatureStore(tmp_path / "f.zarr")["dev"].rows
    told = [(r.clip.id, r.clip.signer, r.clip.sentence, r.num_frames) for r in rows]
    assert told == [("a", "Signer08", "ja .", 80), ("b", "3", "ja ja .", 0)]
    peer.dump(tmp_path / "src/phoenix14t.pami1.dev", entries)
    with pytest.raises(ValueError, match="expected one file of dev"):
        import_features(tmp_path / "src", "neccam", tmp_path / "f.zarr", language="de")


def test_a_clip_that_is_wrong_is_named_and_the_rest_is_there(tmp_path):
    wrong = {
        "infinite": np.full((2, 16), np.inf, np.float32),
        "large": np.full((2, 16), 65505, np.float32),
        "flat": X[0],
        "cube": X[None],
        "empty": X[:0],
        "narrow": X[:, :15],
        "whole": X.astype(np.int64),
        "text": "no array",
        "none": None,
    }
    entries = {"train/good": entry("good", X)["train/good"]}
    for name, value in wrong.items():
        entries |= entry(name, value)
    entries |= entry("also", X[:1])
    entries |= entry("limit", np.full((1, 16), 65504, np.float32))
    done = gfslt(tmp_path, entries)
    failed = dict(done.failed)
    assert failed.keys() == wrong.keys()
    assert failed["infinite"] == failed["large"] == "holds a value that float16 cannot"
    assert "(16,)" in failed["flat"]
    assert "15 columns; the others have 16" in failed["narrow"]
    assert "i8; expected floating-point" in failed["whole"]
    store = FeatureStore(tmp_path / "f.zarr")
    assert store["train"].ids == ["good", "also", "limit"]
    assert store["train"].width == 16
    assert store.meta.made_from["failed"] == sorted(wrong)


def test_a_clip_that_is_there_twice_is_refused(tmp_path):
    entries = [{"name": "dev/a", "text": "ja", "sign": X}, {"name": "a", "text": "ja", "sign": X}]
    peer.dump(tmp_path / "src/x.dev", entries)
    with pytest.raises(ValueError, match="clip a is there twice"):
        import_features(tmp_path / "src", "neccam", tmp_path / "f.zarr", language="de")


def test_clips_without_a_sentence_are_told_and_left_out(tmp_path):
    entries = entry("a", X) | entry("b", X, text="  ") | entry("c", X, text="")
    del (other := entry("d", X))["train/d"]["text"]
    done = gfslt(tmp_path, entries | other)
    assert done.clips == {"train": 1}
    assert [id_ for id_, _ in done.left_out] == ["b", "c", "d"]
    assert not done.failed


EVIL = {
    "system": Call(os.system, "touch hacked"),
    "eval": Call(builtins.eval, "open('hacked', 'w')"),
    "load": Call(torch.load, "hacked"),
    "getattr": Call(getattr, "a", "__class__"),
}


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("evil", EVIL)
@pytest.mark.parametrize("form", ["gfslt", "neccam", "cico"])
def test_a_malicious_pickle_is_refused_in_one_line_and_does_nothing(
    tmp_path, monkeypatch, form, evil, protocol
):
    monkeypatch.chdir(tmp_path)
    clip = {"name": "train/a", "text": "ja", "feature": X, "sign": X, "evil": EVIL[evil]}
    content = {"gfslt": {"train/a": clip}, "neccam": [clip], "cico": clip}[form]
    name = "train/a.pkl" if form == "cico" else "features.train"
    path = tmp_path / "src" / name
    path.parent.mkdir(parents=True)
    data = pickle.dumps(content, protocol)
    path.write_bytes(data if form == "cico" else gzip.compress(data))
    table = tmp_path / "t.csv"
    table.write_text("id,sentence\na,ja\n")
    from c2rl.extract.texts import of_table

    with pytest.raises(ValueError) as refused:
        import_features(
            tmp_path / "src", form, tmp_path / "f.zarr", texts=of_table(table), language="de"
        )
    told = str(refused.value)
    assert f"{path} asks for" in told
    assert told.endswith("Do not use this file.")
    assert told.isprintable()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["src", "t.csv"]


PROGRAMS = [
    (b"cos\nsystem\n(Vtouch hacked\ntR.", "asks for os.system"),
    (b"\x80\x04\x8c\x05numpy\x8c\x04load\x93.", "asks for numpy.load"),
    (b"(Vtouch hacked\nios\nsystem\n.", "builds objects"),
    (b"\x80\x02cnumpy\nndarray\n)\x81.", "builds objects"),
    (b"\x80\x02K\x01Q.", "outside"),
    (b"Pyou\n.", "outside"),
    (b"cnumpy\nndarray\n(tR)R.", "calls what cannot be called"),
    (b"cnumpy\nndarray\n(tR}b}b}b.", "sets what cannot be set"),
    (b"cnumpy\nndarray\n}b.", "sets what cannot be set"),
    (b"}}b.", "sets what cannot be set"),
    (b"\x80\x02\x8b\xff\xff\xff\x7f.", "of memory"),
    (b"\x80\x04\x8e" + (1 << 60).to_bytes(8, "little") + b"a" * 5000, "ends too early"),
    (b"\x80\x04\x96" + (1 << 60).to_bytes(8, "little") + b"a" * 5000, "ends too early"),
    (b"\x80\x04X\xff\xff\xff\xffabc", "ends too early"),
    (b"V" + b"a" * (3 << 20), "has a line of over"),
    (b"Va", "ends too early"),
    (b"N.N.", "goes on after its end"),
    (gzip.compress(b"N.") + b"PK", "goes on after its end"),
    (gzip.compress(b"N.")[:-4], "ends too early"),
    (gzip.compress(b"N.")[:-6] + b"\0" * 6, "makes no sense"),
    (b"", "is empty"),
    (b"<html>Quota exceeded", "is a web page"),
    (b"version https://git-lfs.github.com/spec/v1\n", "is a Git LFS pointer"),
    (b"PK\x03\x04archive/data.pkl", "is a zip archive"),
    (b"\x80\x63N.", "makes no sense"),
]


@pytest.mark.parametrize(("program", "reason"), PROGRAMS, ids=range(len(PROGRAMS)))
def test_what_is_more_than_data_or_damaged_is_refused(tmp_path, program, reason):
    path = tmp_path / "features.train"
    path.write_bytes(program)
    with foreign.Scratch(tmp_path) as scratch, pytest.raises(ValueError) as refused:
        foreign.load(path, scratch)
    told = str(refused.value)
    assert told.startswith(f"{path} ")
    assert reason in told
    assert told.isprintable()


def test_a_file_that_ends_too_early_is_refused_wherever_it_ends(tmp_path):
    data = b"".join(pickled.pickle_of({"a": {"name": "a", "feature": pickled.tensor(X)}}))
    path = tmp_path / "features.train"
    with foreign.Scratch(tmp_path) as scratch:
        for whole in (data, gzip.compress(data)):
            for size in range(0, len(whole), 7):
                path.write_bytes(whole[:size])
                with pytest.raises(ValueError, match=str(path)):
                    foreign.load(path, scratch)


TENSOR = pickle.dumps({"x": torch.from_numpy(X)}, 2)
ARRAY = pickle.dumps({"x": X}, 4)


@pytest.mark.parametrize("whole", [TENSOR, ARRAY], ids=["tensor", "array"])
def test_whatever_byte_is_wrong_the_file_is_refused_or_an_array_of_its_bytes_comes(tmp_path, whole):
    path = tmp_path / "x.pkl"
    with foreign.Scratch(tmp_path) as scratch:
        for place in [*range(600), *range(len(whole) - 200, len(whole))]:
            path.write_bytes(whole[:place] + bytes([whole[place] ^ 0x15]) + whole[place + 1 :])
            try:
                found = foreign.load(path, scratch)
                value = found.get("x") if type(found) is dict else None
                values = tensors.array(value, scratch)
            except ValueError:
                continue
            assert values.dtype.kind == "f"
            assert values.size <= 4 * X.size


def rebuilt(size, stride, offset=0, count=X.size, storage="FloatStorage"):
    """A tensor whose description was changed by hand."""
    described = ("storage", pickled.Name("torch", storage), "0", "cpu", count, None)
    system = {"protocol_version": 1001, "little_endian": True, "type_sizes": {}}
    heads = (0x1950A86A20F9469CFC6C, 1001, system, pickled.Persistent(described), ["0"])
    head = b"".join(piece for value in heads for piece in pickled.pickle_of(value))
    saved = head + count.to_bytes(8, "little", signed=True) + X.tobytes()
    load = pickled.Call(pickled.Name("torch.storage", "_load_from_bytes"), (saved,))
    make = pickled.Name("torch._utils", "_rebuild_tensor_v2")
    return pickled.Call(make, (load, offset, size, stride, False, None))


LIES = [
    (rebuilt((81, 16), (16, 1)), "reaches beyond"),
    (rebuilt((80, 16), (16, 1), offset=1), "reaches beyond"),
    (rebuilt((1 << 30, 1 << 30), (0, 0)), "reaches beyond"),
    (rebuilt((1 << 40, 0), (0, 0)), "has a shape"),
    (rebuilt((80, 16), (16, -1)), "has strides"),
    (rebuilt((80, 16), (16,)), "has strides"),
    (rebuilt((80, 16), (16, 1), offset=-1), "has strides"),
    (rebuilt((-80, 16), (16, 1)), "has a shape"),
    (rebuilt((80, 16), (16, 1), count=X.size + 1), "of another size than it says"),
    (rebuilt((80, 16), (16, 1), count=1 << 60), "of another size than it says"),
    (rebuilt((80, 16), (16, 1), count=-1), "of another size than it says"),
    (rebuilt((80, 16), (16, 1), storage="LongStorage"), "expected floating-point"),
]


@pytest.mark.parametrize(("value", "reason"), LIES, ids=range(len(LIES)))
def test_a_tensor_that_is_not_what_it_says_is_refused(tmp_path, value, reason):
    path = tmp_path / "x.pkl"
    path.write_bytes(b"".join(pickled.pickle_of({"x": value})))
    with foreign.Scratch(tmp_path) as scratch, pytest.raises(ValueError, match=reason):
        tensors.array(foreign.load(path, scratch)["x"], scratch)


def test_a_gzip_bomb_is_refused_with_little_memory_and_disk(tmp_path):
    packer = zlib.compressobj(9, wbits=31)
    size, piece = 256 << 20, bytes(1 << 20)
    data = packer.compress(b"\x80\x04]\x8e" + size.to_bytes(8, "little"))
    data += b"".join(packer.compress(piece) for _ in range(size >> 20))
    data += packer.compress(b"a.") + packer.flush()
    path = tmp_path / "features.train"
    path.write_bytes(data)
    assert size / len(data) > 900
    tracemalloc.start()
    with foreign.Scratch(tmp_path) as scratch, pytest.raises(ValueError, match="unpacks from"):
        foreign.load(path, scratch)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 8 << 20
    with foreign.Scratch(tmp_path) as scratch, pytest.raises(ValueError, match="to over 1048576"):
        foreign.load(path, scratch, most_bytes=1 << 20)


OPEN_ALL = """
import pathlib, resource
import torch
from c2rl.extract.exchange import import_features
from c2rl.extract.texts import of_table

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10

texts, before = of_table(pathlib.Path("t.csv")), peak()
for source in sorted(pathlib.Path().glob("*-*")):
    form, out = source.name.partition("-")[0], pathlib.Path("f.zarr")
    try:
        import_features(source, form, out, texts=texts, language="de")
    except ValueError as error:
        print(source, peak() - before, str(error).endswith(" Do not use this file."))
"""


def test_bombs_of_every_format_are_refused_in_little_memory(tmp_path):
    zeros = bytes(1 << 28)
    bulk = gzip.compress(b"\x80\x04]\x8e" + len(zeros).to_bytes(8, "little") + zeros + b"a.", 1)
    lists = gzip.compress(b"\x80\x04(" + b"]" * (40 << 20) + b"l.", 1)
    for place, data in {
        **{"gfslt-bulk/x.dev": bulk, "gfslt-lists/x.dev": lists},
        **{"neccam-bulk/x.dev": bulk, "cico-bulk/dev/a.pkl": bulk},
    }.items():
        (tmp_path / place).parent.mkdir(parents=True)
        (tmp_path / place).write_bytes(data)
    (tmp_path / "ssvp-bulk/dev").mkdir(parents=True)
    with zipfile.ZipFile(tmp_path / "ssvp-bulk/dev/a.pt", "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("a/data.pkl", b"\x80\x02N.")
        file.writestr("a/data/0", zeros, compresslevel=1)
    (tmp_path / "t.csv").write_text("id,sentence\na,ja\n")
    env = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", OPEN_ALL],
        cwd=tmp_path, env=env, capture_output=True, text=True, check=True,
    )  # fmt: skip
    told = {name: rest for name, *rest in map(str.split, done.stdout.splitlines())}
    assert told.keys() == {path.name for path in tmp_path.glob("*-*")}
    for name, (mebibytes, is_refused) in told.items():
        assert int(mebibytes) < 150, (name, "of 256, and of 2,500 if all lists were made")
        assert is_refused == "True", name


def test_a_file_larger_than_the_memory_it_takes_is_read(tmp_path):
    clip = np.arange(1 << 18, dtype=np.float32).reshape(256, 1024) % 2048
    path = tmp_path / "features.train"
    with path.open("wb") as file:
        pairs = ((str(n), {"feature": pickled.tensor(clip)}) for n in range(24))
        file.writelines(pickled.dictionary_of(pairs))
    assert path.stat().st_size > 24 << 20
    tracemalloc.start()
    with foreign.Scratch(tmp_path) as scratch:
        found = foreign.load(path, scratch)
        for fields in found.values():
            np.testing.assert_array_equal(tensors.array(fields["feature"], scratch), clip)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 8 << 20, "a clip is one megabyte"
    assert [p.name for p in tmp_path.iterdir()] == ["features.train"]


def one(tmp_path, suffix):
    path = tmp_path / "src/dev" / f"a{suffix}"
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def why(tmp_path, form):
    table = tmp_path / "t.csv"
    table.write_text("id,sentence\na,ja\n")
    from c2rl.extract.texts import of_table

    with pytest.raises(ValueError) as refused:
        import_features(
            tmp_path / "src", form, tmp_path / "f.zarr", texts=of_table(table), language="de"
        )
    assert not (tmp_path / "f.zarr").exists()
    assert str(refused.value).isprintable()
    return str(refused.value)


def test_pt_files_are_loaded_as_weights_only_and_never_unpacked(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = one(tmp_path, ".pt")
    for value, told in (
        (EVIL["system"], "asks for posix.system"),
        (EVIL["eval"], "eval"),
        (EVIL["load"], "asks for torch.serialization.load"),
        (EVIL["getattr"], "asks for"),
        ({"x": torch.ones(2, 2)}, "holds a dict; expected a tensor"),
        (torch.ones(2, 2, dtype=torch.int64), "no plain tensor of floating-point"),
        (torch.ones(2, 2).to_sparse(), "holds more than tensors"),
        (torch.ones(1).expand(1 << 20, 1 << 12), "no plain tensor"),
    ):
        torch.save(value, path)
        assert told in why(tmp_path, "ssvp")
    for evil in EVIL.values():  # torch's format before 1.6, which runs as it is unpickled
        torch.save(evil, path, _use_new_zipfile_serialization=False)
        assert "is no file of torch" in why(tmp_path, "ssvp")
    torch.save(torch.zeros(1000, 1000), path)
    whole = path.read_bytes()
    for size in (0, 100, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:size])
        assert "damaged" in why(tmp_path, "ssvp")
    (tmp_path / "whole.pt").write_bytes(whole)
    with (
        zipfile.ZipFile(tmp_path / "whole.pt") as stored,
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as packed,
    ):
        for name in stored.namelist():
            packed.writestr(name, stored.read(name))
    assert path.stat().st_size < len(whole) / 100
    assert "is a packed archive" in why(tmp_path, "ssvp")
    assert not (tmp_path / "hacked").exists()


def test_npy_files_hold_numbers_or_are_refused(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = one(tmp_path, ".npy")
    np.save(path, np.array([[EVIL["system"], EVIL["eval"]]], dtype=object), allow_pickle=True)
    assert "no .npy of numbers" in why(tmp_path, "npy")
    np.save(path, np.ones((2, 2), np.int32))
    assert "holds int32; expected floating-point" in why(tmp_path, "npy")
    np.save(path, X)
    whole = path.read_bytes()
    for size in (0, 4, 20, 100, len(whole) - 1):
        path.write_bytes(whole[:size])
        assert "no .npy of numbers, or a damaged one" in why(tmp_path, "npy")
    path.write_bytes(whole.replace(b"(80, 16)", b"(80,1e9)"))
    assert "no .npy of numbers" in why(tmp_path, "npy")
    path.write_bytes(pickle.dumps(EVIL["system"]))
    assert "no .npy of numbers" in why(tmp_path, "npy")
    assert not (tmp_path / "hacked").exists()


def test_paths_of_tables_lead_nowhere_else(tmp_path):
    np.save(tmp_path / "secret.npy", X)
    (tmp_path / "src").mkdir()
    (tmp_path / "src/other.npy").write_bytes(b"")
    for signal in ("../secret.npy", str(tmp_path / "secret.npy")):
        (tmp_path / "src/dev.tsv").write_text(f"signal\toutput\n{signal}\tja\n")
        with pytest.raises(ValueError, match="is not there, or is no file"):
            import_features(tmp_path / "src", "npy", tmp_path / "f.zarr", language="de")
    torch.save(torch.from_numpy(X), tmp_path / "x.pt")
    (tmp_path / "ssvp/manifests").mkdir(parents=True)
    (tmp_path / "ssvp/manifests/val_features.tsv").write_text("../../../x.pt\t80\tja\n")
    with pytest.raises(ValueError, match="line 1 has a name that cannot be a file's"):
        import_features(tmp_path / "ssvp", "ssvp", tmp_path / "f.zarr", language="de")


def test_of_ssvps_epochs_the_first_is_read_and_the_rest_told(tmp_path):
    for epoch in (0, 1):
        folder = tmp_path / f"src/features/{epoch}/00000"
        folder.mkdir(parents=True)
        torch.save(torch.from_numpy(X + epoch).bfloat16().float(), folder / "00000-abc.pt")
    (tmp_path / "src/manifests").mkdir()
    manifest = tmp_path / "src/manifests/val_features.tsv"
    manifest.write_text("00000-abc.mp4\t80.0\tHi!\n00000-lost.mp4\t9\tHo!\n")
    done = import_features(tmp_path / "src", "ssvp", tmp_path / "f.zarr", language="en")
    assert done.notes == ["only epoch 0 of 0, 1 is read"]
    assert [id_ for id_, _ in done.failed] == ["00000-lost"]
    expected = torch.from_numpy(X).bfloat16().float().numpy()
    np.testing.assert_array_equal(FeatureStore(tmp_path / "f.zarr")["dev"][0], expected)


def test_what_is_not_there_or_of_another_kind_is_told(tmp_path):
    for form in ("gfslt", "neccam", "ssvp", "npy", "cico"):
        with pytest.raises(FileNotFoundError, match="is not there"):
            import_features(tmp_path / "no", form, tmp_path / "f.zarr")
        with pytest.raises(FileNotFoundError, match="holds no"):
            import_features(tmp_path, form, tmp_path / "f.zarr")
    peer.dump(tmp_path / "features.dev", [])
    with pytest.raises(ValueError, match="holds a list; expected a dict"):
        import_features(tmp_path, "gfslt", tmp_path / "f.zarr")
    peer.dump(tmp_path / "features.dev", {"a": []})
    with pytest.raises(ValueError, match="entry 'a' is of type list"):
        import_features(tmp_path, "gfslt", tmp_path / "f.zarr")
    peer.dump(tmp_path / "features.dev", {"a": {"name": "test/a"}})
    with pytest.raises(ValueError, match="entry 'a' is of test; expected dev"):
        import_features(tmp_path, "gfslt", tmp_path / "f.zarr")
    with pytest.raises(ValueError, match="format 'hdf5' is unknown"):
        import_features(tmp_path, "hdf5", tmp_path / "f.zarr")
