"""A finished store stays within reach until another one of its kind is finished.

DVC empties a stage's outs before it runs the stage, and records them only after it has hashed them.
A kill in between would cost the whole work. So the scratch folder keeps hard links to the
store's files, which take no room while the store is there, and a repeated run puts them back.
"""

import shutil
from pathlib import Path

from c2rl import provenance


def keep(store: Path, kind: str, scratch: Path) -> None:
    """Link a finished store into its scratch folder, and drop what it was made from.

    Args:
        store: Its place.
        kind: frames or features.
        scratch: Its scratch folder; on another file system nothing is kept.
    """
    try:
        provenance.put(scratch / kind, store)
    except OSError:
        shutil.rmtree(scratch)
        return
    _clear(scratch)
    for other in [path for path in scratch.parent.iterdir() if path != scratch]:
        if (other / kind).is_dir():
            shutil.rmtree(other)


def restore(store: Path, kind: str, scratch: Path) -> bool:
    """Put a kept store back in its place.

    Args:
        store: Its place.
        kind: frames or features.
        scratch: The scratch folder of exactly this store.

    Returns:
        Whether it is back; False if none was kept, or a checksum is wrong.
    """
    kept = scratch / kind
    if not provenance.is_intact(kept, kind):
        shutil.rmtree(kept, ignore_errors=True)
        return False
    provenance.put(store, kept)
    _clear(scratch)  # a kill may have left some of what it was made from
    return True


def _clear(scratch: Path) -> None:
    for path in [path for path in scratch.iterdir() if path.is_file()]:
        path.unlink()
