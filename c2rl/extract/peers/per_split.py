"""Features in one file a split: a gzipped pickle, as GFSLT-VLP and neccam/slt have them.

| format | file | holds |
|---|---|---|
| `gfslt` | `features.<split>` | `<split>/<name>` to name, gloss, text, length, feature |
| `neccam` | `*.<split>`, `<split>.pkl` | list of name, signer, gloss, text, sign, num_frames |

Both are written with a language, a group and a split beside these, which their own readers pass
over, and in float32, with which their readers compute. Glosses are not read.
"""

import gzip
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from c2rl.extract.peers import foreign, pickled, tensors
from c2rl.extract.peers.foreign import Scratch
from c2rl.extract.peers.records import NATIVE, Fields, Found, Peer, ordered
from c2rl.store.features import FeatureStore
from c2rl.store.manifest import Row

_LEVEL = 1
"""Of compression: peers' readers unpack any, and the lower half of our numbers is zeros."""


def read_gfslt(root: Path, scratch: Scratch) -> Peer:
    """Read `features.<split>` of GFSLT-VLP.

    Args:
        root: Folder, or one of the files.
        scratch: Takes the features.

    Returns:
        Its clips.
    """
    clips: list[Found] = []
    files = _files(root)
    for path, split in files.items():
        entries = _loaded(path, scratch, dict)
        for key, value in entries.items():
            fields = Fields(path, key, value)
            fields.all.pop("imgs_path", None)  # a path a frame
            told = fields.told(split, frames="length")
            clips.append(Found(told, partial(tensors.array, fields.all.get("feature"), scratch)))
    return Peer(clips, list(files), [])


def read_neccam(root: Path, scratch: Scratch) -> Peer:
    """Read the lists of neccam/slt, which MMTLB and TwoStream have as well.

    Args:
        root: Folder, or one of the files.
        scratch: Takes the features.

    Returns:
        Its clips.
    """
    clips: list[Found] = []
    files = _files(root)
    for path, split in files.items():
        for number, value in enumerate(_loaded(path, scratch, list)):
            fields = Fields(path, number, value)
            told = fields.told(split, frames="num_frames")
            clips.append(Found(told, partial(tensors.array, fields.all.get("sign"), scratch)))
    return Peer(clips, list(files), [])


def write_gfslt(folder: Path, store: FeatureStore, final: Path) -> None:
    """Write `features.<split>` as GFSLT-VLP's reader expects it.

    Args:
        folder: Existing folder to write into.
        store: What is exported.
        final: Where the folder will lie.
    """
    del final

    def entries(split: str) -> Iterator[tuple[str, Any]]:
        for row, values in _clips(store, split):
            name = f"{split}/{row.clip.id}"
            fields = _shared(row, name, split) | {
                "length": row.num_frames or len(values),
                "imgs_path": [],
                "feature": pickled.tensor(values),
            }
            yield name, fields

    for split in store:
        _write(folder / f"features.{split}", pickled.dictionary_of(entries(split)))


def write_neccam(folder: Path, store: FeatureStore, final: Path) -> None:
    """Write `features.<split>` as neccam/slt's reader expects it.

    Args:
        folder: Existing folder to write into.
        store: What is exported.
        final: Where the folder will lie.
    """
    del final

    def entries(split: str) -> Iterator[Any]:
        for row, values in _clips(store, split):
            yield _shared(row, f"{split}/{row.clip.id}", split) | {
                "num_frames": row.num_frames or len(values),
                "sign": pickled.tensor(values),
            }

    for split in store:
        _write(folder / f"features.{split}", pickled.list_of(entries(split)))


def _clips(store: FeatureStore, split: str) -> Iterator[tuple[Row, pickled.Floats]]:
    for number, row in enumerate(store[split].rows):
        yield row, store[split][number].astype(np.float32)


def _shared(row: Row, name: str, split: str) -> dict[str, Any]:
    return {
        "name": name,
        "signer": row.clip.signer or "",
        "gloss": " ".join(row.clip.gloss or ()),
        "text": row.clip.sentence,
        "language": row.clip.language,
        "group": row.clip.group,
        "split": split,
    }


def _write(path: Path, pieces: Iterator[bytes]) -> None:
    # without a name and a time in it, equal features make equal files
    with (
        path.open("wb") as file,
        gzip.GzipFile("", "wb", _LEVEL, file, mtime=0) as packed,
    ):
        for piece in pieces:
            packed.write(piece)


def _files(root: Path) -> dict[Path, str | None]:
    """Find the file of each split."""
    if root.is_file():
        return {root: _split_of(root)}
    if not root.is_dir():
        raise FileNotFoundError(f"{root} is not there.")
    found = {path: _split_of(path) for path in sorted(root.iterdir()) if path.is_file()}
    usable: dict[Path, str] = {path: split for path, split in found.items() if split}
    for split in ordered(usable.values()):
        same = [path.name for path, other in usable.items() if other == split]
        if len(same) > 1:
            raise ValueError(f"{root} holds {', '.join(same)}; expected one file of {split}.")
    if not usable:
        raise FileNotFoundError(
            f"{root} holds no features.train, features.dev or features.test, nor other files whose"
            " name ends in a split."
        )
    rank = ordered(usable.values())
    return {path: usable[path] for path in sorted(usable, key=lambda p: rank.index(usable[p]))}


def _split_of(path: Path) -> str | None:
    end = path.suffix.removeprefix(".")
    if path.stem in NATIVE and end in ("pkl", "pickle", "gz"):
        return NATIVE[path.stem]
    return NATIVE.get(end, end or None if path.stem == "features" else None)


def _loaded(path: Path, scratch: Scratch, kind: type) -> Any:
    found = foreign.load(path, scratch)
    if type(found) is not kind:
        told = tensors.kind(found)
        raise ValueError(f"{path} holds a {told}; expected a {kind.__name__} of clips.")
    return found
