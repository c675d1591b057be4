"""Arrays and tensors, made of what `foreign.py` kept of a pickle."""

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from c2rl.corpora.unpickle import RECONSTRUCT, Opaque, RefusedError, Source
from c2rl.extract.peers.foreign import BUFFER, OUTSIDE, PARAMETER, Blob, Machine, Scratch

Array = npt.NDArray[Any]

_TENSOR, _STORAGE = "torch._utils._rebuild_tensor_v2", "torch.storage._load_from_bytes"
TORCH_FILE, TORCH_FORMAT = 0x1950A86A20F9469CFC6C, 1001
"""How torch marks a storage that is saved on its own."""
_BRAIN = "torch.BFloat16Storage"
_DTYPES = {
    "torch.FloatStorage": "<f4",
    "torch.DoubleStorage": "<f8",
    "torch.HalfStorage": "<f2",
    _BRAIN: "<u2",
}
_HEAD = 4096
"""Bytes within which a storage's description ends; 250 are usual."""


def array(value: Any, scratch: Scratch) -> Array:
    """Read an array or a tensor.

    Args:
        value: From `foreign.load`.
        scratch: That which `foreign.load` was given.

    Returns:
        Floating-point array of any shape, in memory.

    Raises:
        ValueError: If it is none, or reaches beyond its own bytes; the message begins with a verb.
    """
    match value:
        case Opaque(name, [(Opaque() as inside, *_)]) if name == PARAMETER:
            value = inside
    match value:
        case Opaque(name, [(storage, int(offset), tuple(size), tuple(stride), *_)]):
            if name == _TENSOR:
                return _tensor(storage, offset, size, stride, scratch)
        case Opaque(name, [_, (_, tuple(shape), Opaque() as dtype, is_fortran, raw)]):
            if name in RECONSTRUCT:
                return _numpy(raw, dtype, shape, "F" if is_fortran else "C", scratch)
        case Opaque(name, [(raw, Opaque() as dtype, tuple(shape), str(order))]):
            if name in BUFFER:
                return _numpy(raw, dtype, shape, order, scratch)
    raise ValueError(f"is of type {kind(value)}; expected an array or a tensor")


def kind(value: Any) -> str:
    """Name a type for a message.

    Args:
        value: From `foreign.load`.

    Returns:
        In one word.
    """
    if type(value) is Opaque:
        return value.name
    return "nothing" if value is None else type(value).__name__


def _tensor(
    storage: Any, offset: int, size: tuple[Any, ...], stride: tuple[Any, ...], scratch: Scratch
) -> Array:
    """Cut a tensor out of its storage, which may be that of a whole batch."""
    raw, dtype, at, count = _storage(storage, scratch)
    _check_sizes(size)
    if len(stride) != len(size) or any(type(n) is not int or n < 0 for n in stride) or offset < 0:
        raise ValueError("has strides that no tensor has")
    if 0 in size:
        return np.zeros(size, np.float32)
    last = offset + sum((n - 1) * s for n, s in zip(size, stride, strict=True))
    if last >= count or math.prod(size) > count:
        raise ValueError("reaches beyond its storage")
    kept = np.dtype(_DTYPES[dtype])
    data = _bytes(raw, at + offset * kept.itemsize, (last + 1 - offset) * kept.itemsize, scratch)
    numbers = np.frombuffer(data, kept)
    if dtype == _BRAIN:  # the upper half of float32
        numbers = (numbers.astype(np.uint32) << 16).view(np.float32)
    steps = [s * numbers.itemsize for s in stride]
    return np.lib.stride_tricks.as_strided(numbers, size, steps, writeable=False)


def _storage(value: Any, scratch: Scratch) -> tuple[Any, str, int, int]:
    """Read a storage's description: its bytes, their type, where they begin, how many numbers."""
    match value:
        case Opaque(name, [(raw,)]) if name == _STORAGE:
            raw = _encoded(raw, scratch)
        case _:
            raise ValueError("is a tensor without a storage")
    head = Source(_bytes(raw, 0, _HEAD, scratch))
    try:
        mark, version, system, described, keys = (Machine(head, None).load() for _ in range(5))
    except RefusedError as refused:
        raise ValueError(f"has a storage that {refused}") from None
    except Exception:  # damaged instructions can fail in any way
        raise ValueError("has a damaged storage") from None
    at = head.stream.tell() + 8
    match described:
        case Opaque(name, [("storage", Opaque(dtype), str(key), str(), int(count), None)]) if (
            name == OUTSIDE and (mark, version, keys) == (TORCH_FILE, TORCH_FORMAT, [key])
        ):
            pass
        case _:
            raise ValueError("has a storage of an unknown format")
    if dtype not in _DTYPES:
        raise ValueError(f"is a tensor of {dtype}; expected floating-point numbers")
    if type(system) is not dict or system.get("little_endian") is not True:
        raise ValueError("has a storage of another byte order")
    if count < 0 or at + count * np.dtype(_DTYPES[dtype]).itemsize != _size(raw):
        raise ValueError("has a storage of another size than it says")
    return raw, dtype, at, count


def _numpy(raw: Any, dtype: Any, shape: tuple[Any, ...], order: str, scratch: Scratch) -> Array:
    match dtype:
        case Opaque("numpy.dtype", [("f2" | "f4" | "f8" as code, *_), (_, "<" | ">" as end, *_)]):
            kept = np.dtype(end + code)
        case Opaque("numpy.dtype", [(str(code), *_), *_]):
            raise ValueError(f"is an array of {code}; expected floating-point numbers")
        case _:
            raise ValueError("is an array without a type")
    _check_sizes(shape)
    raw = _encoded(raw, scratch)
    size = math.prod(shape) * kept.itemsize
    if size != _size(raw):
        raise ValueError(f"is an array {shape}, but has {_size(raw)} bytes")
    numbers = np.frombuffer(_bytes(raw, 0, size, scratch), kept)
    return numbers.reshape(shape, order="F" if order == "F" else "C")


def _check_sizes(shape: tuple[Any, ...]) -> None:
    if len(shape) > 8 or any(type(n) is not int or not 0 <= n < 1 << 31 for n in shape):
        raise ValueError("has a shape that no array has")


def _encoded(raw: Any, scratch: Scratch) -> bytes | Blob:
    """Take bytes as they are, or as text of Latin-1, which protocols before 3 make of them."""
    match raw:
        case Opaque("_codecs.encode", [(str() | Blob() as text, "latin1" | "latin-1")]):
            if isinstance(text, Blob):
                text = str(scratch.read(text, 0, text.size), "utf-8", "replace")
            return text.encode("latin-1", "replace")
        case bytes() | Blob():
            return raw
    raise ValueError(f"has {kind(raw)} for its bytes")


def _size(raw: bytes | Blob) -> int:
    return raw.size if isinstance(raw, Blob) else len(raw)


def _bytes(raw: bytes | Blob, start: int, size: int, scratch: Scratch) -> bytes:
    if isinstance(raw, Blob):
        return scratch.read(raw, start, size)
    return raw[start : start + size]
