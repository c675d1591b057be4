"""The feature store beside what peers do: reading, writing, opening, damage; ratios of one run.

    python tests/benchmarks/store.py [--clips 1500] [--rounds 5] [--large 100000] [--flips 1000]
        [--folder DIR] [--json figures.json]

Ratios are medians over rounds; a round runs all forms, one after the other, on the same clips.
`again` is the same code a second time, divided by itself: what differs from 1 there is noise.
Everything lies in the page cache, as a corpus's features do while something learns from them.

    read     one clip after the other in random order, each copied into an array of its own, as a
             batch does: our store, one .npy a clip, and `zarr.open_array(...)[first:last]` on our
             own store. `view` leaves out the copy, which our store does not need and they do.
    load     all of a split into memory, files checked (a crc32c a chunk, once a process), against
             bare reading of the same files into one array.
    write    the whole store, checksums and fsync included, against peers' gzip pickle (a list of
             dictionaries, written once), each of what its encoder gives: float16 here, float32
             there. The features are normal numbers after a ReLU, half of them 0, as pooled CNN
             features are; gzip gives up sooner, and gains nothing, on features of both signs, for
             which there is no goal. CPU time is told beside: it does not wait for the disk, and
             differs less where others use the machine.
    open     a store of 600 clips and a large one, with its first clip read. The rows are narrow and
             the chunks narrower in proportion, so a store has as many files as a true one.
    damage   random bits of random files, flipped one at a time in a small store of both profiles:
             `verify --deep` names the file and, for a chunk, exactly the clips that lie in it; and
             opening and reading everything is refused.

Goals: read 8 x .npy and 50 x zarr; write 100 x; open 10 x at most; every bit named and refused.
About two minutes on a quiet core, and 200 MB of disk.
"""

import argparse
import gzip
import json
import os
import pickle
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from importlib import import_module, metadata
from itertools import accumulate, pairwise
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import zarr

from c2rl.corpora.clip import Clip
from c2rl.store import ragged
from c2rl.store.features import FeatureStore, write_feature_store
from c2rl.store.manifest import Row
from c2rl.store.verify import verify

sys.path.insert(0, str(Path(__file__).parents[1]))
small_store = import_module("small_store")  # of the tests

WIDTH, NARROW = 512, 8
Figures = dict[str, Any]
Form = Callable[[], object]


def lengths_of(clips: int) -> list[int]:
    """PHOENIX-2014T's at a quarter of the frames: 8 to 51 rows, 29.5 in the mean."""
    return [8 + 37 * i % 44 for i in range(clips)]


def features_of(lengths: Sequence[int], width: int) -> Iterator[npt.NDArray[np.float32]]:
    rng = np.random.default_rng(0)
    for length in lengths:
        yield rng.standard_normal((length, width), np.float32)


def write_store(path: Path, lengths: Sequence[int], clips: Any, width: int) -> Path:
    rows = [
        Row(
            Clip(f"clip{i:06}", "train", f"und nun die wettervorhersage {i}", "de", f"{i}.mp4"),
            *("ok", "", 4 * n, 25.0, "decord"),
        )
        for i, n in enumerate(lengths)
    ]
    write_feature_store(path, rows, clips, lengths=lengths, width=width, made_from={"encoder": "x"})
    return path


def seconds(form: Form) -> float:
    began = time.perf_counter()
    form()
    return time.perf_counter() - began


def spent(form: Form) -> tuple[float, float]:
    """Seconds of the clock and of the processor; where others run too, only these say much."""
    began, busy = time.perf_counter(), time.process_time()
    form()
    return time.perf_counter() - began, time.process_time() - busy


def compare(forms: dict[str, Form], rounds: int) -> dict[str, list[float]]:
    """Seconds of each form in each round; an untimed round comes first."""
    found: dict[str, list[float]] = {name: [] for name in forms}
    for number in range(rounds + 1):
        for name, form in forms.items():
            took = seconds(form)
            if number:
                found[name].append(took)
    return found


