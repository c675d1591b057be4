"""Parts of an index whose clips are known, in small chunks and blocks; and CLCL by loops."""

import numpy as np
import torch

from c2rl import provenance
from c2rl.corpora.clip import Clip
from c2rl.retrieve import parts, stored
from c2rl.store import ragged
from c2rl.store.manifest import Row

WIDTH = 8
SHARPNESS, MIX = 0.07, 0.3


def clips(count, *, seed=0):
    """Clips of 1 to 7 vectors."""
    rng = np.random.default_rng(seed)
    return [rng.standard_normal((1 + i % 7, WIDTH)).astype(np.float16) for i in range(count)]


def texts(count, *, seed=1):
    rng = np.random.default_rng(seed)
    return [
        torch.from_numpy(rng.standard_normal((2 + i % 4, WIDTH), np.float32)) for i in range(count)
    ]


def row(id_, split="train", sentence="ein satz", **more):
    return Row(Clip(id_, split, sentence, "de", "a.mp4", **more), "ok", "", 100, 25.0)


def rows_of(count, name="clip"):
    """The last third is of another split."""
    return [row(f"{name}{i}", "train" if 3 * i < 2 * count else "dev") for i in range(count)]


def write_part(path, sequences, rows, *, queries=(), made_from=None):
    parts.write_part(
        path,
        rows,
        iter(sequences),
        lengths=[len(s) for s in sequences],
        width=WIDTH,
        made_from=made_from or {"encoder": "e"},
        queries=queries,
        sharpness=SHARPNESS,
        mix=MIX,
    )


def part(path, sequences, monkeypatch, *, rows=None, queries=()):
    """Write and open: 4 vectors a chunk, 9 a block."""
    monkeypatch.setattr(stored, "BLOCK_ROWS", 9)
    with monkeypatch.context() as patch:
        patch.setattr(ragged, "CHUNK_BYTES", 4 * WIDTH * 2)
        write_part(path, sequences, rows or rows_of(len(sequences)), queries=queries)
    return parts.Part(path, provenance.read_meta(path, "part", made_by="retrieve"))


def score(clip, text, *, sharpness=SHARPNESS, mix=MIX, soft=True):
    """CLCL of one pair in float64, loop by loop; MaxSim where it is not soft."""
    unit = [np.asarray(x, np.float64) for x in (clip, text)]
    unit = [x / np.linalg.norm(x, axis=1, keepdims=True) for x in unit]
    cosine = unit[0] @ unit[1].T

    def read(values):
        weights = np.exp(values / sharpness)
        return (weights * values).sum() / weights.sum() if soft else values.max()

    of_clip = np.mean([read(values) for values in cosine])
    of_text = np.mean([read(values) for values in cosine.T])
    return mix * of_clip + (1 - mix) * of_text


def brute(sequences, text, *, mix=MIX):
    return np.array([score(clip, text, mix=mix) for clip in sequences])
