"""Features in one file a clip, with tables beside them: SSVP-SLT, SpaMo, multimodalhugs, CiCo.

| format | clip | table |
|---|---|---|
| `ssvp` | `features/0/<first 5 letters>/<name>.pt`: tensor | `manifests/<split>_features.tsv` |
| `npy` | `<split>/<name>.npy` | `<split>.tsv` with `signal` and `output` (multimodalhugs) |
| `cico` | `<split>/<name>.pkl`: name, feature | `<split>.pkl`: sentence id to clips |

Where there is no table, every clip's file is taken. All are written in float32, with which the
peers' readers compute.
"""

import csv
import io
from collections.abc import Iterator
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from c2rl.corpora import files, labels
from c2rl.extract.peers import clip_files, pickled
from c2rl.extract.peers.clip_files import read_npy, read_pt
from c2rl.extract.peers.foreign import Scratch
from c2rl.extract.peers.records import NATIVE, Found, Peer, Told, file_name, placed
from c2rl.provenance import write_atomic
from c2rl.store.features import FeatureSplit, FeatureStore
from c2rl.store.manifest import Row

_VALIDATION = {"dev": {"ssvp": "val", "npy": "validation"}}
_SIGNALS = ("signal", "signal_start", "signal_end", "encoder_prompt", "decoder_prompt", "output")
_OWN = ("id", "split", "language", "signer", "group")
"""Columns of ours, which multimodalhugs passes over."""


def read_ssvp(root: Path, scratch: Scratch) -> Peer:
    """Read the tensors of SSVP-SLT.

    Args:
        root: Folder with `features`, and where there are any, `manifests`.
        scratch: Not needed.

    Returns:
        Its clips; of features that were extracted several times, the first.
    """
    del scratch
    _require_folder(root)
    features = files.first(root, "features/0", "features") or root
    tables = sorted((root / "manifests").glob("*_features.tsv"))
    epochs = [f.name for f in sorted((root / "features").glob("*")) if f.name.isdigit()]
    notes = [f"only epoch 0 of {', '.join(epochs)} is read"] if len(epochs) > 1 else []
    clips = []
    for table in tables:
        name = table.stem.removesuffix("_features")
        for told, place in _manifest(table, NATIVE.get(name, name)):
            clips.append(Found(told, partial(read_pt, features / place)))
    if not tables:
        paths = sorted(features.rglob("*.pt"))
        clips = [Found(placed(path, root), partial(read_pt, path)) for path in paths]
    return _peer(root, clips, tables, "*.pt", notes)


def _manifest(table: Path, split: str) -> Iterator[tuple[Told, str]]:
    for number, line in enumerate(files.read_text(table).split("\n"), 1):
        if not line.strip():
            continue
        cells = line.strip("\r").split("\t")
        if len(cells) != 3:
            raise ValueError(
                f"{table}: line {number} has {len(cells)} cells; expected name, length, sentence."
            )
        name = cells[0].rpartition(".")[0] or cells[0]
        place = f"{cells[0][:5]}/{name}.pt"
        if not files.is_inside(place) or not name:
            raise ValueError(f"{table}: line {number} has a name that cannot be a file's.")
        yield Told(PurePosixPath(name).name, split, cells[2]), place


def read_npy_folder(root: Path, scratch: Scratch) -> Peer:
    """Read the arrays of SpaMo or multimodalhugs.

    Args:
        root: Folder of arrays, and where there are any, of tables.
        scratch: Not needed.

    Returns:
        Its clips.
    """
    del scratch
    _require_folder(root)
    tables = sorted(root.glob("*.tsv"))
    clips = [found for table in tables for found in _signals(table)]
    if not tables:
        paths = sorted(root.rglob("*.npy"))
        clips = [Found(placed(path, root), partial(read_npy, path)) for path in paths]
    return _peer(root, clips, tables, "*.npy", [])


def _signals(table: Path) -> Iterator[Found]:
    for line in files.read_table(table, delimiter="\t", columns=("signal", "output"), quoted=True):
        cells = line.values
        if any(cells.get(name) not in (None, "", "0") for name in ("signal_start", "signal_end")):
            raise ValueError(
                f"{table}: line {line.number} is a part of its file; expected whole files."
            )
        signal = PurePosixPath(cells["signal"])
        id_, split, language, signer, group = (cells.get(name) or None for name in _OWN)
        split = split or NATIVE.get(table.stem, table.stem)
        told = Told(id_ or signal.stem, split, cells["output"], language, signer, group)
        yield Found(told, partial(read_npy, _signal(table.parent, signal)))


def _signal(root: Path, signal: PurePosixPath) -> Path:
    """Find a table's file below its own folder, to which it may have been moved."""
    parts = [part for part in signal.parts if part not in ("/", "..", ".")]
    places = [root.joinpath(*parts[start:]) for start in range(len(parts))]
    return next((place for place in places if place.is_file()), root.joinpath(*parts[-2:]))


