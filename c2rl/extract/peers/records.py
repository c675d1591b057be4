"""What a project's files of features say: the same records for every format."""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NamedTuple

from c2rl.corpora.clip import SPLITS
from c2rl.extract.peers.tensors import Array, kind

NATIVE = {
    **{split: split for split in SPLITS},
    **dict.fromkeys(("val", "valid", "validation"), "dev"),
}
"""What splits are called, and what we call them."""


class Told(NamedTuple):
    """What the files tell of a clip; None where they do not."""

    id: str
    split: str | None = None
    sentence: str | None = None
    language: str | None = None
    signer: str | None = None
    group: str | None = None
    num_frames: int = 0


class Found(NamedTuple):
    """A clip, and its features when they are asked for."""

    told: Told
    read: Callable[[], Array]
    """Gives floating-point numbers, (T, C) where the file is right; ValueError says what is wrong,
    FileNotFoundError that a listed file is not there."""


class Peer(NamedTuple):
    """All that a project's files hold."""

    clips: list[Found]
    files: list[Path]
    """What was read."""
    notes: list[str]
    """What a user should know, one line each."""


class Fields:
    """The fields of one clip; everything is asked for with its type."""

    def __init__(self, path: Path, key: str | int, fields: Any) -> None:
        """Take an entry of a file.

        Args:
            path: The file, for messages.
            key: Which entry it is.
            fields: A dictionary, or the entry is refused.
        """
        self.path, self.key = path, key
        if type(fields) is not dict:
            raise self._wrong(f"is of type {kind(fields)}; expected a dictionary")
        self.all: dict[Any, Any] = fields

    def text(self, name: str) -> str | None:
        """Read text; None where there is none, a number as its digits."""
        value = self.all.get(name)
        if value is not None and type(value) not in (str, int):
            raise self._wrong(f"has a {name} of type {kind(value)}; expected text")
        text = None if value is None else str(value)
        if text and any("\ud800" <= letter <= "\udfff" for letter in text):
            raise self._wrong(f"has a {name} with half a character; expected text")
        return text or None

    def count(self, name: str) -> int:
        """Read a number of frames; 0 where there is none."""
        value = self.all.get(name)
        is_count = type(value) is int and 0 <= value < 1 << 31
        return value if is_count else 0  # type: ignore[return-value]

    def told(self, split: str | None, *, frames: str) -> Told:
        """Read what GFSLT-VLP's and neccam's entries share.

        Args:
            split: Of the file; None: its name does not say.
            frames: Field of the number of frames.

        Returns:
            The clip; its name begins with a split, or does not.
        """
        name = self.text("name")
        if name is None:
            raise self._wrong("has no name; expected one")
        own = self.text("split")
        head, slash, tail = name.partition("/")
        if own is None and slash and head in NATIVE:
            own, name = NATIVE[head], tail
        elif own is not None:
            name = name.removeprefix(f"{own}/")
        if own and split and own != split:
            raise self._wrong(f"is of {own}; expected {split}")
        if not name or not name.isprintable():
            raise self._wrong("has a name that cannot be printed")
        return Told(
            id=name,
            split=own or split,
            sentence=self.text("text"),
            language=self.text("language"),
            signer=self.text("signer"),
            group=self.text("group"),
            num_frames=self.count(frames),
        )

    def _wrong(self, what: str) -> ValueError:
        return ValueError(f"{self.path}: entry {repr(self.key)[:80]} {what}.")


def placed(path: Path, root: Path) -> Told:
    """Tell a clip by where its file lies.

    Args:
        path: The clip's own file.
        root: The folder of all.

    Returns:
        Its name is the file's; its split that folder's above it that is named like one.
    """
    folders = path.relative_to(root).parts[:-1]
    return Told(path.stem, next((NATIVE[name] for name in folders if name in NATIVE), None))


def file_name(id_: str) -> str:
    """Refuse what is no name of a file.

    Args:
        id_: A clip's id.

    Returns:
        The same.

    Raises:
        ValueError: If no file can be called that.
    """
    is_plain = id_ not in ("", ".", "..") and not {"/", "\\", "\0"} & set(id_)
    if not is_plain or len(id_.encode()) > 200 or not id_.isprintable():
        raise ValueError(
            f"clip {id_!r} cannot have a file of its name. Export to a format of one file a split"
            " (gfslt, neccam)."
        )
    return id_


def ordered(splits: Iterable[str]) -> list[str]:
    """Put splits in the usual order.

    Args:
        splits: Names, repeated or not.

    Returns:
        Each once: train, dev, test, then others.
    """
    found = set(splits)
    return [s for s in SPLITS if s in found] + sorted(found - set(SPLITS))
