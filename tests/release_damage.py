"""Ways in which a release is damaged on its way: each takes its root and a file's name in it.

Each returns the damaged path. Damage a copy (`copied`): the releases of a session are shared.
"""

import os
import pickle
import shutil
from pathlib import Path
from typing import Any

from release_films import Release

OUTSIDE = (
    "../../../../../../../../etc/passwd",
    "/etc/passwd",
    "a/../../../../../../../../etc/passwd",
)
"""Names that lead out of any root."""

PAGE = b"<!DOCTYPE html><html><head><title>Quota exceeded</title></head><body></body></html>\n"


def copied(release: Release, root: Path) -> Release:
    """Copy a release to another root, to be damaged there."""
    shutil.copytree(release.root, root, dirs_exist_ok=True)
    return release._replace(root=root)


def lose(root: Path, name: str) -> Path:
    """Remove a file or a folder: frames that were never unpacked, a split file never fetched."""
    path = root / name
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    return path


def lose_frame(root: Path, name: str, number: int) -> Path:
    """Remove one image of a folder of frames, counted from 0 in their order on disk."""
    path = sorted((root / name).iterdir(), key=lambda image: (len(image.name), image.name))[number]
    path.unlink()
    return path


def empty(root: Path, name: str) -> Path:
    """Leave a folder without its files, or a file without its bytes."""
    path = root / name
    if path.is_dir():
        shutil.rmtree(path)
        path.mkdir()
    else:
        path.write_bytes(b"")
    return path


def html(root: Path, name: str) -> Path:
    """Save a server's refusal under the file's name."""
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(PAGE)
    return path


def truncate(root: Path, name: str, share: float = 0.6) -> Path:
    """Keep only that share of a file's bytes, from its beginning."""
    path = root / name
    data = path.read_bytes()
    path.write_bytes(data[: int(share * len(data))])
    return path


def rename(root: Path, name: str, old: str, new: str) -> Path:
    """Write another text wherever that text stands: an id that leads out, a column, a delimiter."""
    path = root / name
    if path.suffix == ".pkl":
        content = pickle.loads(path.read_bytes())
        changed = _renamed(content, old, new)
        assert changed != content, f"{name} does not hold {old!r}"
        path.write_bytes(pickle.dumps(changed))
    else:
        text = path.read_bytes().decode("utf-8")
        assert old in text, f"{name} does not hold {old!r}"
        path.write_bytes(text.replace(old, new).encode("utf-8"))
    return path


def _renamed(content: Any, old: str, new: str) -> Any:
    if isinstance(content, dict):
        return {_renamed(k, old, new): _renamed(v, old, new) for k, v in content.items()}
    if isinstance(content, list):
        return [_renamed(one, old, new) for one in content]
    return content.replace(old, new) if isinstance(content, str) else content


def repeat(root: Path, name: str) -> Path:
    """Repeat the last line of a table, or the last clip of a pickle: an id that is there twice."""
    path = root / name
    if path.suffix == ".pkl":
        content = pickle.loads(path.read_bytes())
        content["info"].append(content["info"][-1])
        path.write_bytes(pickle.dumps(content))
    else:
        data = path.read_bytes()
        last = data.rstrip(b"\n").rsplit(b"\n", 1)[1]
        path.write_bytes(data.rstrip(b"\n") + b"\n" + last + b"\n")
    return path


def recode(root: Path, name: str, encoding: str = "latin-1") -> Path:
    """Save a text in another encoding than UTF-8: Latin-1, or gb18030 for Chinese."""
    path = root / name
    data = path.read_bytes()
    changed = data.decode("utf-8").encode(encoding)
    assert changed != data, f"{name} has no letter that {encoding} writes otherwise"
    path.write_bytes(changed)
    return path


def link_out(root: Path, name: str, outside: Path) -> Path:
    """Move a file or a folder out of the root and leave a link to it."""
    path = root / name
    shutil.move(path, outside)
    path.symlink_to(outside, target_is_directory=outside.is_dir())
    return path


class _Bomb:
    """Makes a folder when it is unpickled."""

    def __init__(self, marker: Path) -> None:
        self._marker = str(marker)

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (self._marker,)


def bomb(root: Path, name: str, marker: Path) -> Path:
    """Hide a call in a pickle that is otherwise as it was; who runs it makes the marker."""
    path = root / name
    content = pickle.loads(path.read_bytes())
    path.write_bytes(pickle.dumps({**content, "run": _Bomb(marker)}))
    return path
