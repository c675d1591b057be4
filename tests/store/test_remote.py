import errno
import functools
import http.server
import json
import os
import signal
import subprocess
import sys
import threading
import time

import fsspec
import numpy as np
import object_store
import pytest
import small_store
from fsspec.registry import _registry
from small_store import flip

from c2rl import provenance
from c2rl.store import remote
from c2rl.store.features import FeatureStore
from c2rl.store.remote import fetch, push

MEMORY = "memory://bucket/x.zarr"
S3 = f"s3://{object_store.BUCKET}/x.zarr"
CHUNK = "train/features/c/1/0"


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("C2RL_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("C2RL_SCRATCH", str(tmp_path / "scratch"))
    return tmp_path / "cache"


@pytest.fixture
def store(tmp_path, monkeypatch):
    return small_store.write(tmp_path / "f.zarr", monkeypatch)


@pytest.fixture
def other(tmp_path, monkeypatch):
    """Another store, of fewer and larger chunks."""
    return small_store.write(tmp_path / "other.zarr", monkeypatch, chunk_rows=8)


@pytest.fixture
def memory():
    files = fsspec.filesystem("memory")
    files.store.clear()
    files.pseudo_dirs[:] = [""]
    yield files
    files.store.clear()


@pytest.fixture
def fetched(monkeypatch, memory):
    """Names of the files that were fetched from `memory://`."""
    names = []
    get_file = type(memory).get_file

    def count(self, path, *args, **kwargs):
        names.append(path.removeprefix("/bucket/x.zarr/"))
        return get_file(self, path, *args, **kwargs)

    monkeypatch.setattr(type(memory), "get_file", count)
    return names


@pytest.fixture
def server(monkeypatch):
    with object_store.serving(monkeypatch) as server:
        yield server


def content(folder):
    return {f.relative_to(folder).as_posix(): f.read_bytes() for f in small_store.files(folder)}


def listed(folder):
    return {*content(folder)} - {"meta.json"}


def forge(files, *, kind="features", format_=provenance.FORMAT):
    """Write a meta.json whose checksums agree with each other, whatever it lists."""
    sums = {name: entry["blake2b"] for name, entry in files.items()}
    told = {
        "format": format_,
        "kind": kind,
        "fingerprint": provenance.fingerprint([kind, format_, sums]),
        "made_from": {},
        "counts": {},
        "files": files,
        "versions": {},
    }
    return json.dumps(told | {"checksum": provenance.fingerprint(told)}).encode()


def start(code):
    """Run Python in a process of its own, which finds the server by the environment."""
    return subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)


FETCH = f"from c2rl.store.remote import fetch; print(fetch({S3!r}), flush=True)"
STOCK = f"""
import json, zarr
group = zarr.open_group({S3!r}, mode="r")
found = [group["train/features"][...].ravel().tolist(), group["dev/offsets"][...].tolist()]
print(json.dumps(found))
"""


@pytest.mark.parametrize(
    ("place", "expected"),
    [
        ("s3://bucket/x.zarr", True),
        ("memory://x", True),
        ("git+ssh://host/x", True),
        ("data/features/x.zarr", False),
        ("/data/x.zarr", False),
        ("s3:/bucket/x.zarr", False),
        ("C:/x.zarr", False),
        ("C://x.zarr", False),
        (r"C:\x.zarr", False),
        ("data/s3://x", False),
    ],
)
def test_a_url_has_a_scheme_of_two_letters_at_least(place, expected, tmp_path):
    assert remote.is_url(place) is expected
    assert not remote.is_url(tmp_path / place)


@pytest.mark.parametrize("profile", ["none", "zstd"])
def test_a_store_comes_back_to_the_bit(profile, tmp_path, monkeypatch, memory):
    store = small_store.write(tmp_path / "f.zarr", monkeypatch, profile=profile)
    push(store, MEMORY + "/")
    opened = FeatureStore(MEMORY)
    assert content(opened.path) == content(store)
    expected = small_store.features()
    for split in opened:
        for id_ in opened[split]:
            np.testing.assert_array_equal(opened[split][id_], next(expected))


