"""Label files that other projects ship: which clips and sentences they hold, exactly as stored.

| kind | project | file | holds |
|---|---|---|---|
| `gfslt` | GFSLT-VLP | `labels.<split>` | gzip: `<split>/<name>` to name, text, length |
| `unisign` | Uni-Sign | `labels.<split>` | gzip: name (often with `.mp4`) to name, text |
| `neccam` | neccam/slt, TwoStream | `phoenix14t.<split>`, ... | gzip: list of name, text, signer |
| `cico` | CiCo | `<split>.pkl` | sentence id to clips, or name to clip |
| `corrnet` | CorrNet | `<split>_info.npy` | number to fileid, folder and the release's own line |

Sentences are returned as they are: neccam's end in ` .`, and those of How2Sign carry mojibake in
Uni-Sign's and CiCo's files. Glosses, alignments, translations and paths of frames are not read.
"""

import contextlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from c2rl.corpora import unpickle
from c2rl.corpora.clip import SPLITS


class Label(NamedTuple):
    """A clip's name and sentence, as another project has them."""

    name: str
    """As in the data set: without split and `.mp4`."""
    sentence: str
    split: str | None = None
    """None: neither the file nor the caller says."""
    num_frames: int | None = None
    signer: str | None = None
    group: str | None = None
    """Id of the sentence: clips that share it sign the same one."""


class Labelled(NamedTuple):
    """All label files of a project."""

    rows: list[tuple[str, Label]]
    """Split and label, train before dev before test."""
    files: list[Path]
    absent: list[str]
    """Splits that the project has no file for."""


class RawBox(NamedTuple):
    """CiCo's box of a signer, in pixels of the recording; `w` and `h` are not the differences."""

    x1: int
    y1: int
    x2: int
    y2: int
    w: int
    h: int


def find(root: Path, kind: str, *, splits: Iterable[str] = SPLITS) -> dict[str, Path]:
    """Find the label files of a project.

    Args:
        root: Searched with its folders `<kind>`, `labels` and `labels/<kind>`.
        kind: gfslt, unisign, neccam, cico or corrnet.
        splits: Which are wanted; not every project has files for all three.

    Returns:
        The file of each split, in that order.

    Raises:
        FileNotFoundError: If a split has none.
        ValueError: If a split has several, or the kind is unknown.
    """
    _, patterns = _of_kind(kind)
    folders = [root, root / kind, root / "labels", root / "labels" / kind]
    found = {}
    for split in splits:
        names = [name.replace("*", split) for name in patterns]
        paths = [folder / name for folder in folders for name in names]
        there = [path for path in paths if path.is_file()]
        if not there:
            raise FileNotFoundError(
                f"{root} holds no {kind} labels of {split}: expected {' or '.join(names)} in it or"
                f" in its folders {kind}, labels or labels/{kind}."
            )
        if len(there) > 1:
            told = ", ".join(str(path.relative_to(root)) for path in there)
            raise ValueError(f"{root} holds {told}; expected one of them. Remove the others.")
        found[split] = there[0]
    return found


def read_all(root: Path, kind: str) -> Labelled:
    """Read what a project has of a corpus.

    Args:
        root: See `find`.
        kind: gfslt, unisign, neccam, cico or corrnet.

    Returns:
        The labels of every split that has a file.

    Raises:
        FileNotFoundError: If no split has one.
        ValueError: If a file is not of that kind.
    """
    found: dict[str, Path] = {}
    for split in SPLITS:
        with contextlib.suppress(FileNotFoundError):
            found |= find(root, kind, splits=[split])
    if not found:
        find(root, kind)  # tells where it looked
    rows = [(s, label) for s, path in found.items() for label in read(path, kind, split=s)]
    absent = [f"{split}: no {kind} labels" for split in SPLITS if split not in found]
    return Labelled(rows, list(found.values()), absent)


def read(path: Path, kind: str, *, split: str | None = None) -> list[Label]:
    """Read a label file.

    Args:
        path: The file.
        kind: gfslt, unisign, neccam, cico or corrnet.
        split: What the file is for. CiCo's `dev.pkl` of PHOENIX-2014T holds train and dev: of dev
            are those clips that `train.pkl` beside it does not have.

    Returns:
        A label for each clip in the order of the file.

    Raises:
        FileNotFoundError: If the file, or CiCo's `train.pkl` beside a `dev.pkl`, is not there.
        ValueError: If it is not of that kind, says another split, or repeats a name.
    """
    reader, _ = _of_kind(kind)
    labels: dict[str, Label] = {}
    for label in reader(path):
        if split is not None and label.split not in (None, split):
            raise ValueError(f"{path}: {label.name} is of {label.split}; expected {split}.")
        if label.name in labels:
            raise ValueError(f"{path}: {label.name} is there twice; expected once.")
        labels[label.name] = label._replace(split=label.split or split)
    if kind == "cico" and split == "dev":
        train = {label.name for label in _cico(path.with_name("train.pkl"))}
        labels = {name: label for name, label in labels.items() if name not in train}
    if not labels:
        raise ValueError(f"{path} has no clips{f' of {split}' if split else ''}.")
    return list(labels.values())


def boxes(path: Path) -> dict[str, RawBox]:
    """Read CiCo's boxes of How2Sign's signers (`bounding_box_coco_<split>.pkl`).

    Args:
        path: The file.

    Returns:
        `<VIDEO_NAME>_clip<i>.mp4` to its box, where clip i is the i-th (from 0) of a recording in
        the order of starts.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is not of that kind.
    """
    return {
        key: RawBox(*(_Entry(path, key, box).number(n, least=-(1 << 31)) for n in RawBox._fields))
        for key, box in _dictionary(path).items()
    }


