"""A feature store whose every number can be told from its place, in small chunks."""

import numpy as np

from c2rl.corpora.clip import Clip
from c2rl.store import ragged
from c2rl.store.features import write_feature_store
from c2rl.store.manifest import Row

WIDTH = 4
LENGTHS = {"train": [3, 1, 6, 2, 2], "dev": [4, 1]}
CHUNK_ROWS = 4
"""So train's 14 rows lie in chunks of 4, 4, 4 and 2; clips begin at 0, 3, 4, 10 and 12."""

MADE_FROM = {"encoder": "0123456789abcdef", "sampling": {"keep": 0.25, "cap": None}}


def lengths():
    return [length for split in LENGTHS.values() for length in split]


def rows():
    return [
        Row(Clip(f"{split}{i}", split, f"satz {i}", "de", "a.mp4", fps=25.0), "ok", "", 9, 25.0)
        for split, own in LENGTHS.items()
        for i in range(len(own))
    ]


def features():
    """Clip by clip; number n is n / 8, which float16 holds exactly."""
    first = 0
    for length in lengths():
        values = np.arange(first, first + length * WIDTH) / 8
        yield values.reshape(length, WIDTH).astype(np.float32)
        first += length * WIDTH


def write(path, monkeypatch, *, chunk_rows=CHUNK_ROWS, profile="none"):
    with monkeypatch.context() as patch:
        patch.setattr(ragged, "CHUNK_BYTES", chunk_rows * WIDTH * 2)
        write_feature_store(
            path,
            rows(),
            features(),
            lengths=lengths(),
            width=WIDTH,
            made_from=MADE_FROM,
            profile=profile,
        )
    return path


def flip(file, bit):
    """Flip a bit in place, by its number in the file."""
    data = bytearray(file.read_bytes())
    data[bit // 8] ^= 1 << bit % 8
    file.write_bytes(data)


def files(store):
    return sorted(file for file in store.rglob("*") if file.is_file())
