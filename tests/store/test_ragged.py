import pickle
import random
import sys
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import numpy as np
import pytest
import zarr
import zarr.codecs
from small_store import files

from c2rl.store import integrity, ragged


def write(folder, blocks, *, shape, dtype="float32"):
    ragged.write_group(folder / "g")
    ragged.write_flat(folder / "g" / "a", blocks, shape=shape, dtype=dtype)
    return ragged.FlatArray(folder / "g" / "a")


@pytest.mark.parametrize("chunk_rows", [1, 3, 7, 100])
def test_every_range_is_read_back_across_chunks(tmp_path, monkeypatch, chunk_rows):
    monkeypatch.setattr(ragged, "CHUNK_BYTES", chunk_rows * 2 * 4)
    data = np.arange(20, dtype=np.float32).reshape(10, 2)
    array = write(tmp_path, [data[:4], data[4:4], data[4:]], shape=(10, 2))
    for start in range(11):
        for end in range(start, 11):
            np.testing.assert_array_equal(array.rows(start, end), data[start:end])


@pytest.mark.parametrize("dtype", ["uint8", "int64", "float16", "float32"])
def test_memory_maps_equal_stock_zarr(tmp_path, monkeypatch, dtype):
    monkeypatch.setattr(ragged, "CHUNK_BYTES", 64)
    data = (np.random.default_rng(0).random((33, 5)) * 100).astype(dtype)
    array = write(tmp_path, [data], shape=data.shape, dtype=dtype)
    stock = zarr.open_group(tmp_path / "g", mode="r")["a"]
    np.testing.assert_array_equal(stock[...], data)
    np.testing.assert_array_equal(array.rows(0, 33), data)
    assert array.rows(0, 1).dtype == stock.dtype


@pytest.mark.parametrize("dtype", ["uint8", "int64", "float16", "float32"])
@pytest.mark.parametrize("rows", [1, 6, 33])  # a part of a chunk, a whole one, several and a part
def test_our_files_are_those_that_stock_zarr_writes(tmp_path, monkeypatch, dtype, rows):
    monkeypatch.setattr(ragged, "CHUNK_BYTES", 6 * 5 * np.dtype(dtype).itemsize)
    data = (np.arange(rows * 5).reshape(rows, 5) % 100).astype(dtype)
    write(tmp_path, [data[:7], data[7:]], shape=data.shape, dtype=dtype)
    zarr.create_array(
        tmp_path / "g/b",
        shape=data.shape,
        dtype=dtype,
        chunks=(min(6, rows), 5),
        compressors=(zarr.codecs.Crc32cCodec(),),
        fill_value=float("nan") if dtype.startswith("float") else 0,
        config={"write_empty_chunks": True},
    )[...] = data
    ours, theirs = (
        {p.relative_to(tmp_path / "g" / name): p.read_bytes() for p in files(tmp_path / "g" / name)}
        for name in "ab"
    )
    assert ours == theirs


@pytest.mark.parametrize("dtype", ["uint8", "int64", "float16"])
def test_an_archive_is_read_by_us_and_by_stock_zarr(tmp_path, monkeypatch, dtype):
    monkeypatch.setattr(ragged, "CHUNK_BYTES", 64)
    data = (np.arange(33 * 5).reshape(33, 5) % 100).astype(dtype)
    ragged.write_group(tmp_path / "g")
    blocks = [data[:7], data[7:]]
    ragged.write_flat(tmp_path / "g/a", blocks, shape=data.shape, dtype=dtype, profile="zstd")
    array = ragged.FlatArray(tmp_path / "g/a")
    assert array.profile == "zstd"
    np.testing.assert_array_equal(zarr.open_group(tmp_path / "g", mode="r")["a"][...], data)
    for start in range(34):
        np.testing.assert_array_equal(array.rows(start, 33), data[start:])


def test_an_array_packed_by_others_is_refused(tmp_path):
    zarr.create_array(tmp_path / "a", shape=(4,), dtype="int32", compressors=())
    with pytest.raises(ValueError, match=r"packed by bytes; bytes, perhaps zstd, and crc32c"):
        ragged.FlatArray(tmp_path / "a")


def test_stock_zarr_finds_a_flipped_bit(tmp_path):
    write(tmp_path, [np.ones((4, 2), np.float32)], shape=(4, 2))
    (chunk,) = (p for p in (tmp_path / "g/a/c").rglob("*") if p.is_file())
    data = bytearray(chunk.read_bytes())
    data[3] ^= 1
    chunk.write_bytes(data)
    with pytest.raises(ValueError, match=r"checksum"):
        zarr.open_group(tmp_path / "g", mode="r")["a"][...]
    with pytest.raises(ValueError, match=r"crc32c"):
        ragged.read_small(tmp_path / "g/a")


@pytest.mark.parametrize("rows", [3, 5])
def test_the_promised_number_of_rows_is_kept(tmp_path, rows):
    with pytest.raises(ValueError, match=r"promised"):
        write(tmp_path, [np.zeros((rows, 2), np.float32)], shape=(4, 2))


def test_an_empty_array_can_be_read(tmp_path):
    array = write(tmp_path, [], shape=(0, 2))
    assert array.rows(0, 0).shape == (0, 2)


@pytest.fixture
def hasty():
    """Let threads take turns after every few instructions, not 200 times a second."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


@pytest.mark.parametrize("profile", ["none", "zstd"])
@pytest.mark.parametrize("most_maps", [1, 5])
@pytest.mark.usefixtures("hasty")
def test_threads_share_an_array_that_keeps_few_chunks(tmp_path, monkeypatch, most_maps, profile):
    monkeypatch.setenv("C2RL_SCRATCH", str(tmp_path / "scratch"))
    monkeypatch.setattr(ragged, "CHUNK_BYTES", 4 * 8)
    monkeypatch.setattr(ragged, "MOST_MAPS", most_maps)
    monkeypatch.setattr(integrity, "REMEMBERED_BYTES", 0)
    monkeypatch.setattr(integrity, "SETTLED_NS", -1)  # so that threads write the journal too
    data = np.arange(64, dtype=np.int64)
    ragged.write_group(tmp_path / "g")
    ragged.write_flat(tmp_path / "g/a", [data], shape=(64,), dtype="int64", profile=profile)
    threads, reads = 8, 4 if profile == "zstd" else 200

    def is_right(array, thread):
        rng = random.Random(thread)
        spans = (sorted(rng.choices(range(65), k=2)) for _ in range(reads))
        return all(array.rows(a, b).tolist() == [*range(a, b)] for a, b in spans)

    for _ in range(3):  # afresh, so that they also race for the journal
        array = ragged.FlatArray(tmp_path / "g/a")
        with ThreadPoolExecutor(threads) as pool:
            assert all(pool.map(partial(is_right, array), range(threads)))
        assert len(array._maps) < most_maps + threads
    journaled = [*integrity.Chunks(tmp_path / "g/a", num_bytes=1)._journaled()]
    assert {name for name, _ in journaled} == {f"c/{n}" for n in range(16)}, "no line is torn"


def test_a_pickled_array_opens_its_own_maps(tmp_path):
    array = write(tmp_path, [np.ones((4, 2), np.float32)], shape=(4, 2))
    array.rows(0, 1)
    assert len(pickle.dumps(array)) < 1000
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(array)).rows(0, 4), np.ones((4, 2)))


def test_offsets_begin_at_zero_and_end_at_the_sum():
    assert ragged.offsets_of([3, 0, 2]).tolist() == [0, 3, 3, 5]
    assert ragged.offsets_of([]).tolist() == [0]