def read_cico(root: Path, scratch: Scratch) -> Peer:
    """Read the I3D features of CiCo.

    Args:
        root: Folder of features, and where there are any, of sentences.
        scratch: Not needed: each clip has a file of its own, and so a scratch of its own.

    Returns:
        Its clips.
    """
    del scratch
    _require_folder(root)
    tables = [path for path in sorted(root.glob("*.pkl")) if (root / path.stem).is_dir()]
    clips = []
    for table in tables:
        split = NATIVE.get(table.stem, table.stem)
        is_alone = split == "dev" and not (root / "train.pkl").is_file()
        for label in labels.read(table, "cico", split=None if is_alone else split):
            told = Told(
                label.name, split, label.sentence, None, label.signer, label.group,
                label.num_frames or 0,
            )  # fmt: skip
            path = root / table.stem / f"{label.name}.pkl"
            clips.append(Found(told, partial(clip_files.read_i3d, path)))
    if not tables:
        paths = sorted(root.rglob("*.pkl"))
        clips = [Found(placed(path, root), partial(clip_files.read_i3d, path)) for path in paths]
    return _peer(root, clips, tables, "*.pkl", [])


def _peer(
    root: Path, clips: list[Found], tables: list[Path], pattern: str, notes: list[str]
) -> Peer:
    paths = [path for path in sorted(root.rglob(pattern)) if path not in tables]
    if not paths:
        raise FileNotFoundError(f"{root} holds no {pattern}: expected one a clip.")
    return Peer(clips, [*tables, *paths], notes)


def _require_folder(root: Path) -> None:
    if not root.is_dir():
        raise FileNotFoundError(f"{root} is not there, or is no folder.")


def write_ssvp(folder: Path, store: FeatureStore, final: Path) -> None:
    """Write tensors and manifests as SSVP-SLT's reader expects them.

    Args:
        folder: Existing folder to write into.
        store: What is exported.
        final: Where the folder will lie.

    Raises:
        ValueError: If a sentence does not fit on a line.
    """
    del final
    for split in store:
        lines = []
        for row, values in _clips(store[split]):
            sentence = row.clip.sentence
            if not sentence.strip() or set(sentence) & set("\t\r\n"):
                raise ValueError(
                    f"the sentence of {row.clip.id} is empty, or has a tab or a line feed, which a"
                    " manifest of SSVP-SLT cannot hold."
                )
            name = f"{row.clip.id}.mp4"  # its reader drops what follows the last point
            path = folder / "features/0" / name[:5] / f"{row.clip.id}.pt"
            clip_files.write_pt(path, values)
            lines.append(f"{name}\t{len(values)}\t{sentence}\n")
        name = _VALIDATION.get(split, {}).get("ssvp", split)
        write_atomic(folder / "manifests" / f"{name}_features.tsv", "".join(lines))


def write_npy_folder(folder: Path, store: FeatureStore, final: Path) -> None:
    """Write arrays as SpaMo's and multimodalhugs' readers expect them, and tables for the latter.

    Args:
        folder: Existing folder to write into.
        store: What is exported.
        final: Where the folder will lie; multimodalhugs leaves out, without a word, what it does
            not find from where it is started.
    """
    for split in store:
        table = io.StringIO(newline="")
        writer = csv.writer(table, delimiter="\t", lineterminator="\n")
        writer.writerow([*_SIGNALS, *_OWN])
        for row, values in _clips(store[split]):
            clip = row.clip
            place = f"{split}/{clip.id}.npy"
            clip_files.write_npy(folder / place, values)
            signal = (final.resolve() / place).as_posix()
            own = (clip.id, split, clip.language, clip.signer or "", clip.group or "")
            writer.writerow([signal, 0, 0, "", "", clip.sentence, *own])
        name = _VALIDATION.get(split, {}).get("npy", split)
        write_atomic(folder / f"{name}.tsv", table.getvalue())


def write_cico(folder: Path, store: FeatureStore, final: Path) -> None:
    """Write features and sentences as CiCo's readers expect them.

    Args:
        folder: Existing folder to write into.
        store: What is exported.
        final: Where the folder will lie.
    """
    del final
    for split in store:
        sentences: dict[str, list[dict[str, Any]]] = {}
        for row, values in _clips(store[split]):
            fields = {"name": row.clip.id, "feature": pickled.array(values)}
            path = folder / split / f"{row.clip.id}.pkl"
            clip_files.write_pieces(path, pickled.pickle_of(fields))
            sentences.setdefault(row.clip.group or row.clip.id, []).append(
                {
                    "video_name": row.clip.id,
                    "text": row.clip.sentence,
                    "num_frames": row.num_frames or len(values),
                }
            )
        clip_files.write_pieces(folder / f"{split}.pkl", pickled.pickle_of(sentences))


def _clips(split: FeatureSplit) -> Iterator[tuple[Row, pickled.Floats]]:
    for number, row in enumerate(split.rows):
        file_name(row.clip.id)
        yield row, split[number].astype(np.float32)
