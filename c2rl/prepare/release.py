"""Which release of a corpus is used: where it lies, and a small fingerprint of it that is in git.

DVC does not hash licensed releases. It hashes `data/corpora/<dataset>.json`, which
`c2rl corpus check` writes and stage `prepare` compares with what lies on the disk: the content of
the annotation files; names, sizes and times of videos and of folders of frames.
"""

import hashlib
import json
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from c2rl import provenance
from c2rl.corpora.clip import Annotations, Choice
from c2rl.corpora.find import corpus
from c2rl.corpora.synthsign import GENERATOR
from c2rl.video.files import ClipError, images, refuse_gap, safe_path


class Medium(NamedTuple):
    """A video file or a folder of frames, as far as the file system tells."""

    num_frames: int | None
    """Images in a folder; None for a video file."""
    num_bytes: int
    """Of a video file; 0 for a folder."""
    changed_s: int
    """Time of the last change, in whole seconds."""
    head: bytes
    """First bytes of a video file."""
    gap: str = ""
    """Lost frame of a folder, in words."""


def find_root(name: str, knobs: Mapping[str, Any] | None = None) -> Path:
    """Tell where a corpus lies.

    Args:
        name: Value of the parameter `dataset`.
        knobs: Parameters of SynthSign, each set of which has a folder of its own.

    Returns:
        Folder `<dataset>` below environment variable `C2RL_DATA`, or below `data/raw`; the folder
        that `C2RL_DATA` names, where that is the release itself.
    """
    base = Path(os.environ.get("C2RL_DATA") or "data/raw")
    root = base / name
    if name == "synthsign":
        return root / provenance.fingerprint([GENERATOR, knobs])
    marks = corpus(name).facts.marks
    is_release = any((base / mark).exists() for mark in marks)
    return base if is_release and not root.is_dir() else root


def read(name: str, root: Path, choice: Choice) -> Annotations:
    """Read a corpus's annotations.

    Args:
        name: Value of the parameter `dataset`.
        root: Folder of the release.
        choice: How it is read.

    Returns:
        Its clips; at least one.

    Raises:
        FileNotFoundError: If the release is not there.
        ValueError: If its annotations are wrong, or two clips have the same id.
    """
    facts, reader = corpus(name).facts, corpus(name).read
    if choice.labels not in facts.labels:
        raise ValueError(
            f"prepare.labels is '{choice.labels}', but {name} can be read from"
            f" {', '.join(facts.labels)}."
        )
    if not root.is_dir():
        raise FileNotFoundError(
            f"{root} does not exist. {facts.obtain} Put {name} there, or set C2RL_DATA to the"
            f" release or to the folder that holds {name}/."
        )
    found = reader(root, choice)
    ids = Counter(entry.clip.id for entry in found.entries)
    twice = [id_ for id_, count in ids.items() if count > 1]
    if twice:
        raise ValueError(
            f"{root}: {len(twice)} ids appear more than once, first '{twice[0]}'. Mend the"
            " annotation files: an id names one clip."
        )
    if not found.entries:
        expected = ", ".join(facts.marks)
        raise FileNotFoundError(
            f"{root} has no annotations of {name}, expected one of {expected}. {facts.obtain}"
        )
    return found


def media(root: Path, found: Annotations) -> dict[str, Medium | None]:
    """Look at the files of a release without reading them.

    Args:
        root: Folder of the release.
        found: What its annotations say.

    Returns:
        Source of each clip to what is there; None where it is absent or outside the root.
    """
    sources = dict.fromkeys(entry.clip.source for entry in found.entries)
    return {source: _medium(root, source) for source in sources}


def _medium(root: Path, source: str) -> Medium | None:
    try:
        path = safe_path(root, source)
        status = path.stat()
        if path.is_dir():
            frames = images(path)
            return Medium(len(frames), 0, int(status.st_mtime), b"", _gap(frames))
        with path.open("rb") as file:
            return Medium(None, status.st_size, int(status.st_mtime), file.read(64))
    except (ClipError, OSError):
        return None


def _gap(frames: Sequence[Path]) -> str:
    try:
        refuse_gap(frames)
    except ClipError as error:
        return error.reason
    return ""


def describe(
    name: str, root: Path, choice: Choice, found: Annotations, seen: Mapping[str, Medium | None]
) -> dict[str, Any]:
    """Fingerprint a release.

    Args:
        name: Value of the parameter `dataset`.
        root: Folder of the release.
        choice: How it is read.
        found: What its annotations say.
        seen: What `media` saw.

    Returns:
        What `data/corpora/<dataset>.json` should hold.
    """
    lines = [
        f"{source}\t{m.num_frames}\t{m.num_bytes}\t{m.changed_s}\n"
        for source, m in sorted(seen.items())
        if m is not None
    ]
    digest = hashlib.blake2b("".join(lines).encode(), digest_size=16).hexdigest()
    return {
        "dataset": name,
        "labels": choice.labels,
        "clips": dict(Counter(entry.clip.split for entry in found.entries)),
        "annotations": {
            file.relative_to(root).as_posix(): provenance.hash_file(file) for file in found.files
        },
        "media": {"files": len(lines), "names_sizes_times": digest},
    }


def check(path: Path, name: str, root: Path, choice: Choice, found: Annotations) -> dict[str, Any]:
    """Compare a release with its fingerprint in git.

    Args:
        path: `data/corpora/<dataset>.json`.
        name: Value of the parameter `dataset`.
        root: Folder of the release.
        choice: How it is read.
        found: What its annotations say.

    Returns:
        The fingerprint.

    Raises:
        FileNotFoundError: If there is no fingerprint.
        ValueError: If it differs.
    """
    remedy = f"Run `c2rl corpus check {name} --root {root}"
    remedy += f" --labels {choice.labels}`." if choice.labels != "release" else "`."
    expected = _expected(path, remedy)
    now = describe(name, root, choice, found, media(root, found))
    if now != expected:
        raise ValueError(f"{root} is not the release of {path}: {_told(now, expected)}. {remedy}")
    return now


def check_generator(path: Path) -> dict[str, Any]:
    """Compare SynthSign's generator with its fingerprint in git.

    Args:
        path: `data/corpora/synthsign.json`.

    Returns:
        The fingerprint.

    Raises:
        FileNotFoundError: If there is no fingerprint.
        ValueError: If it differs.
    """
    now = {"dataset": "synthsign", "generator": GENERATOR}
    remedy = f"Put {json.dumps(now)} there."
    expected = _expected(path, remedy)
    if now != expected:
        raise ValueError(f"SynthSign is not that of {path}: {_told(now, expected)}. {remedy}")
    return now


def _expected(path: Path, remedy: str) -> dict[str, Any]:
    if not path.is_file():
        raise FileNotFoundError(f"{path} is missing. {remedy}")
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except (ValueError, TypeError):
        raise ValueError(f"{path} is not a JSON object. {remedy}") from None


def _told(now: dict[str, Any], expected: dict[str, Any]) -> str:
    return "; ".join(
        f"{key} is {_short(now, key)}, expected {_short(expected, key)}"
        for key in sorted(now.keys() | expected.keys())
        if now.get(key) != expected.get(key)
    )


def _short(value: dict[str, Any], key: str) -> str:
    text = json.dumps(value.get(key), ensure_ascii=False)
    return text if len(text) <= 120 else text[:117] + "..."
