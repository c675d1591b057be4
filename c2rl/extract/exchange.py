"""Features of other projects into a feature store, and out of it: `c2rl features import | export`.

An imported store has no encoder, and says so; its stages downstream are the same. What cannot be
imported is named, clip by clip; what is left is proved to be there. Export and import again give
the same float16 numbers.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from c2rl import provenance
from c2rl.corpora.clip import Clip
from c2rl.extract.peers import per_clip, per_split
from c2rl.extract.peers.foreign import Scratch
from c2rl.extract.peers.records import Found, Peer, Told, ordered
from c2rl.extract.peers.tensors import Array
from c2rl.extract.texts import NONE, Texts
from c2rl.store.features import HIGHEST, FeatureStore, write_feature_store
from c2rl.store.listed import kind_at
from c2rl.store.manifest import OK, Row

_SPLIT = re.compile(r"\w[\w-]*")
"""Splits are folders of a store, and parts of the names of exported files."""

_MOST_FILES = 16
"""Files whose hashes a store names; of more it names one hash of all."""


class _Format(NamedTuple):
    read: Callable[[Path, Scratch], Peer]
    write: Callable[[Path, FeatureStore, Path], None]


_FORMATS = {
    "gfslt": _Format(per_split.read_gfslt, per_split.write_gfslt),
    "neccam": _Format(per_split.read_neccam, per_split.write_neccam),
    "ssvp": _Format(per_clip.read_ssvp, per_clip.write_ssvp),
    "npy": _Format(per_clip.read_npy_folder, per_clip.write_npy_folder),
    "cico": _Format(per_clip.read_cico, per_clip.write_cico),
}


class Imported(NamedTuple):
    """What became of the clips."""

    clips: dict[str, int]
    """Split to number of clips in the store."""
    width: int
    left_out: list[tuple[str, str]]
    """Clips that are not to be there, and why: without a sentence, or known to be wrong."""
    failed: list[tuple[str, str]]
    """Clips that should be there and are not, and why."""
    notes: list[str]
    """What a user should know, one line each."""


class _Usable(NamedTuple):
    row: Row
    read: Callable[[], Array]
    length: int
    width: int


def import_features(
    source: Path,
    form: str,
    out: Path,
    *,
    texts: Texts = NONE,
    language: str | None = None,
    split: str | None = None,
    postfix: str = "",
) -> Imported:
    """Make a feature store of another project's features.

    Args:
        source: Its file or folder.
        form: gfslt, neccam, ssvp, npy or cico.
        out: Feature store to write.
        texts: Sentences, splits, languages and groups that the files do not tell.
        language: ISO 639-1 code of the sentences, where nothing else tells it.
        split: Of the clips, where nothing else tells it.
        postfix: What follows the clip's name in the name of its file.

    Returns:
        What became of the clips; complete only if none failed.

    Raises:
        FileNotFoundError: If there are no such files.
        FileExistsError: If something else than a feature store is at `out`.
        ValueError: If a file is damaged, asks for more than data, or has a clip twice; if no clip
            can be imported.
    """
    read = _format(form).read
    _refuse_other(out, "features")
    out.parent.mkdir(parents=True, exist_ok=True)
    with _naming(out), Scratch(out.parent) as scratch:
        peer = read(source, scratch)
        wanted, left_out = _joined(
            peer, texts, source, language=language, split=split, postfix=postfix
        )
        usable, failed = _checked(wanted)
        failed += _absent(wanted, left_out, texts, source)
        if not usable:
            id_, reason = (failed + left_out)[0]
            raise ValueError(f"{source}: no clip can be imported; {id_}: {reason}")
        made_from = {
            "imported": form,
            "files": _files(source, peer.files),
            "texts": texts.made_from,
            "encoder": None,
            "profile": texts.profile,
            "left_out": sorted(id_ for id_, _ in left_out),
            "failed": sorted(id_ for id_, _ in failed),
        }
        write_feature_store(
            out,
            [clip.row for clip in usable],
            (clip.read() for clip in usable),
            lengths=[clip.length for clip in usable],
            width=usable[0].width,
            made_from=made_from,
        )
    clips = Counter(clip.row.clip.split for clip in usable)
    notes = [*peer.notes, *_splits_without(clips, texts)]
    return Imported(dict(clips), usable[0].width, left_out, failed, notes)


def told(done: Imported) -> list[str]:
    """Sum up an import.

    Args:
        done: From `import_features`.

    Returns:
        Lines for a person.
    """
    counts = ", ".join(f"{n} clips of {split}" for split, n in done.clips.items())
    lines = [*done.notes, f"{counts}, {done.width} columns"]
    for clips, what in ((done.left_out, "left out"), (done.failed, "failed")):
        if clips:
            lines.append(f"{len(clips)} clips {what}")
    return lines


def export_features(store: Path, form: str, out: Path) -> dict[str, int]:
    """Write a feature store as another project's reader expects it.

    Args:
        store: Feature store.
        form: gfslt, neccam, ssvp, npy or cico.
        out: Folder to write: complete or absent, with a `meta.json` that readers pass over.

    Returns:
        Split to number of clips.

    Raises:
        FileNotFoundError: If there is no such store.
        FileExistsError: If something else than an export is at `out`.
        ValueError: If the format cannot hold a clip's id or sentence.
    """
    write = _format(form).write
    found = FeatureStore(store)
    _refuse_other(out, "export")
    counts = {split: len(found[split]) for split in found}
    made_from = {"features": found.meta.fingerprint, "format": form}
    with (
        _naming(out),
        provenance.artefact(out, "export", made_from=made_from, counts=counts) as folder,
    ):
        write(folder, found, out)
    return counts


def _format(form: str) -> _Format:
    if form not in _FORMATS:
        raise ValueError(f"format '{form}' is unknown. Known: {', '.join(_FORMATS)}.")
    return _FORMATS[form]


@contextmanager
def _naming(out: Path) -> Iterator[None]:
    """Say where there is no room: writing to an open file fails without its name."""
    try:
        yield
    except OSError as error:
        if error.errno and not error.filename:  # of the system, not a sentence of ours
            error.filename = str(out)
        raise


def _refuse_other(out: Path, kind: str) -> None:
    """Replace nothing but what was made by the same command."""
    found = kind_at(out) or "something else"
    if out.exists() and found != kind:
        raise FileExistsError(
            f"{out} holds {found}, and would be replaced. Name another place with --out."
        )


def _joined(
    peer: Peer,
    texts: Texts,
    source: Path,
    *,
    language: str | None,
    split: str | None,
    postfix: str,
) -> tuple[list[tuple[Clip, Found]], list[tuple[str, str]]]:
    """Give every clip its sentence, split and language; tell those that are to be left out."""
    wanted: dict[str, tuple[Clip, Found]] = {}
    left_out: dict[str, str] = {}
    for found in peer.clips:
        clip = _clip(found.told, texts.find(found.told.id, postfix), postfix)
        clip = clip._replace(
            split=clip.split or split or "", language=clip.language or language or ""
        )
        if clip.id in wanted or clip.id in left_out:
            raise ValueError(f"{source}: clip {clip.id} is there twice; expected once.")
        if clip.id in texts.refused:
            left_out[clip.id] = texts.refused[clip.id]
        elif not clip.sentence.strip():
            left_out[clip.id] = "no sentence: give --dataset or --table if there is one"
        elif not clip.split:
            raise ValueError(f"{source}: {clip.id} has no split. Give --split, or a --table.")
        elif not _SPLIT.fullmatch(clip.split):
            raise ValueError(f"{source}: {clip.id} is of split {clip.split!r}; expected a word.")
        elif not clip.language:
            raise ValueError(f"{source}: nothing tells the language of {clip.id}. Give --language.")
        else:
            wanted[clip.id] = clip, found
    rank = ordered(clip.split for clip, _ in wanted.values())
    return sorted(wanted.values(), key=lambda w: rank.index(w[0].split)), list(left_out.items())


def _clip(told: Told, known: Clip | None, postfix: str) -> Clip:
    """Prefer what the file says, and take the rest from the corpus."""
    base = known or Clip(told.id.removesuffix(postfix), "", "", "", "")
    return base._replace(
        split=told.split or base.split,
        sentence=told.sentence or base.sentence,
        language=told.language or base.language,
        signer=told.signer or base.signer,
        group=told.group or base.group,
    )


def _checked(
    wanted: Iterable[tuple[Clip, Found]],
) -> tuple[list[_Usable], list[tuple[str, str]]]:
    """Read every clip once before the store is begun: one that is wrong does not stop the rest."""
    usable: list[_Usable] = []
    failed = []
    for clip, found in wanted:
        try:
            length, width = _shape(found.read())
        except (ValueError, FileNotFoundError) as error:
            failed.append((clip.id, str(error)))
            continue
        row = Row(clip, OK, num_frames=found.told.num_frames, fps=clip.fps or 0.0)
        usable.append(_Usable(row, found.read, length, width))
    widths = Counter(clip.width for clip in usable)
    usual = max(widths, key=lambda width: widths[width], default=0)
    failed += [
        (clip.row.clip.id, f"has {clip.width} columns; the others have {usual}")
        for clip in usable
        if clip.width != usual
    ]
    return [clip for clip in usable if clip.width == usual], failed


def _shape(values: Array) -> tuple[int, int]:
    if values.ndim != 2 or 0 in values.shape:
        raise ValueError(f"has the shape {values.shape}; expected rows and columns")
    if not np.isfinite(values).all() or np.abs(values).max() > HIGHEST:
        raise ValueError("holds a value that float16 cannot")
    return values.shape[0], values.shape[1]


def _absent(
    wanted: list[tuple[Clip, Found]], left_out: list[tuple[str, str]], texts: Texts, source: Path
) -> Iterator[tuple[str, str]]:
    """Name what the corpus or the table has in the same splits and the files have not."""
    splits = {clip.split for clip, _ in wanted}
    there = {clip.id for clip, _ in wanted} | {id_ for id_, _ in left_out}
    for id_, clip in texts.clips.items():
        is_expected = clip.sentence.strip() and id_ not in texts.refused
        if is_expected and id_ not in there and (clip.split in splits or not clip.split):
            yield id_, f"has no features in {source}"


def _splits_without(clips: Counter[str], texts: Texts) -> list[str]:
    lacking = ordered(c.split for c in texts.clips.values() if c.split and not clips[c.split])
    return [f"no features of {', '.join(lacking)}, which the corpus has"] if lacking else []


def _files(source: Path, paths: list[Path]) -> dict[str, Any]:
    root = source if source.is_dir() else source.parent
    hashes = {path.relative_to(root).as_posix(): provenance.hash_file(path) for path in paths}
    if len(hashes) <= _MOST_FILES:
        return hashes
    return {"number": len(hashes), "hash of all names and hashes": provenance.fingerprint(hashes)}
