"""Other people's pickles, read as data: nothing in them is imported, called or executed.

A pickle is a program for a small stack machine, and some of its instructions import and call
whatever the file names. Here only those are left that build lists, tuples, dictionaries, text,
bytes and numbers. The few names that label files carry beside these (an empty tensor, an array
around a dictionary) become inert `Opaque` values; any other name or instruction is refused.
`c2rl/extract/peers/tensors.py` reads features on the same machine.

What comes out may hold itself and may be nested to any depth: never walk it by recursion.
"""

import io
import pickle
import re
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

GZIP, _NUMPY = b"\x1f\x8b", b"\x93NUMPY"
_HEADER = re.compile(rb"\{'descr': '\|O', 'fortran_order': (True|False), 'shape': \(\), \}\s*")
_STRANGERS = (
    (rb"(\xef\xbb\xbf)?\s*(<!doctype html|<html)", "a web page, not a pickle. Obtain it again"),
    (rb"version https://git-lfs", "a Git LFS pointer, not the file itself. Run 'git lfs pull'"),
    (rb"PK\x03\x04", "a zip archive, not a pickle. Unpack it first"),
)
RECONSTRUCT = ("numpy.core.multiarray._reconstruct", "numpy._core.multiarray._reconstruct")
ORDERED = "collections.OrderedDict"
INERT = frozenset(
    {
        *RECONSTRUCT,
        *("numpy.core.multiarray.scalar", "numpy._core.multiarray.scalar"),
        *("numpy.ndarray", "numpy.dtype", "_codecs.encode", ORDERED),
        *("torch._utils._rebuild_tensor_v2", "torch.storage._load_from_bytes"),
    }
)
BARE = "; label files hold only text and numbers. Do not use this file."
SMALL = 1 << 20
"""Bytes that any file may unpack to, whatever the ratio."""
_MOST_READS = 30_000_000
"""A path for each frame of PHOENIX-2014T takes 3.5 million; so many empty lists, 2.5 GB."""


class Opaque(NamedTuple):
    """What a pickle names and we do not make."""

    name: str
    """Module and name, as the file asks for them."""
    state: Any = None
    """What the file would have set it to."""


class RefusedError(ValueError):
    """Why a file is not read; the sentence begins with its path."""


def load(path: Path, *, most_bytes: int = 1 << 30, most_ratio: int = 200) -> Any:
    """Read a pickle, a gzipped pickle, or an `.npy` of one pickled object, and execute nothing.

    Args:
        path: The file; its first bytes tell what it is, not its suffix.
        most_bytes: Largest size of the file, and of what it unpacks to.
        most_ratio: Largest ratio of these two; peers' label files reach 16.

    Returns:
        Lists, tuples, dictionaries (their keys are text or 32-bit numbers), text, bytes, numbers,
        booleans, None and `Opaque` values.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is no pickle, damaged or too large, or asks for more than data.
    """
    if not path.is_file():
        raise FileNotFoundError(f"{path} is not there, or is no file.")
    source = Source(b"")
    with refusing(path, lambda: source.stream.tell()):
        data = _unpacked(path, most_bytes, most_ratio)
        source = Source(data)
        is_array = data.startswith(_NUMPY)
        if is_array:
            source.stream.seek(_end_of_header(data))
        value = Unpickler(source, encoding="utf-8").load()
        rest = len(data) - source.stream.tell()
        if rest:
            raise RefusedError(f"goes on for {rest} bytes after its end. Obtain it again.")
        return _inside_array(value) if is_array else value


@contextmanager
def refusing(path: Path, place: Callable[[], int]) -> Iterator[None]:
    """Tell in one line why a file is not read.

    Args:
        path: The file.
        place: Gives the byte that is read.

    Raises:
        ValueError: In the place of whatever is wrong with the file.
    """
    try:
        yield
    except RefusedError as refused:
        raise ValueError(f"{path} {refused}") from None
    except OSError:  # of the disk, not of the file
        raise
    except Exception:  # damaged instructions can fail in any way
        raise ValueError(
            f"{path} is no pickle, or a damaged one: byte {place()} makes no sense."
            " Obtain it again."
        ) from None