def test_a_folder_can_be_a_place_too(tmp_path, store):
    url = (tmp_path / "share/x.zarr").as_uri()
    push(store, url)
    assert content(tmp_path / "share/x.zarr") == content(store)
    assert content(fetch(url)) == content(store)


def test_a_plain_web_server_is_read(tmp_path, store):
    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_):
            pass

    handler = functools.partial(Quiet, directory=tmp_path)
    pytest.importorskip("aiohttp")
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            found = fetch(f"http://127.0.0.1:{server.server_port}/f.zarr")
            with pytest.raises(FileNotFoundError, match=r"/g.zarr has no meta.json"):
                fetch(f"http://127.0.0.1:{server.server_port}/g.zarr")
        finally:
            server.shutdown()
            thread.join()
    assert content(found) == content(store)


def test_a_path_stays_a_path(store):
    assert remote.local(str(store)) == remote.local(store) == store
    assert FeatureStore(str(store)).path == store


def test_the_second_open_fetches_nothing(store, memory, fetched, cache):
    push(store, MEMORY)
    first = FeatureStore(MEMORY)
    assert sorted(fetched) == sorted(listed(store))
    assert first.path.is_relative_to(cache)
    assert FeatureStore(MEMORY).path == first.path
    assert len(fetched) == len(listed(store))


def test_a_store_that_was_replaced_is_noticed(store, other, memory):
    push(store, MEMORY)
    first = FeatureStore(MEMORY)
    push(other, MEMORY)
    second = FeatureStore(MEMORY)
    assert content(second.path) == content(other)
    assert content(first.path) == content(store)


def test_a_fetch_that_broke_off_goes_on(store, memory, fetched, cache, monkeypatch):
    push(store, MEMORY)
    whole = memory.store["/bucket/x.zarr/" + CHUNK]
    del memory.store["/bucket/x.zarr/" + CHUNK]
    monkeypatch.setattr(remote, "AT_ONCE", 1)
    with pytest.raises(FileNotFoundError, match=rf"{MEMORY}/{CHUNK} is missing, though meta.json"):
        fetch(MEMORY)
    assert not list(cache.rglob("meta.json"))
    before = {*fetched}
    assert before
    fetched.clear()
    memory.store["/bucket/x.zarr/" + CHUNK] = whole
    assert content(fetch(MEMORY)) == content(store)
    assert {*fetched} == listed(store) - before
    assert not list(cache.rglob("*.partial"))


def test_a_file_that_was_torn_by_a_kill_is_fetched_again(store, memory, fetched, cache):
    push(store, MEMORY)
    copy = fetch(MEMORY)
    building = copy.with_name(f".{copy.name}.partial")
    copy.rename(building)
    (building / "meta.json").unlink()
    flip(building / CHUNK, 5)
    (building / "clips.jsonl").write_bytes(b"{")
    fetched.clear()
    assert content(fetch(MEMORY)) == content(store)
    assert sorted(fetched) == ["clips.jsonl", CHUNK]


def test_a_copy_that_lost_a_file_is_mended(store, memory, fetched):
    push(store, MEMORY)
    copy = fetch(MEMORY)
    (copy / CHUNK).unlink()
    fetched.clear()
    assert fetch(MEMORY) == copy
    assert fetched == [CHUNK]
    assert content(copy) == content(store)


@pytest.mark.parametrize(
    "change",
    [lambda b: b[:-1], lambda b: b + b"x", lambda b: b"x" + b[1:]],
    ids=["shorter", "longer", "changed"],
)
def test_a_damaged_object_is_named(store, memory, cache, change):
    push(store, MEMORY)
    memory.pipe_file(f"{MEMORY}/{CHUNK}", change((store / CHUNK).read_bytes()))
    with pytest.raises(ValueError, match=rf"^{MEMORY}/{CHUNK} is damaged: its size or checksum"):
        FeatureStore(MEMORY)
    assert not list(cache.rglob("meta.json"))
    assert not list(cache.rglob(CHUNK))
    push(store, MEMORY)
    assert content(fetch(MEMORY)) == content(store)


