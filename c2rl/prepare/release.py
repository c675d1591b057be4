"""Which release of a corpus is used: where it lies, and a small fingerprint of it that is in git.

DVC does not hash licensed releases. It hashes `data/corpora/<dataset>.json`, which
`c2rl corpus check` writes and stage `prepare` compares with what lies on the disk.
"""

import importlib
import json
import os
from collections import Counter
from pathlib import Path
from typing import Any

from c2rl import provenance
from c2rl.corpora.clip import Clip
from c2rl.corpora.find import corpus
from c2rl.corpora.synthsign import GENERATOR


def find_root(name: str, knobs: dict[str, Any]) -> Path:
    """Tell where a corpus lies.

    Args:
        name: Value of the parameter `dataset`.
        knobs: Parameters of SynthSign, each set of which has a folder of its own.

    Returns:
        Folder `<dataset>` below environment variable `C2RL_DATA`, or below `data/raw`.
    """
    root = Path(os.environ.get("C2RL_DATA") or "data/raw") / name
    return root / provenance.fingerprint([GENERATOR, knobs]) if name == "synthsign" else root


def describe(name: str, root: Path) -> dict[str, Any]:
    """Fingerprint a release by its annotations; the videos are checked as they are read.

    A corpus module may have a function `annotations(root)` that lists its annotation files; without
    it, what `clips(root)` returns is hashed.

    Args:
        name: Value of the parameter `dataset`.
        root: Folder of the release.

    Returns:
        What `data/corpora/<dataset>.json` should hold.

    Raises:
        FileNotFoundError: If the release is not there.
        ValueError: If its annotations are wrong.
    """
    if name == "synthsign":
        return {"dataset": name, "generator": GENERATOR}
    return _describe(name, root, read(name, root))


def _describe(name: str, root: Path, clips: list[Clip]) -> dict[str, Any]:
    module = importlib.import_module(f"c2rl.corpora.{name}")
    if hasattr(module, "annotations"):
        files = sorted(Path(file) for file in module.annotations(root))
        hashes = {f.relative_to(root).as_posix(): provenance.hash_file(f) for f in files}
    else:
        hashes = {"clips": provenance.fingerprint([clip._asdict() for clip in clips])}
    counts = dict(Counter(clip.split for clip in clips))
    return {"dataset": name, "clips": counts, "annotations": hashes}


def read(name: str, root: Path) -> list[Clip]:
    """Read a corpus's annotations.

    Args:
        name: Value of the parameter `dataset`.
        root: Folder of the release.

    Returns:
        Its clips; at least one.

    Raises:
        FileNotFoundError: If the release is not there.
        ValueError: If its annotations are wrong, or two clips have the same id.
    """
    found = corpus(name)
    if not root.is_dir():
        raise FileNotFoundError(
            f"{root} does not exist. {found.facts.obtain} Put {name} there, or set C2RL_DATA to the"
            f" folder that holds {name}/."
        )
    clips = found.clips(root)
    twice = [name for name, count in Counter(clip.id for clip in clips).items() if count > 1]
    if twice:
        raise ValueError(f"{root}: {len(twice)} ids appear more than once, first {twice[0]}.")
    if not clips:
        raise ValueError(f"{root} has no clips.")
    return clips


def check(path: Path, name: str, root: Path, clips: list[Clip]) -> dict[str, Any]:
    """Compare a release with its fingerprint in git.

    Args:
        path: `data/corpora/<dataset>.json`.
        name: Value of the parameter `dataset`.
        root: Folder of the release.
        clips: Its clips, as read.

    Returns:
        The fingerprint.

    Raises:
        FileNotFoundError: If there is no fingerprint.
        ValueError: If it differs.
    """
    remedy = f"Run `c2rl corpus check {name} --root {root}`."
    if name == "synthsign":
        remedy = f'Put {{"dataset": "synthsign", "generator": {GENERATOR}}} there.'
    if not path.is_file():
        raise FileNotFoundError(f"{path} is missing. {remedy}")
    try:
        expected: dict[str, Any] = dict(json.loads(path.read_text(encoding="utf-8")))
    except (ValueError, TypeError):
        raise ValueError(f"{path} is not a JSON object. {remedy}") from None
    found = describe(name, root) if name == "synthsign" else _describe(name, root, clips)
    if found == expected:
        return found
    told = [
        f"{key} is {_short(found, key)}, expected {_short(expected, key)}"
        for key in sorted(found.keys() | expected.keys())
        if found.get(key) != expected.get(key)
    ]
    raise ValueError(f"{root} is not the release of {path}: {'; '.join(told)}. {remedy}")


def _short(value: dict[str, Any], key: str) -> str:
    text = json.dumps(value.get(key), ensure_ascii=False)
    return text if len(text) <= 120 else text[:117] + "..."