def _unpacked(path: Path, most_bytes: int, most_ratio: int) -> bytes:
    size = path.stat().st_size
    if size > most_bytes:
        raise RefusedError(f"has {size} bytes; expected {most_bytes} at most.")
    data = path.read_bytes()
    if data.startswith(GZIP):
        limit = min(most_bytes, max(SMALL, most_ratio * size))
        stream = zlib.decompressobj(wbits=31)  # reads gzip and verifies its checksum
        data = stream.decompress(data, limit + 1)
        if len(data) > limit:
            raise RefusedError(f"unpacks from {size} to over {limit} bytes. Do not use this file.")
        if not stream.eof:
            raise RefusedError(f"ends too early, after {size} bytes. Obtain it again.")
        if stream.unused_data:
            rest = len(stream.unused_data)
            raise RefusedError(f"goes on for {rest} bytes after its end. Obtain it again.")
    refuse_stranger(data)
    return data


def refuse_stranger(head: bytes) -> None:
    """Refuse what is known to be no pickle.

    Args:
        head: At least the first kilobyte of the unpacked file.

    Raises:
        RefusedError: If it is empty, a web page, a pointer or an archive.
    """
    if not head:
        raise RefusedError("is empty. Obtain it again.")
    for pattern, what in _STRANGERS:
        if re.match(pattern, head, re.IGNORECASE):
            raise RefusedError(f"is {what}.")


def _end_of_header(data: bytes) -> int:
    """Find where the pickle of an `.npy` begins: after magic, version, length and header."""
    begin = 10 if data[6] == 1 else 12
    end = begin + int.from_bytes(data[8:begin], "little")
    if not _HEADER.fullmatch(data, begin, end):
        raise RefusedError("holds an array of numbers or of several objects; expected one.")
    return end


def _inside_array(value: Any) -> Any:
    """Take the one object out of what numpy would have made an array without dimensions."""
    if type(value) is Opaque and value.name in RECONSTRUCT:
        match value.state:
            case (_, (), _, _, [inside]):  # version, shape, type, order, items
                return inside
    raise RefusedError("holds no array of one object.")


class Source:
    """Bytes that never end early without a word, and that can be asked for so often only."""

    def __init__(self, data: bytes) -> None:
        """Begin at the first byte."""
        self.stream = io.BytesIO(data)
        self.reads = 0

    def read(self, count: int) -> bytes:
        """Read exactly so many bytes."""
        self.reads += 1
        if self.reads > _MOST_READS:
            raise RefusedError(f"takes over {_MOST_READS} steps to read. Do not use this file.")
        data = self.stream.read(count)
        return data if len(data) == count else self._ended()

    def readline(self) -> bytes:
        """Read up to a line feed."""
        line = self.stream.readline()
        return line if line.endswith(b"\n") else self._ended()

    def _ended(self) -> bytes:
        size = len(self.stream.getbuffer())
        raise RefusedError(
            f"ends too early: after {size} bytes it is not complete. Obtain it again."
        )


def named(asked: str, allowed: frozenset[str] = INERT) -> Opaque:
    """Take a module and name as data, if it is one of those allowed."""
    if asked not in allowed:
        shown = asked[:100].encode("unicode_escape").decode()
        raise RefusedError(f"asks for {shown}{BARE}")
    return Opaque(asked)


def _call(machine: Any) -> None:
    """Put an inert value where a result would be; an ordered dictionary is a dictionary."""
    arguments, function = machine.stack.pop(), machine.stack.pop()
    if type(function) is not Opaque or type(arguments) is not tuple:
        raise RefusedError(f"calls what cannot be called{BARE}")
    is_empty = function.name == ORDERED and not arguments
    machine.stack.append({} if is_empty else Opaque(function.name))


def _set_state(machine: Any) -> None:
    state, target = machine.stack.pop(), machine.stack.pop()
    if type(target) is not Opaque:
        raise RefusedError(f"sets what cannot be set{BARE}")
    machine.stack.append(target._replace(state=state))


def _set_item(machine: Any) -> None:
    value, key = machine.stack.pop(), machine.stack.pop()
    _fill(machine.stack[-1], [key, value])