def ratio(slow: Sequence[float], fast: Sequence[float]) -> float:
    return statistics.median(s / f for s, f in zip(slow, fast, strict=True))


def show(title: str, figure: float, goal: str = "", is_held: bool | None = None) -> bool:
    verdict = "" if is_held is None else "held" if is_held else "MISSED"
    print(f"{title:<52}{figure:>10,.2f}   {goal:<14}{verdict}".rstrip(), flush=True)
    return is_held is not False


def measure_reading(folder: Path, clips: int, rounds: int) -> tuple[Figures, bool]:
    lengths = lengths_of(clips)
    store = write_store(folder / "read.zarr", lengths, features_of(lengths, WIDTH), WIDTH)
    train = FeatureStore(store)["train"]
    (folder / "npy").mkdir()
    files = [folder / "npy" / f"{id_}.npy" for id_ in train]
    for number, file in enumerate(files):
        np.save(file, train[number])
    array, offsets = zarr.open_array(store / "train/features", mode="r"), train.offsets
    order = [random.Random(0).randrange(clips) for _ in range(min(clips, 500))]

    def by_npy() -> None:
        for i in order:
            np.load(files[i])

    def by_zarr() -> None:
        for i in order:
            array[offsets[i] : offsets[i + 1]]

    def ours() -> None:
        for i in order:
            train[i].copy()

    def views() -> None:
        for i in order:
            train[i]

    for i in order[:20]:  # all give the same
        np.testing.assert_array_equal(train[i], np.load(files[i]))
        np.testing.assert_array_equal(train[i], array[offsets[i] : offsets[i + 1]])
    forms = {"npy": by_npy, "zarr": by_zarr, "ours": ours, "again": ours, "views": views}
    took = compare(forms, rounds)
    rates = {name: len(order) / statistics.median(times) for name, times in took.items()}
    figures: Figures = {"clips_per_s": rates} | {
        name: ratio(took[slow], took[fast])
        for name, slow, fast in (
            *(("npy", "npy", "ours"), ("zarr", "zarr", "ours"), ("again", "again", "ours")),
            *(("npy_view", "npy", "views"), ("zarr_view", "zarr", "views")),
        )
    }
    held = [
        show("read, one .npy a clip / ours", figures["npy"], "8 or more", figures["npy"] >= 8),
        show("read, zarr API / ours", figures["zarr"], "50 or more", figures["zarr"] >= 50),
        show("read, ours again / ours", figures["again"]),
        show("read, one .npy a clip / our view", figures["npy_view"]),
        show("read, zarr API / our view", figures["zarr_view"]),
        show("read, ours, clips a second", rates["ours"]),
    ]
    return figures | measure_checks(store, rounds), all(held)


def measure_checks(store: Path, rounds: int) -> Figures:
    train = FeatureStore(store)["train"]  # once its chunks are mapped, they have been checked
    chunks = sorted(
        (store / "train/features/c").glob("*/0"), key=lambda file: int(file.parent.name)
    )
    sizes = [min(file.stat().st_size - 4, ragged.CHUNK_BYTES) for file in chunks]
    starts = [0, *accumulate(sizes)]

    def bare() -> npt.NDArray[np.uint8]:
        values = np.empty(starts[-1], np.uint8)
        for file, (first, last) in zip(chunks, pairwise(starts), strict=True):
            with file.open("rb") as source:
                source.readinto(values[first:last])
        return values

    loaded = train.load().features.numpy()
    np.testing.assert_array_equal(bare().view(np.float16)[: loaded.size], loaded.ravel())
    forms: dict[str, Form] = {
        "bare": bare,
        "checked": lambda: FeatureStore(store)["train"].load(),
        "unchecked": lambda: train.load(),
    }
    took = compare(forms, rounds)
    figures = {
        "checked": ratio(took["checked"], took["bare"]),
        "unchecked": ratio(took["unchecked"], took["bare"]),
        "checked_gb_per_s": starts[-1] / 1e9 / statistics.median(took["checked"]),
    }
    show("load a split, opened and checked / bare reading", figures["checked"])
    show("load a split, checked before / bare reading", figures["unchecked"])
    show("load a split, opened and checked, GB/s", figures["checked_gb_per_s"])
    return figures