def test_no_object_larger_than_told_is_fetched(store, memory, fetched):
    push(store, MEMORY)
    memory.pipe_file(f"{MEMORY}/{CHUNK}", bytes(10**6))
    with pytest.raises(ValueError, match=rf"{CHUNK} is damaged"):
        fetch(MEMORY)
    assert CHUNK not in fetched


def test_copies_lie_in_the_persons_cache_unless_told_otherwise(
    store, memory, tmp_path, monkeypatch
):
    monkeypatch.delenv("C2RL_CACHE")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    push(store, MEMORY)
    assert fetch(MEMORY).parent == tmp_path / "home/.cache/c2rl/artefacts"


def test_what_has_no_meta_is_refused(store, memory, cache):
    with pytest.raises(FileNotFoundError, match=rf"^{MEMORY} has no meta.json: it is not a compl"):
        FeatureStore(MEMORY)
    assert not cache.exists()


@pytest.mark.parametrize(
    "text",
    [
        b"{",
        b"[]",
        b"\xff",
        b"[" * 100_000,
        b'{"kind": "features", "format": 1, "fingerprint": "x", "files": {}}',
        forge({}).replace(b'"counts"', b'"count"'),
        forge({"a": {"bytes": 1, "blake2b": "0"}}).replace(b'"bytes": 1', b'"bytes": 2'),
        forge({"a": {"blake2b": "0"}}),
        json.dumps({**json.loads(forge({})), "fingerprint": "0", "checksum": None}).encode(),
    ],
    ids=range(9),
)
def test_a_meta_that_is_not_as_written_is_refused(memory, cache, text):
    memory.pipe_file(f"{MEMORY}/meta.json", text)
    with pytest.raises(ValueError, match=rf"^{MEMORY}/meta.json is damaged, or not that of"):
        fetch(MEMORY)
    assert not cache.exists()


@pytest.mark.parametrize(
    "name",
    [
        *("/etc/passwd", "../up", "a/../../up", "a/..", "..", ".", "", "a//b", "./a", "a/"),
        *(r"..\up", r"C:\up", "C:/up", "c:up", "a\0b", "meta.json"),
    ],
)
def test_no_name_leads_out_of_the_copy(memory, cache, name):
    memory.pipe_file(f"{MEMORY}/meta.json", forge({name: {"bytes": 0, "blake2b": "0"}}))
    with pytest.raises(ValueError, match=r"no file of an artefact. Nothing was written"):
        fetch(MEMORY)
    assert not cache.exists()


@pytest.mark.parametrize("size", [-1, 1.0, True, "1", None])
def test_a_size_is_a_count_of_bytes(memory, cache, size):
    memory.pipe_file(f"{MEMORY}/meta.json", forge({"a": {"bytes": size, "blake2b": "0"}}))
    with pytest.raises(ValueError, match=r"no file of an artefact"):
        fetch(MEMORY)


def test_another_kind_and_another_format_are_refused_before_anything_is_copied(memory, cache):
    memory.pipe_file(f"{MEMORY}/meta.json", forge({}, kind="frames"))
    with pytest.raises(ValueError, match=rf"^{MEMORY} holds frames, but features is needed"):
        FeatureStore(MEMORY)
    memory.pipe_file(f"{MEMORY}/meta.json", forge({}, format_=2))
    with pytest.raises(ValueError, match=rf"^{MEMORY} has format 2, this version reads 1"):
        FeatureStore(MEMORY)
    assert not cache.exists()


def test_more_than_the_disk_holds_is_told_before_anything_is_copied(memory, fetched):
    memory.pipe_file(f"{MEMORY}/meta.json", forge({"a": {"bytes": 10**18, "blake2b": "0"}}))
    with pytest.raises(OSError, match=r"No space left on device") as caught:
        fetch(MEMORY)
    assert caught.value.errno == errno.ENOSPC
    assert not fetched


