"""Where pretrained weights and tokenizers lie: a folder, or the Hugging Face cache.

What the cache holds is taken without asking the network. Only what is missing is fetched, and not
that where `HF_HUB_OFFLINE` is set.
"""

import json
import re
from collections.abc import Callable
from pathlib import Path

from c2rl.language import vocabulary

_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)?")
_SETTINGS = ["*.json", "*.txt", "*.model"]
_WEIGHTS = ("model.safetensors", "pytorch_model.bin")
_WANTED_TOKENIZER = "tokenizer.json or sentencepiece.bpe.model or spiece.model"


def find(name: str, *, weights: bool) -> Path:
    """Find a folder of the hub's format.

    Args:
        name: A folder, or a hub id.
        weights: Whether weights and `config.json` are needed as well as a tokenizer.

    Returns:
        The folder; it holds what is needed.

    Raises:
        FileNotFoundError: If it cannot be had, with the files that are wanted and their place.
    """
    folder = Path(name).expanduser()
    if name and folder.is_dir():
        lacking = missing(folder, weights=weights)
        if lacking:
            raise FileNotFoundError(f"{name} lacks {'; '.join(lacking)}. Put it there")
        return folder
    if not _HUB_ID.fullmatch(name):
        raise FileNotFoundError(
            f"{name or repr(name)} is not at hand: it is neither a folder nor a hub id; wanted is a"
            f" folder with {'; '.join(missing(folder, weights=weights))}"
        )
    return _cached(name, weights=weights)


def missing(folder: Path, *, weights: bool) -> list[str]:
    """List what a folder of the hub's format lacks.

    Args:
        folder: Any; it need not exist.
        weights: As for `find`.

    Returns:
        Names of files, alternatives in one string.
    """
    lacking = []
    if weights and not (folder / "config.json").is_file():
        lacking.append("config.json")
    if weights and not any(_is_whole(folder, name) for name in _WEIGHTS):
        lacking.append(" or ".join(_WEIGHTS))
    old_style = (folder / "vocab.json", folder / "vocab.txt")
    has_tokenizer = any((folder / name).is_file() for name in vocabulary.FILES)
    if not has_tokenizer and not any(file.is_file() for file in old_style):
        lacking.append(_WANTED_TOKENIZER)
    return lacking


def _is_whole(folder: Path, name: str) -> bool:
    """Tell whether weights are there in one file, or all of their shards."""
    if (folder / name).is_file():
        return True
    index = folder / f"{name}.index.json"
    if not index.is_file():
        return False
    shards = set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values())
    return all((folder / shard).is_file() for shard in shards)


def _cached(name: str, *, weights: bool) -> Path:
    from huggingface_hub import constants, snapshot_download

    def fetch(patterns: list[str]) -> Path:
        return Path(snapshot_download(name, allow_patterns=patterns, max_workers=2))

    folder = _try(lambda: Path(snapshot_download(name, local_files_only=True)))
    if isinstance(folder, Path) and not missing(folder, weights=weights):
        return folder
    why = "HF_HUB_OFFLINE is set"
    if not constants.HF_HUB_OFFLINE:
        wanted = [[*_SETTINGS, "model*.safetensors"], [*_SETTINGS, "pytorch_model*.bin"]]
        for patterns in wanted if weights else [_SETTINGS]:
            folder = _try(lambda patterns=patterns: fetch(patterns))  # type: ignore[misc]
            if isinstance(folder, str):
                why = folder
                break
            if not missing(folder, weights=weights):
                return folder
            why = f"the hub has no {'; '.join(missing(folder, weights=weights))}"
    lacking = missing(folder if isinstance(folder, Path) else Path("/nowhere"), weights=weights)
    raise FileNotFoundError(
        f"{name} is not at hand: no {'; '.join(lacking)} in the Hugging Face cache"
        f" ({Path(constants.HF_HUB_CACHE) / ('models--' + name.replace('/', '--'))}), and {why}."
        f" Run `hf download {name}` where there is a network, or put these files into a folder and"
        " give its path"
    )


def _try(call: Callable[[], Path]) -> Path | str:
    """Call, or say in a few words why it failed."""
    try:
        return call()
    except Exception as error:  # of the hub, of its HTTP client and of sockets
        said = (str(error).strip().splitlines() or ["no reason given"])[0]  # the rest is advice
        return f"a download failed ({type(error).__name__}: {said[:120]})"
