import os

import numpy as np
import pytest
from small_store import flip

from c2rl.store import integrity, ragged

HOUR_NS = 3600 * 10**9


@pytest.fixture
def array(tmp_path, monkeypatch):
    """Six rows in chunks of two, of a size that is remembered, written an hour ago."""
    monkeypatch.setenv("C2RL_SCRATCH", str(tmp_path / "scratch"))
    monkeypatch.setattr(ragged, "CHUNK_BYTES", 2 * 4)
    monkeypatch.setattr(integrity, "REMEMBERED_BYTES", 0)
    ragged.write_group(tmp_path / "g")
    path = tmp_path / "g/a"
    ragged.write_flat(path, [np.arange(6, dtype=np.int32)], shape=(6,), dtype="int32")
    for number in range(3):
        _set_time(path / f"c/{number}", _time(path / f"c/{number}") - HOUR_NS)
    return path


def _time(file):
    return file.stat().st_mtime_ns


def _set_time(file, time_ns):
    os.utime(file, ns=(time_ns, time_ns))


@pytest.fixture
def sums(monkeypatch):
    """Count the chunks whose crc32c was worked out."""
    seen = []
    holds = integrity.crc32c_holds
    monkeypatch.setattr(integrity, "crc32c_holds", lambda data: seen.append(1) or holds(data))
    return seen


def test_the_check_value_of_the_standard_holds():
    # CRC-32C of "123456789" is 0xE3069283 (RFC 3720's polynomial; its check value everywhere)
    data = np.frombuffer(b"123456789" + bytes.fromhex("839206e3"), np.uint8)
    assert integrity.crc32c_holds(data)
    assert not integrity.crc32c_holds(data[:-1])
    assert not integrity.crc32c_holds(data[:4])


def test_a_chunk_is_checked_once_and_other_processes_know(array, sums):
    first = ragged.FlatArray(array)
    for _ in range(3):
        assert first.rows(2, 4).tolist() == [2, 3]
    assert len(sums) == 1
    assert ragged.FlatArray(array).rows(2, 4).tolist() == [2, 3]
    assert len(sums) == 1
    assert ragged.FlatArray(array).rows(0, 6).tolist() == [0, 1, 2, 3, 4, 5]
    assert len(sums) == 3


def test_a_changed_chunk_is_checked_again(array):
    assert ragged.FlatArray(array).rows(2, 4).tolist() == [2, 3]
    flip(array / "c/1", 5)  # the write changes its time, not its size
    with pytest.raises(ValueError, match=r"c/1 is damaged"):
        ragged.FlatArray(array).rows(2, 4)


def test_what_has_just_been_written_is_not_remembered(array, sums):
    _set_time(array / "c/1", _time(array / "c/1") + HOUR_NS)
    for _ in range(2):
        ragged.FlatArray(array).rows(2, 4)
    assert len(sums) == 2


def test_small_arrays_leave_no_journal(array, sums, monkeypatch, tmp_path):
    monkeypatch.setattr(integrity, "REMEMBERED_BYTES", 24)
    for _ in range(2):
        ragged.FlatArray(array).rows(2, 4)
    assert len(sums) == 2
    assert not (tmp_path / "scratch").exists()


def test_a_torn_journal_costs_a_check_and_no_more(array, sums, tmp_path):
    ragged.FlatArray(array).rows(2, 4)
    (journal,) = (tmp_path / "scratch").iterdir()
    journal.write_bytes(journal.read_bytes()[:-8])
    ragged.FlatArray(array).rows(2, 4)
    assert len(sums) == 2
    ragged.FlatArray(array).rows(2, 4)
    assert len(sums) == 2


def test_a_journal_that_cannot_be_written_costs_a_check_and_no_more(array, sums, tmp_path):
    (tmp_path / "scratch").write_text("in the way")
    for _ in range(2):
        assert ragged.FlatArray(array).rows(2, 4).tolist() == [2, 3]
    assert len(sums) == 2


@pytest.mark.parametrize("kept", [0, 3, 4, 11])
def test_a_chunk_that_was_cut_is_refused(array, kept):
    chunk = array / "c/1"
    chunk.write_bytes(chunk.read_bytes()[:kept])
    with pytest.raises(ValueError, match=r"c/1 is damaged"):
        ragged.FlatArray(array).rows(2, 4)


def test_a_chunk_of_another_array_is_refused(array, tmp_path):
    ragged.write_flat(tmp_path / "g/b", [np.zeros(1, np.int32)], shape=(1,), dtype="int32")
    (array / "c/1").write_bytes((tmp_path / "g/b/c/0").read_bytes())
    with pytest.raises(ValueError, match=r"c/1 is damaged: it has 8 bytes, zarr.json asks for 12"):
        ragged.FlatArray(array).rows(2, 4)


def test_a_chunk_that_is_gone_is_no_zeros(array):
    (array / "c/1").unlink()
    with pytest.raises(FileNotFoundError, match=r"c/1"):
        ragged.FlatArray(array).rows(0, 6)
    with pytest.raises(FileNotFoundError, match=r"c/1"):
        ragged.read_small(array)


def test_few_chunks_are_open_at_a_time_and_none_is_checked_twice(array, sums, monkeypatch):
    monkeypatch.setattr(ragged, "MOST_MAPS", 2)
    monkeypatch.setattr(integrity, "REMEMBERED_BYTES", 24)
    opened = ragged.FlatArray(array)
    first = opened.rows(0, 2)
    for _ in range(3):
        assert opened.rows(0, 6).tolist() == [0, 1, 2, 3, 4, 5]
        assert len(opened._maps) == 2
    assert first.tolist() == [0, 1]
    assert len(sums) == 3
