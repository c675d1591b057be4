"""Where detectors found signers, kept beside the runs so that no detector looks at a clip twice."""

import json
import os
from pathlib import Path
from typing import IO

from c2rl import provenance, resumable
from c2rl.video.decode import Result, Task
from c2rl.video.files import ClipError, safe_path
from c2rl.video.signer import RULE, Cropping, Place


class Places:
    """A journal: one line a clip, appended as it is found; a torn last line is passed over."""

    def __init__(self, path: Path) -> None:
        """Read what earlier runs found.

        Args:
            path: The journal of one detector and its settings; it may be absent.
        """
        self._path = path
        self._file: IO[str] | None = None
        self._found: dict[str, Place] = {}
        text = self._path.read_text(encoding="utf-8") if self._path.is_file() else ""
        for line in text.split("\n")[:-1]:
            try:
                key, value = json.loads(line)
                box = None if value["box"] is None else tuple(value["box"])
                self._found[key] = Place(**value | {"box": box})
            except (ValueError, TypeError, KeyError):
                continue  # torn by a kill: that clip is looked at again

    def of(self, task: Task) -> Place | None:
        """Look a clip up.

        Args:
            task: The clip.

        Returns:
            Where its signer was found; None if nobody looked, or its file has changed.
        """
        return self._found.get(_key(task)) if self._found else None

    def keep(self, task: Task, result: Result) -> None:
        """Write down what a detector found.

        Args:
            task: The clip.
            result: What became of it.
        """
        if task.known is not None or not result.place.was_searched:
            return
        if self._file is None:
            self._mend()
            self._file = self._path.open("a", encoding="utf-8")
        line = json.dumps([_key(task), result.place._asdict()])
        self._file.write(line + "\n")
        self._file.flush()

    def _mend(self) -> None:
        """End a torn last line, so that the next begins on its own."""
        if self._path.is_file():
            data = self._path.read_bytes()
            if data and not data.endswith(b"\n"):
                with self._path.open("ab") as file:
                    file.write(b"\n")

    def close(self) -> None:
        """Bring the journal to the disk."""
        if self._file is not None:
            self._file.flush()
            os.fsync(self._file.fileno())
            self._file.close()
            self._file = None


def open_places(root: Path, cropping: Cropping, detector: str) -> Places:
    """Open the journal of a release and a detector.

    Args:
        root: Folder of the release.
        cropping: How signers are found.
        detector: Hash of the detector's weights.

    Returns:
        The journal.
    """
    settings = [RULE, detector, cropping.steps, cropping.frames, cropping.score, cropping.margin]
    return Places(resumable.journal(["places", str(root.resolve()), settings]))


def _key(task: Task) -> str:
    """Name a stretch of a file by what would change the picture."""
    clip = task.clip
    try:
        status = safe_path(task.root, clip.source).stat()
        state = [status.st_size, status.st_mtime_ns]
    except (ClipError, OSError):
        state = []
    return provenance.fingerprint([clip.source, clip.start_s, clip.end_s, clip.fps, state])