def test_a_disk_that_fills_up_is_told_as_it_is(store, memory, monkeypatch):
    def full(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device", "/cache")

    push(store, MEMORY)
    monkeypatch.setattr(type(memory), "get_file", full)
    with pytest.raises(OSError, match=r"^\[Errno 28\] No space left on device: '/cache'$"):
        fetch(MEMORY)


def test_a_push_replaces_an_older_store_and_leaves_the_rest(store, other, memory):
    push(store, MEMORY)
    memory.pipe_file(f"{MEMORY}/README", b"notes")
    memory.pipe_file("memory://bucket/y", b"neighbour")
    push(other, MEMORY)
    found = {name.removeprefix("/bucket/x.zarr/") for name in memory.find(MEMORY)}
    assert listed(store) - listed(other)
    assert found == {*content(other), "README"}
    assert memory.cat_file("memory://bucket/y") == b"neighbour"
    assert content(fetch(MEMORY)) == content(other)


def test_what_is_not_ours_is_never_overwritten(store, memory):
    memory.pipe_file(f"{MEMORY}/thesis.pdf", b"years")
    with pytest.raises(ValueError, match=r"no artefact of c2rl: thesis.pdf. Nothing was changed"):
        push(store, MEMORY)
    memory.pipe_file(f"{MEMORY}/meta.json", b'{"kind": "another program\'s"}')
    with pytest.raises(ValueError, match=r"no artefact of c2rl: meta.json, thesis.pdf"):
        push(store, MEMORY)
    assert [*memory.find(MEMORY)] == ["/bucket/x.zarr/meta.json", "/bucket/x.zarr/thesis.pdf"]


def test_a_file_beside_our_store_that_would_be_overwritten_is_told(store, other, memory):
    push(other, MEMORY)
    name = min(listed(store) - listed(other))
    memory.pipe_file(f"{MEMORY}/{name}", b"a stranger's")
    with pytest.raises(ValueError, match=rf"no artefact of c2rl: {name}"):
        push(store, MEMORY)
    assert content(fetch(MEMORY)) == content(other)


@pytest.mark.parametrize("how_many", [0, 1, 7])
def test_a_push_that_was_killed_leaves_nothing_to_read_and_the_next_completes_it(
    store, other, memory, monkeypatch, how_many
):
    push(store, MEMORY)
    put_file = type(memory).put_file
    sent = []

    def dies(self, *args, **kwargs):
        if len(sent) == how_many:
            raise KeyboardInterrupt
        sent.append(args)
        return put_file(self, *args, **kwargs)

    monkeypatch.setattr(remote, "AT_ONCE", 1)
    with monkeypatch.context() as patch:
        patch.setattr(type(memory), "put_file", dies)
        with pytest.raises(KeyboardInterrupt):
            push(other, MEMORY)
    with pytest.raises(FileNotFoundError, match=r"no meta.json"):
        fetch(MEMORY)
    push(other, MEMORY)
    assert {name.removeprefix("/bucket/x.zarr/") for name in memory.find(MEMORY)} == {
        *content(other)
    }
    assert content(fetch(MEMORY)) == content(other)


def test_a_journal_that_was_torn_stands_in_nobodys_way(store, memory):
    memory.pipe_file(f"{MEMORY}/{remote.JOURNAL}", b'["me')
    push(store, MEMORY)
    assert not memory.exists(f"{MEMORY}/{remote.JOURNAL}")
    assert content(fetch(MEMORY)) == content(store)


def test_only_what_is_complete_and_sound_is_pushed(store, memory):
    flip(store / CHUNK, 3)
    with pytest.raises(ValueError, match=rf"damaged: {CHUNK} is not what was written"):
        push(store, MEMORY)
    (store / "meta.json").unlink()
    with pytest.raises(FileNotFoundError, match=r"f.zarr has no meta.json"):
        push(store, MEMORY)
    assert not memory.find(MEMORY)


@pytest.mark.parametrize("scheme", ["s3", "gs"])
def test_a_driver_that_is_missing_is_named(scheme, monkeypatch):
    driver = {"s3": "s3fs", "gs": "gcsfs"}[scheme]
    monkeypatch.setitem(sys.modules, driver, None)
    monkeypatch.delitem(_registry, scheme, raising=False)  # what was imported before
    wanted = {"s3": r"Run: pip install 'c2rl\[s3\]'", "gs": "Please install gcsfs"}[scheme]
    with pytest.raises(ValueError, match=rf"^{scheme}://b/x: the driver of .* {wanted}"):
        FeatureStore(f"{scheme}://b/x")


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("ssx://b/x", r"^ssx://b/x cannot be opened: Protocol not known: ssx$"),
        ("memory://", r"^memory:// names no place"),
        ("file:///", r"^file:/// names no place"),
        ("s3:///", r"^s3:/// names no place"),
        ("x.zarr", r"^x.zarr names no place"),
    ],
)
def test_a_url_that_cannot_be_opened_is_told(url, told):
    with pytest.raises(ValueError, match=told):
        fetch(url)


