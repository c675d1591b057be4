"""A feature store with awkward clips, and files of features as other projects write them."""

import gzip
import pickle
import sys

import numpy as np
import pytest

from c2rl.cli import main
from c2rl.corpora.clip import Clip
from c2rl.store.features import write_feature_store
from c2rl.store.manifest import Row

CLIPS = (
    ("train", "11August_2010-2", 'es sagt "ja", und geht', "Signer08", None, 42),
    ("train", "a.b", "grüß gott", None, "g1", 9),
    ("train", "x", "他今年四岁。", "1", "g1", 0),
    ("dev", "-fZc293MpJk_0-1-rgb_front", "Hi!", None, None, 7),
    ("test", "yid-00:00:01.000-00:00:02.500", "regen im norden .", None, "g2", 50),
)
EDGES = (0.0, -0.0, 65504.0, -65504.0, 6e-8, 6.1e-5, 1.0009765625, -2.5)
"""Zeros of both signs, the largest, the least, the least normal, the next after one."""


def values(number, rows, width):
    """(T, C) float16 in which every clip differs, and the edges of float16 are."""
    found = (np.arange(rows * width) * 0.37 + number).astype(np.float16).reshape(rows, width)
    found[0, : len(EDGES)] = np.array(EDGES, np.float16)[:width]
    return found


def clips(width):
    """Id to features; the longest is over a kilobyte, the shortest is one row."""
    return {clip[1]: values(n, (1, 40, 3, 7, 2)[n], width) for n, clip in enumerate(CLIPS)}


def rows():
    return [
        Row(Clip(id_, split, text, "de", "", signer=signer, group=group), "ok", num_frames=frames)
        for split, id_, text, signer, group, frames in CLIPS
    ]


def write_store(path, width=8):
    features = clips(width)
    write_feature_store(
        path,
        rows(),
        features.values(),
        lengths=[len(f) for f in features.values()],
        width=width,
        made_from={"encoder": "0123456789abcdef", "profile": None},
    )
    return features


def stored(store):
    """Id to bits of every clip."""
    return {id_: np.array(store[s][id_]).view(np.uint16) for s in store for id_ in store[s].ids}


def bits(features):
    return {id_: f.view(np.uint16) for id_, f in features.items()}


def dump(path, value, protocol=4):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(pickle.dumps(value, protocol)))


def cli(capsys, monkeypatch, *arguments):
    """Run a command in this process; exit code, what it says and what it complains of."""
    monkeypatch.setattr(sys, "argv", ["c2rl", *map(str, arguments)])
    with pytest.raises(SystemExit) as done:
        main()
    told = capsys.readouterr()
    return done.value.code, told.out, told.err


class Call:
    """What a pickle makes its reader call."""

    def __init__(self, function, *arguments):
        self.call = (function, arguments)

    def __reduce__(self):
        return self.call
