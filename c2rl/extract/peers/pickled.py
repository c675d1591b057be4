"""Pickles written piece by piece, so that a file of any size takes the memory of one clip.

Only data is written, and the names by which NumPy and PyTorch rebuild arrays; readers need neither
c2rl nor its versions. Protocol 4, without frames and without a memo.
"""

import struct
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from c2rl.extract.peers.tensors import TORCH_FILE, TORCH_FORMAT

_BEGIN, _END, _MARK = b"\x80\x04", b".", b"("
Floats = npt.NDArray[np.float32]


class Name(NamedTuple):
    """What the reader imports."""

    module: str
    name: str


class Call(NamedTuple):
    """What the reader calls, and how it sets what comes out."""

    function: Name
    arguments: tuple[Any, ...]
    state: Any = None


class Persistent(NamedTuple):
    """A reference to what lies outside the pickle."""

    name: tuple[Any, ...]


def pickle_of(value: Any) -> Iterator[bytes]:
    """Pickle one value.

    Args:
        value: Text, bytes, whole numbers, None, tuples, lists, dictionaries, `Name`, `Call`.

    Yields:
        The bytes of the file.
    """
    yield _BEGIN
    yield from _pieces(value)
    yield _END


def list_of(values: Iterable[Any]) -> Iterator[bytes]:
    """Pickle a list.

    Args:
        values: Its entries; read once, lazily.

    Yields:
        The bytes of the file.
    """
    yield _BEGIN + b"]"
    for value in values:
        yield from _pieces(value)
        yield b"a"
    yield _END


def dictionary_of(items: Iterable[tuple[str, Any]]) -> Iterator[bytes]:
    """Pickle a dictionary.

    Args:
        items: Keys and values; read once, lazily.

    Yields:
        The bytes of the file.
    """
    yield _BEGIN + b"}"
    for key, value in items:
        yield from _pieces(key)
        yield from _pieces(value)
        yield b"s"
    yield _END


def tensor(values: Floats) -> Call:
    """Describe a tensor in the memory of the CPU.

    Args:
        values: (T, C) float32.

    Returns:
        What torch itself would have written.
    """
    described = ("storage", Name("torch", "FloatStorage"), "0", "cpu", values.size, None)
    system = {
        "protocol_version": TORCH_FORMAT,
        "little_endian": True,
        "type_sizes": {"short": 2, "int": 4, "long": 4},
    }
    heads = (TORCH_FILE, TORCH_FORMAT, system, Persistent(described), ["0"])
    head = b"".join(piece for value in heads for piece in pickle_of(value))
    saved = head + struct.pack("<q", values.size) + values.astype("<f4").tobytes()
    storage = Call(Name("torch.storage", "_load_from_bytes"), (saved,))
    hooks = Call(Name("collections", "OrderedDict"), ())
    stride = (values.shape[1], 1)
    return Call(
        Name("torch._utils", "_rebuild_tensor_v2"),
        (storage, 0, values.shape, stride, False, hooks),
    )


def array(values: Floats) -> Call:
    """Describe an array.

    Args:
        values: (T, C) float32.

    Returns:
        What NumPy 1 would have written; NumPy 2 reads it as well.
    """
    order = (3, "<", None, None, None, -1, -1, 0)
    dtype = Call(Name("numpy", "dtype"), ("f4", False, True), order)
    state = (1, values.shape, dtype, False, values.astype("<f4").tobytes())
    empty = (Name("numpy", "ndarray"), (0,), b"b")
    return Call(Name("numpy.core.multiarray", "_reconstruct"), empty, state)


def _pieces(value: Any) -> Iterator[bytes]:
    match value:
        case None:
            yield b"N"
        case bool():
            yield b"\x88" if value else b"\x89"
        case int():
            size = value.bit_length() // 8 + 1
            yield b"\x8a" + bytes([size]) + value.to_bytes(size, "little", signed=True)
        case str():
            data = value.encode()
            yield b"X" + struct.pack("<I", len(data)) + data
        case bytes():
            yield b"\x8e" + struct.pack("<Q", len(value))
            yield value
        case Name():
            yield f"c{value.module}\n{value.name}\n".encode()
        case Call():
            yield from _pieces(value.function)
            yield from _pieces(value.arguments)
            yield b"R"
            if value.state is not None:
                yield from _pieces(value.state)
                yield b"b"
        case Persistent():
            yield from _pieces(value.name)
            yield b"Q"
        case tuple() | list():
            yield _MARK
            for inner in value:
                yield from _pieces(inner)
            yield b"t" if isinstance(value, tuple) else b"l"
        case dict():
            yield _MARK
            for pair in value.items():
                for inner in pair:
                    yield from _pieces(inner)
            yield b"d"
        case _:
            raise TypeError(f"{type(value).__name__} is not pickled here")
