"""Exports on the hub: read from its cache without a network, or refused in one line."""

import json
import shutil

import huggingface_hub
import pytest
from huggingface_hub import constants

from c2rl import provenance
from c2rl.app import places
from c2rl.app.export import export
from c2rl.app.load import load

KINDS = {"encoder": "encoders", "translator": "translators", "retriever": "retrievers"}


@pytest.fixture(scope="module")
def exported(world, tmp_path_factory):
    """An export of each kind."""
    folder = tmp_path_factory.mktemp("exported")
    for kind, place in KINDS.items():
        export(world.path(place), folder / kind, metrics=world.folder / "metrics")
    return folder


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """An empty cache of the hub's, and no network."""
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    real = huggingface_hub.snapshot_download

    def snapshot(name, *, revision=None, local_files_only=False, **options):
        assert local_files_only, "the network was asked"
        return real(name, revision=revision, local_files_only=True, cache_dir=tmp_path / "hub")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", snapshot)
    return tmp_path / "hub"


def put(cache, folder, *, name="me/signs", commit="a" * 40, ref="main"):
    """Lay a folder out as the hub's cache does: blobs by their hash, and links to them."""
    home = cache / f"models--{name.replace('/', '--')}"
    for file in sorted(path for path in folder.rglob("*") if path.is_file()):
        blob = home / "blobs" / provenance.hash_file(file)
        link = home / "snapshots" / commit / file.relative_to(folder)
        for place in (blob, link):
            place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, blob)
        link.symlink_to(blob)
    (home / "refs").mkdir(parents=True, exist_ok=True)
    (home / "refs" / ref).write_text(commit)
    return home / "snapshots" / commit


@pytest.mark.parametrize("kind", KINDS)
def test_a_cached_export_is_read_without_a_network(world, exported, cache, kind):
    put(cache, exported / kind)
    found = load(places.local("hf://me/signs"))
    assert type(found) is type(load(world.path(KINDS[kind])))
    assert found.meta.fingerprint == load(world.path(KINDS[kind])).meta.fingerprint


def test_a_cached_retriever_searches_as_the_one_at_home(world, exported, cache):
    put(cache, exported / "retriever")
    ours, theirs = load(world.path("retrievers")), load(places.local("hf://me/signs"))
    mine, his = ours.search("der mann", top=3), theirs.search("der mann", top=3)
    assert [(hit.id, hit.score) for hit in mine] == [(hit.id, hit.score) for hit in his]


def test_a_revision_is_found_by_its_name_or_its_commit(exported, cache):
    first = put(cache, exported / "encoder", commit="b" * 40, ref="v1.0")
    second = put(cache, exported / "translator", commit="c" * 40)
    assert places.local("hf://me/signs@v1.0") == first
    assert places.local(f"hf://me/signs@{'b' * 40}") == first
    assert places.local("hf://me/signs") == second


@pytest.mark.parametrize("lost", ["meta.json", "model.safetensors", "embeddings.zarr/meta.json"])
def test_an_incomplete_cache_is_refused_in_one_line(exported, cache, lost):
    (put(cache, exported / "retriever") / lost).unlink()
    with pytest.raises(FileNotFoundError) as error:
        places.local("hf://me/signs")
    told = str(error.value)
    assert f"no {lost} in the Hugging Face cache" in told
    assert str(cache / "models--me--signs") in told
    assert "HF_HUB_OFFLINE is set. Run `hf download me/signs`" in told
    assert "\n" not in told


@pytest.mark.parametrize("content", ["{", "[]", '{"files": {"../x": {"bytes": 0}}}'])
def test_what_is_no_artefact_is_refused(exported, cache, content):
    link = put(cache, exported / "encoder") / "meta.json"
    link.unlink()
    link.write_text(content)
    with pytest.raises(ValueError, match="hf://me/signs is no artefact of c2rl"):
        places.local("hf://me/signs")


@pytest.mark.parametrize(
    "address", ["hf://", "hf://signs", "hf://me/signs/deep", "hf://me/../x", "hf://me/signs@"]
)
def test_what_is_no_address_is_told(cache, address):
    with pytest.raises(ValueError, match="is no hub id: expected hf://owner/name"):
        places.local(address)


def test_only_what_is_listed_is_downloaded(exported, cache, monkeypatch):
    """First the list, then what it lists; other files of the repository are left there."""
    asked = []

    def snapshot(name, *, revision=None, local_files_only=False, allow_patterns=None, **options):
        if local_files_only:
            raise FileNotFoundError("nothing cached")
        asked.append(allow_patterns)
        for pattern in allow_patterns:
            place = cache / "down" / pattern
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(exported / "encoder" / pattern, place)
        return str(cache / "down")

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(huggingface_hub, "snapshot_download", snapshot)
    assert load(places.local("hf://me/signs")).meta.kind == "encoder"
    files = json.loads((exported / "encoder/meta.json").read_text())["files"]
    assert asked == [["meta.json"], [*files]]


def test_a_hub_that_lacks_a_file_is_told(exported, cache, monkeypatch):
    def snapshot(name, *, local_files_only=False, **options):
        shutil.copytree(exported / "encoder", cache / "down", dirs_exist_ok=True)
        (cache / "down/config.json").unlink()
        return str(cache / "down")

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(huggingface_hub, "snapshot_download", snapshot)
    with pytest.raises(FileNotFoundError, match=r"no config\.json in .*, and the hub has none"):
        places.local("hf://me/signs")


def test_load_reads_an_address_of_the_hub(exported, cache):
    put(cache, exported / "translator")
    assert load("hf://me/signs").meta.kind == "translator"
