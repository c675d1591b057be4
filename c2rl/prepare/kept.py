"""A finished frame store stays within reach until another one is finished.

DVC empties a stage's outs before it runs the stage, and records them only after it has hashed them.
A kill in between would cost the whole decoding. So the scratch folder keeps hard links to the
store's files, which take no room while the store is there, and a repeated run puts them back.
"""

import shutil
from pathlib import Path

from c2rl import provenance
from c2rl.store.frames import FrameStore

_NAME = "store"


def keep(frames: Path, scratch: Path) -> None:
    """Link a finished store into its scratch folder, and drop what it was made from.

    Args:
        frames: The store.
        scratch: Its scratch folder; on another file system nothing is kept.
    """
    try:
        provenance.put(scratch / _NAME, frames)
    except OSError:
        shutil.rmtree(scratch)
        return
    for path in [path for path in scratch.iterdir() if path.is_file()]:
        path.unlink()
    for other in [path for path in scratch.parent.iterdir() if path != scratch]:
        if (other / _NAME).is_dir():
            shutil.rmtree(other)


def restore(frames: Path, scratch: Path) -> FrameStore | None:
    """Put a kept store back in its place.

    Args:
        frames: Its place.
        scratch: The scratch folder of exactly this store.

    Returns:
        The store; None if there is none, or a checksum is wrong.
    """
    kept = scratch / _NAME
    if not provenance.is_intact(kept, "frames"):
        shutil.rmtree(kept, ignore_errors=True)
        return None
    provenance.put(frames, kept)
    return FrameStore(frames)