def measure_writing(folder: Path, clips: int, rounds: int) -> tuple[Figures, bool]:
    lengths = lengths_of(clips)
    signed = [*features_of(lengths, WIDTH)]
    figures: Figures = {}
    for name, ready in (("relu", [np.maximum(clip, 0) for clip in signed]), ("signed", signed)):
        theirs, size = write_pickle(folder / f"{name}.pkl.gz", ready)
        halves = [clip.astype(np.float16) for clip in ready]
        ours = []
        for number in range(rounds + 1):
            store = folder / f"{name}{number}.zarr"
            ours.append(spent(lambda s=store, h=halves: write_store(s, lengths, iter(h), WIDTH)))
        written = sum(file.stat().st_size for file in small_store.files(store))
        wall, cpu = (statistics.median(column) for column in zip(*ours[1:], strict=True))
        figures[name] = {
            "write": theirs[0] / wall,
            "write_cpu": theirs[1] / cpu,
            "mb_per_s": written / 1e6 / wall,
            "size": size / written,
        }
    relu, plain = figures["relu"], figures["signed"]
    is_held = show("write, gzip pickle / ours", relu["write"], "100 or more", relu["write"] >= 100)
    show("write, gzip pickle / ours, CPU time", relu["write_cpu"])
    show("write, ours, MB/s", relu["mb_per_s"])
    show("size, gzip pickle / ours", relu["size"])
    show("write, gzip pickle / ours, features of both signs", plain["write"])
    show("size, gzip pickle / ours, features of both signs", plain["size"])
    return figures, is_held


def write_pickle(
    file: Path, clips: Sequence[npt.NDArray[np.float32]]
) -> tuple[tuple[float, float], int]:
    """Seconds (of the clock, of the processor) and bytes of what peers ship."""
    peers = [
        {"name": f"clip{i:06}", "text": f"und nun {i}", "sign": clip}
        for i, clip in enumerate(clips)
    ]

    def write() -> None:
        with gzip.open(file, "wb") as target:
            pickle.dump(peers, target)

    return spent(write), file.stat().st_size


def measure_opening(folder: Path, large: int, rounds: int) -> tuple[Figures, bool]:
    wide = ragged.CHUNK_BYTES
    ragged.CHUNK_BYTES = wide * NARROW // WIDTH
    stores = {}
    for clips in (600, large):
        lengths = lengths_of(clips)
        path = folder / f"open{clips}.zarr"
        stores[clips] = write_store(path, lengths, features_of(lengths, NARROW), NARROW)
    ragged.CHUNK_BYTES = wide
    few, many = (len(small_store.files(stores[n])) for n in (600, large))

    def first(clips: int) -> Form:
        return lambda: FeatureStore(stores[clips])["train"][0]

    def sentences(clips: int) -> Form:
        return lambda: FeatureStore(stores[clips])["train"].sentences

    took = compare({"few": first(600), "many": first(large), "again": first(600)}, 4 * rounds)
    texts = compare({"few": sentences(600), "many": sentences(large)}, rounds)
    figures = {
        "open": ratio(took["many"], took["few"]),
        "open_again": ratio(took["again"], took["few"]),
        "open_ms": {name: 1e3 * statistics.median(times) for name, times in took.items()},
        "sentences": ratio(texts["many"], texts["few"]),
        "sentences_ms": {name: 1e3 * statistics.median(times) for name, times in texts.items()},
    }
    print(f"open: 600 clips in {few} files, {large:,} in {many}")
    held = figures["open"] <= 10
    is_held = show(f"open, {large:,} clips / 600", figures["open"], "10 at most", held)
    show("open, 600 clips again / 600", figures["open_again"])
    show(f"open, {large:,} clips, ms", figures["open_ms"]["many"])
    show("open, 600 clips, ms", figures["open_ms"]["few"])
    show(f"sentences of {large:,} clips, ms", figures["sentences_ms"]["many"])
    return figures, is_held


