"""Files of a clip: paths that stay in their corpus, and frames that were saved as images."""

import os
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import pairwise
from pathlib import Path, PurePosixPath, PureWindowsPath

import numpy as np
import numpy.typing as npt

from c2rl.corpora.clip import NO_SPLIT, Clip

VIDEO_SUFFIXES = frozenset(
    f".{name}" for name in ("avi", "flv", "gif", "m4v", "mkv", "mov", "mp4", "mpg", "ts", "webm")
)
IMAGE_SUFFIXES = frozenset({".png", ".jpg", ".jpeg"})

MAX_PIXELS = 33_000_000
"""Most pixels of a frame: 8K."""

Image = npt.NDArray[np.uint8]


class ClipError(ValueError):
    """A clip that cannot be read; becomes a line of the manifest."""

    def __init__(self, status: str, reason: str) -> None:
        """Keep both.

        Args:
            status: missing_file, missing_frames, empty_video, decode_error, unsafe_path,
                bad_segment, bad_box, no_signer, too_short or too_large.
            reason: What was found, in words.
        """
        super().__init__(f"{status}: {reason}")
        self.status = status
        self.reason = reason


def safe_path(root: Path, source: str) -> Path:
    """Join a path from an annotation to its corpus, and refuse to leave it.

    Args:
        root: Folder of the corpus.
        source: Relative path, as annotated.

    Returns:
        The path.

    Raises:
        ClipError: `unsafe_path` if it is absolute, contains `..` or leads outside by a link.
    """
    parts = PurePosixPath(source).parts
    if not source or PurePosixPath(source).is_absolute() or PureWindowsPath(source).drive:
        raise ClipError("unsafe_path", f"'{source}' is not relative to the corpus folder")
    if ".." in parts or "\0" in source:
        raise ClipError("unsafe_path", f"'{source}' leads outside the corpus folder")
    path = root / source
    if not path.resolve().is_relative_to(root.resolve()):
        raise ClipError("unsafe_path", f"'{source}' is a link to {path.resolve()}, outside {root}")
    return path


def images(folder: Path) -> list[Path]:
    """List a folder's frames by the last number in their names.

    Args:
        folder: Folder of png or jpg files; others are passed over.

    Returns:
        Paths in order.
    """
    with os.scandir(folder) as entries:  # glob is too slow on network disks
        found = [e.name for e in entries if not e.name.startswith(".")]
    return sorted(
        (folder / n for n in found if Path(n).suffix.lower() in IMAGE_SUFFIXES),
        key=lambda image: (_number(image), image.name),
    )


def _number(image: Path) -> int:
    numbers = re.findall(r"\d+", image.stem)
    return int(numbers[-1]) if numbers else -1


def refuse_gap(frames: Sequence[Path]) -> None:
    """Find a lost frame by the numbers in the names.

    Args:
        frames: From `images`.

    Raises:
        ClipError: `missing_frames` where a number does not follow the one before.
    """
    for one, following in pairwise(frames):
        if _number(following) != _number(one) + 1:
            expected = _number(frames[-1]) - _number(frames[0]) + 1
            raise ClipError(
                "missing_frames",
                f"{len(frames)} of {expected} frames, {one.name} is followed by {following.name}",
            )


def read_image(path: Path, number: int, count: int) -> Image:
    """Read one frame of a folder.

    Args:
        path: A png or jpg file.
        number: Frames read before it, for the message.
        count: Frames of the clip, for the message.

    Returns:
        (H, W, 3) uint8, RGB.

    Raises:
        ClipError: `decode_error` if it is no image.
    """
    os.environ.setdefault("OPENCV_IO_MAX_IMAGE_PIXELS", str(MAX_PIXELS))
    import cv2

    try:
        data = np.fromfile(path, np.uint8)
        image = cv2.imdecode(data, cv2.IMREAD_COLOR_RGB) if data.size else None
    except (cv2.error, OSError) as error:
        raise ClipError("decode_error", f"{path.name}: {words(error)}") from None
    if image is None:
        reason = f"{path.name} is no image; {number} of {count} frames decode"
        raise ClipError("decode_error", reason)
    return np.asarray(image, np.uint8)


def words(error: BaseException) -> str:
    """Tell a library's error in one short line.

    Args:
        error: What was raised.

    Returns:
        At most 200 characters.
    """
    text = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return " ".join(str(text).split())[:200]


def verdict(error: Exception) -> tuple[str, str]:
    """Turn whatever a library makes of a damaged file into a line of the manifest.

    Args:
        error: What was raised while a clip was read.

    Returns:
        Status and reason.
    """
    if isinstance(error, ClipError):
        return error.status, error.reason
    if isinstance(error, MemoryError):
        return "too_large", "it needs more memory than C2RL_DECODE_MEMORY allows"
    return "decode_error", f"{type(error).__name__}: {words(error)}"


def find_clips(paths: Iterable[Path]) -> list[Clip]:
    """List videos that belong to no corpus.

    Args:
        paths: Video files, folders of frames, and folders that hold such at any depth.

    Returns:
        Clips of split `clips` without sentences, whose source is a path from here. The id is the
        file's name without suffix, or its path where two would share a name.

    Raises:
        FileNotFoundError: If a path does not exist or holds no video.
    """
    found: dict[str, Path] = {}
    for path in paths:
        if not path.exists():
            raise FileNotFoundError(f"{path} does not exist; expected a video or a folder.")
        sources = [path] if path.is_file() else _sources(path)
        if not sources:
            raise FileNotFoundError(f"{path} holds no video and no folder of png or jpg frames.")
        found |= {str(source.resolve()): source for source in sources}
    names = Counter(_stem(source) for source in found.values())
    return [
        Clip(
            id=_stem(source) if names[_stem(source)] == 1 else source.as_posix(),
            split=NO_SPLIT,
            sentence="",
            language="",
            source=str(source),
        )
        for source in found.values()
    ]


def _stem(source: Path) -> str:
    return source.stem if source.is_file() else source.resolve().name


def _sources(folder: Path) -> list[Path]:
    entries = sorted(e for e in folder.iterdir() if not e.name.startswith("."))
    if any(e.suffix.lower() in IMAGE_SUFFIXES and e.is_file() for e in entries):
        return [folder]
    found = []
    for entry in entries:
        if entry.is_dir():
            found += _sources(entry)
        elif entry.suffix.lower() in VIDEO_SUFFIXES:
            found.append(entry)
    return found