def _set_items(machine: Any) -> None:
    items = machine.pop_mark()
    _fill(machine.stack[-1], items)


def _dictionary(machine: Any) -> None:
    items = machine.pop_mark()
    machine.stack.append({})
    _fill(machine.stack[-1], items)


def _fill(target: Any, items: list[Any]) -> None:
    if type(target) is not dict:
        raise RefusedError(f"sets items of what is no dictionary{BARE}")
    for key, value in zip(items[::2], items[1::2], strict=True):
        # Other keys can be made to collide, or to take for ever to hash.
        if type(key) is not str and not (type(key) is int and -(1 << 31) <= key < 1 << 31):
            kind = type(key).__name__
            raise RefusedError(f"has a key of type {kind}; expected text or a 32-bit number.")
        target[key] = value


def _skip_frame(machine: Any) -> None:
    machine.read(8)  # how much could be read ahead


def _forbidden(what: str) -> Callable[[Any], None]:
    def refuse(_: Any) -> None:
        raise RefusedError(f"{what}{BARE}")

    return refuse


_PLAIN = (
    *(pickle.PROTO, pickle.STOP, pickle.MARK, pickle.POP, pickle.POP_MARK, pickle.DUP),
    *(pickle.NONE, pickle.NEWTRUE, pickle.NEWFALSE, pickle.INT, pickle.BININT, pickle.BININT1),
    *(pickle.BININT2, pickle.LONG, pickle.LONG1, pickle.LONG4, pickle.FLOAT, pickle.BINFLOAT),
    *(pickle.UNICODE, pickle.SHORT_BINUNICODE, pickle.BINUNICODE, pickle.BINUNICODE8),
    *(pickle.SHORT_BINSTRING, pickle.BINSTRING),  # what Python 2 calls a string
    *(pickle.SHORT_BINBYTES, pickle.BINBYTES, pickle.BINBYTES8),
    *(pickle.EMPTY_TUPLE, pickle.TUPLE1, pickle.TUPLE2, pickle.TUPLE3, pickle.TUPLE),
    *(pickle.EMPTY_LIST, pickle.LIST, pickle.APPEND, pickle.APPENDS, pickle.EMPTY_DICT),
    *(pickle.PUT, pickle.BINPUT, pickle.LONG_BINPUT, pickle.MEMOIZE),
    *(pickle.GET, pickle.BINGET, pickle.LONG_BINGET),
    *(pickle.GLOBAL, pickle.STACK_GLOBAL),  # end in `find_class`
)
"""Instructions that Python's unpickler may carry out as it does."""
_OURS = {
    pickle.REDUCE: _call,
    pickle.BUILD: _set_state,
    pickle.SETITEM: _set_item,
    pickle.SETITEMS: _set_items,
    pickle.DICT: _dictionary,
    pickle.FRAME: _skip_frame,
    pickle.STRING: _forbidden("holds text in the first format of Python 2"),
    **dict.fromkeys(
        (pickle.INST, pickle.OBJ, pickle.NEWOBJ, pickle.NEWOBJ_EX),
        _forbidden("builds objects of classes"),
    ),
    **dict.fromkeys(
        (
            *(pickle.PERSID, pickle.BINPERSID, pickle.NEXT_BUFFER, pickle.READONLY_BUFFER),
            *(pickle.EXT1, pickle.EXT2, pickle.EXT4),
        ),
        _forbidden("refers to things outside it"),
    ),
    **dict.fromkeys(
        (pickle.EMPTY_SET, pickle.FROZENSET, pickle.ADDITEMS, pickle.BYTEARRAY8),
        _forbidden("holds sets or byte arrays"),
    ),
}


class Unpickler(pickle._Unpickler):
    """Python's unpickler with those instructions alone.

    It is the one written in Python: a single instruction can make the memo of the one in C take
    gigabytes.
    """

    dispatch = {code[0]: pickle._Unpickler.dispatch[code[0]] for code in _PLAIN} | {
        code[0]: step for code, step in _OURS.items()
    }

    def find_class(self, module: str, name: str) -> Opaque:
        """Take a name as data: nothing is imported."""
        return named(f"{module}.{name}")
