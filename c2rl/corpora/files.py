"""Reading annotation files as they really are: encodings, delimiters, and what is no text."""

import csv
import io
import re
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import NamedTuple

_PAGE = re.compile(rb"\s*(<!doctype html|<html)", re.IGNORECASE)
"""How a file begins that a browser should have shown: a quota or log-in page, saved as the data."""
_MOJIBAKE = re.compile("[\u00c2-\u00f4][\u0080-\u00bf]")
"""A lead byte and a continuation byte of UTF-8, each read as a Latin-1 character."""


class Line(NamedTuple):
    """One row of a table."""

    number: int
    """Of the line in the file, from 1."""
    values: dict[str, str]
    """Column to cell, exactly as written."""


def first(root: Path, *names: str) -> Path | None:
    """Find the first of several places that exists.

    Args:
        root: Folder of the release.
        names: Relative paths in the order of preference.

    Returns:
        Its path; None if there is none.
    """
    return next((root / name for name in names if (root / name).exists()), None)


def is_page(head: bytes) -> bool:
    """Tell a web page that was saved in the place of a file.

    Args:
        head: At least the first 64 bytes of the file.

    Returns:
        True for HTML.
    """
    return _PAGE.match(head.removeprefix(b"\xef\xbb\xbf")) is not None


def read_text(path: Path) -> str:
    """Read a UTF-8 file; a byte order mark is dropped.

    Args:
        path: An existing file.

    Returns:
        Its text, line ends as they are.

    Raises:
        ValueError: If it is a web page or another encoding; the message tells the line.
    """
    data = path.read_bytes()
    if is_page(data):
        raise ValueError(
            f"{path} is a web page, not an annotation file: the download failed (a quota or a"
            " log-in page was saved). Obtain it again."
        )
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        found = data[error.start : error.start + 1].hex()
        raise ValueError(
            f"{path} is not valid:\n  line {line}: byte 0x{found} is not UTF-8. Save it as UTF-8."
        ) from None


def read_table(
    path: Path, *, delimiter: str, columns: Sequence[str], quoted: bool
) -> Iterator[Line]:
    """Read a delimited file with a header line.

    Args:
        path: An existing file.
        delimiter: Between the cells.
        columns: Names that the header must have; others may stand beside them.
        quoted: Whether cells are quoted as CSV has it; otherwise quotes are text.

    Yields:
        The rows below the header.

    Raises:
        ValueError: If the header or a row is not as expected; the message tells the line.
    """
    text = io.StringIO(read_text(path), newline="")
    reader = csv.reader(
        text,
        delimiter=delimiter,
        quoting=csv.QUOTE_MINIMAL if quoted else csv.QUOTE_NONE,
        strict=quoted,
    )
    try:
        header = next(reader, [])
        missing = [name for name in columns if name not in header]
        if missing:
            found = repr(delimiter.join(header))
            raise ValueError(
                f"{path}: columns missing: {', '.join(missing)}; found the header {found[:120]},"
                f" expected {', '.join(columns)} with {delimiter!r} between them."
            )
        for row in reader:
            if not row:
                continue
            if len(row) != len(header):
                raise ValueError(
                    f"{path}: line {reader.line_num} has {len(row)} cells, expected {len(header)}."
                )
            yield Line(reader.line_num, dict(zip(header, row, strict=True)))
    except csv.Error as error:
        raise ValueError(f"{path}: line {reader.line_num}: {error}.") from None


def is_mojibake(text: str) -> bool:
    """Tell whether UTF-8 was once decoded as Latin-1.

    Args:
        text: A sentence.

    Returns:
        True where `repaired` would change it.

    Example:
        >>> is_mojibake("you\u00e2\u0080\u0099re"), is_mojibake("\u00e0 la carte")
        (True, False)
    """
    return repaired(text) != text


def repaired(text: str) -> str:
    """Undo a decoding of UTF-8 as Latin-1, stretch by stretch, and leave all else alone.

    Args:
        text: A sentence.

    Returns:
        The sentence as its author wrote it.

    Example:
        >>> repaired("you\u00e2\u0080\u0099re \u00e0 la carte")
        'you’re à la carte'
    """

    def mend(found: re.Match[str]) -> str:
        try:
            return found[0].encode("latin-1").decode("utf-8")
        except UnicodeError:
            return found[0]

    if not _MOJIBAKE.search(text):
        return text
    return re.sub("[\u0080-\u00ff]+", mend, text)


def seconds(text: str) -> float:
    """Read a time.

    Args:
        text: Seconds, or HH:MM:SS with or without a fraction.

    Returns:
        Seconds, 0 or more.

    Raises:
        ValueError: If it is neither.

    Example:
        >>> seconds("00:01:14.100"), seconds("0.26")
        (74.1, 0.26)
    """
    told = re.fullmatch(r"(?:(\d+):(\d{1,2}):)?(\d+(?:\.\d+)?)", text.strip())
    if told is None:
        raise ValueError(f"'{text}' is no time")
    return round(int(told[1] or 0) * 3600 + int(told[2] or 0) * 60 + float(told[3]), 6)


def is_inside(source: str) -> bool:
    """Tell whether a path from an annotation stays below its root, links aside.

    Args:
        source: As annotated.

    Returns:
        False for absolute paths and for paths with `..`.
    """
    path = PurePosixPath(source)
    return bool(source) and not path.is_absolute() and ".." not in path.parts and "\0" not in source


def below(folder: Path, name: str, root: Path) -> str:
    """Tell where a file lies whose name comes from an annotation.

    Args:
        folder: Where it should be.
        name: As annotated.
        root: Folder of the release.

    Returns:
        Its path relative to the root; the bare name where that leads outside, so that whoever opens
        it refuses it.
    """
    return f"{folder.relative_to(root).as_posix()}/{name}" if is_inside(name) else name
