"""Other people's pickles of features: data that is larger than memory, and nothing else.

The machine is that of `c2rl/corpora/unpickle.py`, with a few names more: those by which NumPy and
PyTorch say how an array is put together. What belongs together is kept in `Opaque` values, whose
state is a list of what would have been called, and of what would have been set; `tensors.py` reads
arrays from them. Bulk goes to a scratch file while the pickle is unpacked, so that memory holds one
clip at a time, whatever the size of the file.
"""

import tempfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from c2rl.corpora import unpickle
from c2rl.corpora.unpickle import Opaque, RefusedError

PARAMETER = "torch._utils._rebuild_parameter"
BUFFER = ("numpy.core.numeric._frombuffer", "numpy._core.numeric._frombuffer")
FLOATS = ("torch.FloatStorage", "torch.DoubleStorage", "torch.HalfStorage", "torch.BFloat16Storage")
OUTSIDE = "what lies outside"
"""Name of the `Opaque` value in the place of a reference to a storage's bytes."""
_OTHERS = ("Byte", "Char", "Short", "Int", "Long", "Bool")
_KNOWN = unpickle.INERT | {PARAMETER, *BUFFER, *FLOATS, *(f"torch.{k}Storage" for k in _OTHERS)}
_PIECE = 1 << 20
_LEAST_BULK, _LEAST_BULK_TEXT = 1 << 10, 1 << 16
"""Bytes from which on a value is put aside; a sentence is shorter."""
_MOST_HELD, _MOST_STEPS = 1 << 28, 30_000_000
"""Limits of what is not put aside: bytes in all, and reads (see `unpickle`)."""
_STEPS_A_BYTE = 8
"""Of the file as it is, above a million: peers' files take 1.5; empty lists, packed, take 1,000."""


class Blob(NamedTuple):
    """Where bulk lies in the scratch file."""

    start: int
    size: int


class Scratch:
    """A file without a name: it is gone when it is closed, or when the process is killed."""

    def __init__(self, folder: Path | None) -> None:
        """Create it.

        Args:
            folder: Where there is room for all that is unpacked; None: where temporary files go.
        """
        self._file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 (it is a context itself)
        self._size = 0

    def __enter__(self) -> "Scratch":
        """Use it."""
        return self

    def __exit__(self, *_: object) -> None:
        """Let it go."""
        self._file.close()

    def keep(self, read: Callable[[int], bytes], size: int) -> Blob:
        """Put bytes aside.

        Args:
            read: Gives as many as asked for.
            size: Number of bytes.

        Returns:
            Where they lie.
        """
        blob = Blob(self._size, size)
        self._file.seek(blob.start)
        for done in range(0, size, _PIECE):
            self._file.write(read(min(_PIECE, size - done)))
        self._size += size
        return blob

    def read(self, blob: Blob, start: int, size: int) -> bytes:
        """Read a part.

        Args:
            blob: From `keep`.
            start: First byte within it.
            size: Number of bytes; fewer come where it ends.

        Returns:
            The bytes.
        """
        self._file.seek(blob.start + start)
        return self._file.read(max(0, min(size, blob.size - start)))


class _Stream:
    """A file's bytes, unpacked while they are read, and never more of them than is allowed."""

    def __init__(self, file: BinaryIO, size: int, most_bytes: int, most_ratio: int) -> None:
        self._file, self._size, self._held, self._steps = file, size, 0, 0
        is_packed = file.read(2) == unpickle.GZIP
        file.seek(0)
        self._packed = zlib.decompressobj(wbits=31) if is_packed else None
        allowed = max(unpickle.SMALL, most_ratio * size) if is_packed else size
        self._limit = min(most_bytes, allowed)
        self._most_steps = min(_MOST_STEPS, max(unpickle.SMALL, _STEPS_A_BYTE * size))
        self._buffer, self._at, self._unpacked = b"", 0, 0

    @property
    def place(self) -> int:
        return self._unpacked - len(self._buffer) + self._at

    def head(self) -> bytes:
        self._more()
        return self._buffer[:1024]

    def read(self, count: int) -> bytes:
        """Read what stays in memory."""
        self._steps += 1
        self._held += count
        if self._steps > self._most_steps or self._held > _MOST_HELD:
            raise RefusedError(
                f"takes over {self._most_steps} steps or {_MOST_HELD} bytes of memory to read."
                " Do not use this file."
            )
        return self.read_bulk(count)

    def read_bulk(self, count: int) -> bytes:
        while len(self._buffer) - self._at < count:
            if not self._more():
                raise self._ended()
        data = self._buffer[self._at : self._at + count]
        self._at += count
        return data

    def readline(self) -> bytes:
        while (end := self._buffer.find(b"\n", self._at)) < 0:
            if len(self._buffer) - self._at > _PIECE:
                raise RefusedError(f"has a line of over {_PIECE} bytes. Do not use this file.")
            if not self._more():
                raise self._ended()
        return self.read(end + 1 - self._at)

    def finish(self) -> None:
        """See that nothing follows, and that the checksum was there and right."""
        is_longer = self._at < len(self._buffer) or self._more()
        if is_longer or (self._packed and self._packed.unused_data):
            raise RefusedError("goes on after its end. Obtain it again.")
        if self._packed and not self._packed.eof:
            raise self._ended()

    def _more(self) -> bool:
        data = b""
        while not data:
            if self._packed is None:
                data = self._file.read(_PIECE)
                is_over = not data
            else:
                raw = self._packed.unconsumed_tail or self._file.read(_PIECE >> 4)
                is_over = self._packed.eof or not raw
                data = b"" if is_over else self._packed.decompress(raw, _PIECE)
            if is_over:
                return False
        self._unpacked += len(data)
        if self._unpacked > self._limit:
            raise RefusedError(
                f"unpacks from {self._size} to over {self._limit} bytes. Do not use this file."
            )
        self._buffer, self._at = self._buffer[self._at :] + data, 0
        return True

    def _ended(self) -> RefusedError:
        return RefusedError(
            f"ends too early: after {self._size} bytes it is not complete. Obtain it again."
        )


