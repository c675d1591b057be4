"""Folders and the cache are looked at first; what cannot be had is named, with its place."""

from pathlib import Path

import huggingface_hub
import pytest
from huggingface_hub import constants

from c2rl.language import hub

FILES = ("config.json", "model.safetensors", "tokenizer.json")


@pytest.fixture
def cache(tmp_path, monkeypatch) -> Path:
    """An empty cache, and no network."""
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    real = huggingface_hub.snapshot_download

    def snapshot(name: str, *, local_files_only: bool = False, **options: object) -> str:
        if not local_files_only:
            raise ConnectionError("no network\nand advice")
        return real(name, local_files_only=True, cache_dir=tmp_path)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", snapshot)
    return tmp_path


def put(folder: Path, *names: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        (folder / name).write_text("{}", encoding="utf-8")
    return folder


def cached(cache: Path, *names: str) -> Path:
    refs = put(cache / "models--some--model" / "refs")
    (refs / "main").write_text("abc", encoding="utf-8")
    return put(cache / "models--some--model" / "snapshots" / "abc", *names)


def test_what_is_cached_is_taken_without_a_network(cache) -> None:
    folder = cached(cache, *FILES)
    assert hub.find("some/model", weights=True) == folder


def test_a_tokenizer_alone_is_enough_where_no_weights_are_wanted(cache) -> None:
    folder = cached(cache, "tokenizer.json")
    assert hub.find("some/model", weights=False) == folder
    with pytest.raises(FileNotFoundError, match=r"no config\.json; model\.safetensors or pytorch_"):
        hub.find("some/model", weights=True)


def test_what_is_not_cached_is_named_with_its_place_in_one_line(cache, monkeypatch) -> None:
    with pytest.raises(FileNotFoundError) as error:
        hub.find("some/model", weights=True)
    said = str(error.value)
    assert "\n" not in said
    assert str(cache / "models--some--model") in said
    assert "config.json; model.safetensors or pytorch_model.bin; tokenizer.json or" in said
    assert "ConnectionError: no network)" in said
    assert "`hf download some/model`" in said
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(FileNotFoundError, match="HF_HUB_OFFLINE is set"):
        hub.find("some/model", weights=True)


def test_safetensors_are_fetched_and_a_bin_only_where_there_are_none(cache, monkeypatch) -> None:
    asked: list[list[str]] = []

    def snapshot(name: str, *, allow_patterns: list[str] | None = None, **options: object) -> str:
        if allow_patterns is None:
            raise FileNotFoundError("nothing cached")
        asked.append(allow_patterns)
        return str(put(cache / "got", *(FILES if len(asked) == needed else FILES[::2])))

    monkeypatch.setattr(huggingface_hub, "snapshot_download", snapshot)
    for needed in (1, 2):
        asked.clear()
        assert hub.find("some/model", weights=True) == cache / "got"
        assert len(asked) == needed
        (cache / "got" / "model.safetensors").unlink()
    assert "model*.safetensors" in asked[0]
    assert "pytorch_model*.bin" not in asked[0]
    assert "pytorch_model*.bin" in asked[1]


def test_a_folder_that_lacks_something_is_told_what(tmp_path) -> None:
    put(tmp_path, "config.json")
    with pytest.raises(
        FileNotFoundError, match=r"lacks model\.safetensors or pytorch_model\.bin; "
    ):
        hub.find(str(tmp_path), weights=True)


def test_all_shards_of_the_weights_must_be_there(tmp_path) -> None:
    put(tmp_path, "config.json", "spiece.model", "one.safetensors")
    index = '{"weight_map": {"a": "one.safetensors", "b": "two.safetensors"}}'
    (tmp_path / "model.safetensors.index.json").write_text(index, encoding="utf-8")
    assert hub.missing(tmp_path, weights=True) == ["model.safetensors or pytorch_model.bin"]
    put(tmp_path, "two.safetensors")
    assert hub.find(str(tmp_path), weights=True) == tmp_path


@pytest.mark.parametrize("name", ["/no/where", "./nowhere", "a/b/c", "some/../model", ""])
def test_what_is_no_hub_id_is_never_asked_for(name, monkeypatch) -> None:
    monkeypatch.setattr(huggingface_hub, "snapshot_download", None)
    with pytest.raises(FileNotFoundError, match="is not at hand: it is neither a folder nor a hub"):
        hub.find(name, weights=True)