class _Entry:
    """What a file says of a clip; everything is asked for with its type."""

    def __init__(self, path: Path, key: str | int, fields: Any) -> None:
        self.path, self.key, self.fields = path, key, fields
        if type(fields) is not dict:
            raise self.wrong(f"is of type {_kind(fields)}; expected a dictionary")

    def text(self, field: str) -> str:
        value = self.fields.get(field)
        if type(value) is not str:
            raise self.wrong(f"has a {field} of type {_kind(value)}; expected text")
        try:
            value.encode()
        except UnicodeEncodeError:
            raise self.wrong(f"has a {field} with half a character; expected text") from None
        return value

    def number(self, field: str, *, least: int = 0) -> int:
        value = self.fields.get(field)
        if type(value) is not int:
            raise self.wrong(f"has a {field} of type {_kind(value)}; expected a number")
        if not least <= value < 1 << 31:
            raise self.wrong(f"has a {field} out of range; expected {least} to {(1 << 31) - 1}")
        return value

    def num_frames(self) -> int | None:
        return self.number("num_frames") if "num_frames" in self.fields else None

    def split_and_name(self, field: str) -> tuple[str | None, str]:
        """Part `<split>/<name>`; names become paths, so they must lead nowhere else."""
        head, slash, tail = self.text(field).rpartition("/")
        name = tail.removesuffix(".mp4")
        if slash and head not in SPLITS:
            raise self.wrong(f"has a {field} that begins with neither train/, dev/ nor test/")
        if not name.isprintable() or "\\" in name or name in ("", ".", ".."):
            raise self.wrong(f"has a {field} that cannot be a file's")
        return head or None, name

    def wrong(self, what: str) -> ValueError:
        return ValueError(f"{self.path}: entry {repr(self.key)[:80]} {what}.")


def _kind(value: Any) -> str:
    return "nothing" if value is None else type(value).__name__


def _loaded(path: Path, kind: type) -> Any:
    found = unpickle.load(path)
    if type(found) is not kind:
        raise ValueError(f"{path} holds a {_kind(found)}; expected a {kind.__name__} of entries.")
    return found


def _dictionary(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = _loaded(path, dict)
    for key in found:
        if type(key) is not str:
            raise ValueError(f"{path} has the key {key}; expected names for keys.")
    return found


def _named_entries(path: Path) -> Iterator[_Entry]:
    for key, fields in _dictionary(path).items():
        entry = _Entry(path, key, fields)
        if entry.text("name") != key:
            raise entry.wrong("has another name; expected that of its key")
        yield entry


def _gfslt(path: Path) -> Iterator[Label]:
    for entry in _named_entries(path):
        split, name = entry.split_and_name("name")
        yield Label(name, entry.text("text"), split, entry.number("length"))


def _unisign(path: Path) -> Iterator[Label]:
    for entry in _named_entries(path):
        split, name = entry.split_and_name("name")
        entry.text("video_path")  # tells these files from GFSLT's
        yield Label(name, entry.text("text"), split)


def _neccam(path: Path) -> Iterator[Label]:
    for number, fields in enumerate(_loaded(path, list)):
        entry = _Entry(path, number, fields)
        split, name = entry.split_and_name("name")
        is_number = type(fields.get("signer")) is int  # CSL-Daily's
        signer = str(entry.number("signer")) if is_number else entry.text("signer")
        yield Label(name, entry.text("text"), split, entry.num_frames(), signer)


def _cico(path: Path) -> Iterator[Label]:
    for key, value in _dictionary(path).items():
        for fields in value if type(value) is list else [value]:
            entry = _Entry(path, key, fields)
            split, name = entry.split_and_name("video_name")
            # Where a text was translated for an English model, the original stands beside it.
            sentence = entry.text("ori_text" if "ori_text" in fields else "text")
            yield Label(name, sentence, split, entry.num_frames(), group=key)


def _corrnet(path: Path) -> Iterator[Label]:
    for key, fields in _loaded(path, dict).items():
        if key == "prefix":  # a folder on somebody's disk
            continue
        entry = _Entry(path, key, fields)
        columns = entry.text("original_info").split("|")
        if len(columns) != 7:
            raise entry.wrong(f"has {len(columns)} columns; expected PHOENIX-2014T's seven")
        _, name = entry.split_and_name("fileid")
        folder = entry.text("folder").split("/")[0]
        split = folder if folder in SPLITS else None
        yield Label(name, columns[-1], split, entry.number("num_frames"), entry.text("signer"))


_KINDS = {
    "gfslt": (_gfslt, ("labels.*",)),
    "unisign": (_unisign, ("labels.*",)),
    "neccam": (
        _neccam,
        ("phoenix14t.pami0.*", "phoenix14t.*", "phoenix-2014t.*", "csl-daily.*"),
    ),
    "cico": (_cico, ("*.pkl",)),
    "corrnet": (_corrnet, ("*_info.npy",)),
}
"""How a kind is read, and its file names with a star for the split."""


def _of_kind(kind: str) -> tuple[Callable[[Path], Iterator[Label]], tuple[str, ...]]:
    if kind not in _KINDS:
        raise ValueError(f"labels of kind '{kind}' are unknown. Known: {', '.join(_KINDS)}.")
    return _KINDS[kind]