def load(path: Path, scratch: Scratch, *, most_bytes: int = 1 << 38, most_ratio: int = 200) -> Any:
    """Read a pickle or a gzipped pickle that holds arrays, and execute nothing.

    Args:
        path: The file.
        scratch: Takes the arrays' bytes.
        most_bytes: Largest size of the file, and of what it unpacks to.
        most_ratio: Largest ratio of these two; features reach 20, where rows are padded.

    Returns:
        As `unpickle.load` does; `tensors.array` reads the `Opaque` values that are arrays.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is no pickle, damaged or too large, or asks for more than data.
    """
    if not path.is_file():
        raise FileNotFoundError(f"{path} is not there, or is no file.")
    size = path.stat().st_size
    if size > most_bytes:
        raise ValueError(f"{path} has {size} bytes; expected {most_bytes} at most.")
    with path.open("rb") as file:
        stream = _Stream(file, size, most_bytes, most_ratio)
        with unpickle.refusing(path, lambda: stream.place):
            unpickle.refuse_stranger(stream.head())
            value = Machine(stream, scratch).load()
            stream.finish()
            return value


class Machine(unpickle.Unpickler):
    """The machine, with results that keep what they are made of."""

    def __init__(self, source: Any, scratch: Scratch | None) -> None:
        """Prepare to read.

        Args:
            source: Has `read(count)` and `readline()`, which refuse to end early.
            scratch: Takes the bulk; None: there is none, but references to things outside.
        """
        super().__init__(source, encoding="utf-8")
        self.source, self.scratch = source, scratch

    def find_class(self, module: str, name: str) -> Opaque:
        """Take a name as data: nothing is imported."""
        return unpickle.named(f"{module}.{name}", _KNOWN)


def _keep_call(machine: Any) -> None:
    arguments, function = machine.stack.pop(), machine.stack.pop()
    is_function = type(function) is Opaque and function.state is None
    if not is_function or type(arguments) is not tuple:
        raise RefusedError(f"calls what cannot be called{unpickle.BARE}")
    is_empty = function.name == unpickle.ORDERED and not arguments
    machine.stack.append({} if is_empty else Opaque(function.name, [arguments]))


def _keep_state(machine: Any) -> None:
    """Keep a state beside the arguments: in place, for the value may be referred to again."""
    state, target = machine.stack.pop(), machine.stack[-1]
    if type(target) is not Opaque or type(target.state) is not list or len(target.state) > 1:
        raise RefusedError(f"sets what cannot be set{unpickle.BARE}")
    target.state.append(state)


def _keep_outside(machine: Any) -> None:
    if machine.scratch is not None:  # only a storage's description, which is short, has these
        raise RefusedError(f"refers to things outside it{unpickle.BARE}")
    machine.stack.append(Opaque(OUTSIDE, [machine.stack.pop()]))


def _keep_bulk(width: int, least: int, small: Callable[[bytes], Any]) -> Callable[[Any], None]:
    def step(machine: Any) -> None:
        count = int.from_bytes(machine.read(width), "little")
        is_bulk = count >= least and machine.scratch is not None
        machine.append(
            machine.scratch.keep(machine.source.read_bulk, count)
            if is_bulk
            else small(machine.read(count))
        )

    return step


def _text(data: bytes) -> str:
    return str(data, "utf-8", "surrogatepass")


Machine.dispatch = unpickle.Unpickler.dispatch | {
    ord("R"): _keep_call,
    ord("b"): _keep_state,
    ord("Q"): _keep_outside,
    ord("B"): _keep_bulk(4, _LEAST_BULK, bytes),
    0x8E: _keep_bulk(8, _LEAST_BULK, bytes),
    0x96: _keep_bulk(8, _LEAST_BULK, bytes),  # what can be written to: of arrays in protocol 5
    ord("X"): _keep_bulk(4, _LEAST_BULK_TEXT, _text),
    0x8D: _keep_bulk(8, _LEAST_BULK_TEXT, _text),
}