class OneChange:
    """Sets attributes and puts them back; what the tests' fixture does."""

    def context(self) -> "OneChange":
        return self

    def __enter__(self) -> "OneChange":
        self._before: list[tuple[Any, str, Any]] = []
        return self

    def setattr(self, owner: Any, name: str, value: Any) -> None:
        self._before.append((owner, name, getattr(owner, name)))
        setattr(owner, name, value)

    def __exit__(self, *_: object) -> None:
        for owner, name, value in self._before:
            setattr(owner, name, value)


def clips_in(name: str) -> list[str] | None:
    """Ids that lie in a chunk of the small store, counted row by row; None: of no one chunk."""
    split, *rest = name.split("/")
    if rest[:2] != ["features", "c"]:
        return None
    owners = [f"{split}{i}" for i, n in enumerate(small_store.LENGTHS[split]) for _ in range(n)]
    first = int(rest[2]) * small_store.CHUNK_ROWS
    return list(dict.fromkeys(owners[first : first + small_store.CHUNK_ROWS]))


def is_read(store: Path) -> bool:
    try:
        opened = FeatureStore(store)
        for split in opened:
            opened[split].load()
            _ = opened[split].sentences
    except (ValueError, KeyError):
        return False
    return True


def measure_damage(folder: Path, flips: int) -> tuple[Figures, bool]:
    figures = {"flips": flips, "named": 0, "clips_right": 0, "refused": 0}
    rng = random.Random(1000)
    stores = [
        small_store.write(folder / f"{profile}.zarr", OneChange(), profile=profile)
        for profile in ("none", "zstd")
    ]
    for number in range(flips):
        store = stores[number % 2]
        file = rng.choice(small_store.files(store))
        bit = rng.randrange(8 * file.stat().st_size)
        small_store.flip(file, bit)
        name = file.relative_to(store).as_posix()
        found = {finding.file: finding for finding in verify(store, deep=True).findings}
        expected = clips_in(name)
        named = [clip.id for clip in found[name].clips] if name in found else []
        figures["named"] += name in found
        figures["clips_right"] += named == expected if expected else bool(named)
        figures["refused"] += not is_read(store)
        if name not in found or (expected and named != expected):
            print(f"not as it should be: bit {bit} of {name}: {found}")
        small_store.flip(file, bit)
    whole = all(verify(store, deep=True).is_sound and is_read(store) for store in stores)
    held = [whole]
    for key, title in (
        ("named", "named by verify --deep"),
        ("clips_right", "their clips named rightly"),
        ("refused", "refused by the reader"),
    ):
        goal, figure = f"{flips:,}", figures[key]
        held.append(show(f"damage, flipped bits {title}", figure, goal, figure == flips))
    return figures, all(held)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clips", type=int, default=1500)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--large", type=int, default=100_000)
    parser.add_argument("--flips", type=int, default=1000)
    parser.add_argument("--folder", type=Path, help="where temporary stores are written")
    parser.add_argument("--json", type=Path, help="write the figures there as well")
    chosen = parser.parse_args()
    load = os.getloadavg()[0]
    print(f"zarr {metadata.version('zarr')}, load average {load:.1f}, {chosen.clips} clips\n")
    with tempfile.TemporaryDirectory(dir=chosen.folder) as temporary:
        folder = Path(temporary)
        parts = {
            "read": measure_reading(folder, chosen.clips, chosen.rounds),
            "write": measure_writing(folder, chosen.clips, chosen.rounds),
            "open": measure_opening(folder, chosen.large, chosen.rounds),
            "damage": measure_damage(folder, chosen.flips),
        }
    if chosen.json:
        figures = {name: part for name, (part, _) in parts.items()}
        told = {"machine": {"load": load}, "clips": chosen.clips, "figures": figures}
        chosen.json.write_text(json.dumps(told, indent=2) + "\n", encoding="utf-8")
    return 0 if all(is_held for _, is_held in parts.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
