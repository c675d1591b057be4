"""One clip's features in one file: `.pt`, `.npy` and CiCo's pickle. Nothing in them is executed."""

import io
import re
import zipfile
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import torch

from c2rl.extract.peers import foreign, tensors
from c2rl.extract.peers.pickled import Floats
from c2rl.extract.peers.tensors import Array

_MAGIC = b"\x93NUMPY"


def read_pt(path: Path) -> Array:
    """Read a tensor that torch saved.

    Args:
        path: The file.

    Returns:
        Floating-point array of any shape.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is no tensor, is packed or damaged, or asks for more than data.
    """
    _require(path)
    try:
        with zipfile.ZipFile(path) as archive:
            is_packed = any(i.compress_type != zipfile.ZIP_STORED for i in archive.infolist())
    except (zipfile.BadZipFile, NotImplementedError, ValueError):
        raise ValueError(
            f"{path} is no file of torch, or a damaged one. Obtain it again."
        ) from None
    if is_packed:  # torch never packs; what does may unpack to any size
        raise ValueError(f"{path} is a packed archive; torch writes none. Do not use this file.")
    try:
        found = torch.load(str(path), map_location="cpu", weights_only=True, mmap=True)
    except OSError:
        raise
    except Exception as error:  # damaged files can fail in any way
        asked = re.search(r"GLOBAL (\S+)", str(error))
        what = f"asks for {asked[1]}" if asked else "is damaged, or holds more than tensors"
        raise ValueError(f"{path} {what}. Do not use this file.") from None
    if not isinstance(found, torch.Tensor):
        raise ValueError(f"{path} holds a {type(found).__name__}; expected a tensor.")
    is_plain = found.layout == torch.strided and found.is_floating_point()
    if not is_plain or found.numel() * found.element_size() > path.stat().st_size:
        raise ValueError(f"{path} holds no plain tensor of floating-point numbers.")
    is_brain = found.dtype == torch.bfloat16
    return (found.float() if is_brain else found).detach().numpy()


def read_npy(path: Path) -> Array:
    """Read an array that NumPy saved.

    Args:
        path: The file.

    Returns:
        Floating-point array of any shape, a view of the file.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it holds no numbers, or is damaged.
    """
    _require(path)
    with path.open("rb") as file:
        is_npy = file.read(len(_MAGIC)) == _MAGIC
    try:
        found: Array | None = np.load(path, mmap_mode="r", allow_pickle=False) if is_npy else None
    except (ValueError, EOFError, SyntaxError, MemoryError, OverflowError):
        found = None
    if found is None:
        raise ValueError(f"{path} is no .npy of numbers, or a damaged one. Obtain it again.")
    if found.dtype.kind != "f" or found.dtype.itemsize > 8:
        raise ValueError(f"{path} holds {found.dtype}; expected floating-point numbers.")
    return found


def read_i3d(path: Path) -> Array:
    """Read CiCo's features of a clip: a dictionary with an array named `feature`.

    Args:
        path: The file.

    Returns:
        Floating-point array of any shape.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is no such dictionary, is damaged, or asks for more than data.
    """
    with foreign.Scratch(None) as scratch:
        found = foreign.load(path, scratch)
        if type(found) is not dict:
            raise ValueError(f"{path} holds a {tensors.kind(found)}; expected a dict.")
        return tensors.array(found.get("feature"), scratch)


def write_pt(path: Path, values: Floats) -> None:
    """Write a tensor as `torch.save` does.

    Args:
        path: Target; its folder is created.
        values: (T, C) float32.
    """
    saved = io.BytesIO()  # neither torch nor NumPy says what is wrong where a disk is full
    torch.save(torch.from_numpy(values), saved)
    write_pieces(path, [saved.getvalue()])


def write_npy(path: Path, values: Floats) -> None:
    """Write an array as `numpy.save` does.

    Args:
        path: Target; its folder is created.
        values: (T, C) float32.
    """
    saved = io.BytesIO()
    np.save(saved, values, allow_pickle=False)
    write_pieces(path, [saved.getvalue()])


def write_pieces(path: Path, pieces: Iterable[bytes]) -> None:
    """Write a file piece by piece.

    Args:
        path: Target; its folder is created.
        pieces: Its bytes.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        file.writelines(pieces)


def _require(path: Path) -> None:
    if not path.is_file():
        raise FileNotFoundError(f"{path} is not there, or is no file.")