def test_an_s3_server_keeps_a_store_that_stock_zarr_reads(server, store):
    push(store, S3)
    assert server.asked[-2:] == ["PUT x.zarr/meta.json", f"DELETE x.zarr/{remote.JOURNAL}"]
    assert content(FeatureStore(S3).path) == content(store)
    before = len(server.asked)
    FeatureStore(S3)
    assert server.asked[before:] == ["GET x.zarr/meta.json"]
    stock = start(STOCK)
    assert json.loads(stock.communicate(timeout=60)[0]) == [[n / 8 for n in range(56)], [0, 4, 5]]


def test_a_push_to_s3_that_breaks_off_is_completed(server, store, other):
    push(store, S3)
    server.refuses = lambda asked: asked == "PUT x.zarr/dev/features/c/0/0"
    with pytest.raises(OSError, match=rf"^{S3}/dev/features/c/0/0 cannot be used: Access Denied"):
        push(other, S3)
    with pytest.raises(FileNotFoundError, match=r"no meta.json"):
        fetch(S3)
    server.refuses = lambda asked: False
    push(other, S3)
    assert content(fetch(S3)) == content(other)
    left = fsspec.filesystem("s3").find(S3, refresh=True)
    assert {name.split("x.zarr/", 1)[1] for name in left} == {*content(other)}


def test_what_an_s3_server_refuses_is_told_in_one_line(server, store, monkeypatch):
    with pytest.raises(FileNotFoundError, match=r"no meta.json"):
        fetch(S3)
    with pytest.raises(FileNotFoundError, match=r"^s3://nowhere/x.zarr does not exist: .*bucket"):
        push(store, "s3://nowhere/x.zarr")
    push(store, S3)
    copy = fetch(S3)
    server.refuses = lambda asked: True
    with pytest.raises(OSError, match=rf"^{S3} cannot be used: Access Denied. Check address"):
        fetch(S3)
    server.stop()
    with pytest.raises(OSError, match=rf"^{S3} cannot be used: Could not connect to .* Check"):
        fetch(S3)
    assert len(FeatureStore(copy)["train"]) == 5


def test_two_that_want_the_same_store_fetch_it_once(server, store, cache):
    push(store, S3)
    both = [start(FETCH) for _ in range(2)]
    copies = {one.communicate(timeout=60)[0].decode().strip() for one in both}
    assert [one.returncode for one in both] == [0, 0]
    assert len(copies) == 1
    assert content(cache / "artefacts" / copies.pop().rsplit("/", 1)[1]) == content(store)
    for name in listed(store):
        assert server.count(f"GET x.zarr/{name}") == 1
    assert server.count("GET x.zarr/meta.json") == 2


def test_a_fetch_that_was_killed_goes_on(server, store, cache):
    push(store, S3)
    stuck, wait = threading.Event(), threading.Event()

    def hold(asked):
        if asked == f"GET x.zarr/{CHUNK}":
            stuck.set()
            wait.wait(60)
        return False

    server.refuses = hold
    process = start(FETCH)
    assert stuck.wait(60)
    others = sum(len(data) for name, data in content(store).items() if name != "meta.json")
    others -= (store / CHUNK).stat().st_size
    deadline = time.monotonic() + 60
    while sum(file.stat().st_size for file in small_store.files(cache)) < others:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate(timeout=60)
    wait.set()
    server.refuses = lambda asked: False
    assert not list(cache.rglob("meta.json"))
    server.asked.clear()
    assert content(fetch(S3)) == content(store)
    wanted = ("GET x.zarr/meta.json", f"HEAD x.zarr/{CHUNK}", f"GET x.zarr/{CHUNK}")
    assert server.asked == [*wanted]
