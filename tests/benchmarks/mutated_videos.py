"""Damaged videos against the decoding processes, and what the processes cost.

    python tests/benchmarks/mutated_videos.py --videos 1000
    python tests/benchmarks/mutated_videos.py --isolation

Table 1: 20 small generated films, each in another codec or container, are damaged in 50 ways each:
flipped bits, lost ends, blocks that are zeroed, doubled, swapped or foreign, and headers that lie
about sizes, dimensions and times. All go through `pool.run(decode_one, ...)` as in stage `prepare`.
The goal: the parent lives, no clip takes longer than its deadline, and each has a status in words.
The pool's parent is a process of its own, so that its death would be a row of the table.

Table 2 (--isolation): seconds of the same clips in this process and in one worker, alternately; of
the clock, and of the processor, which other work on the machine disturbs less. The goal: 5 percent.
"""

import argparse
import json
import os
import random
import re
import resource
import statistics
import struct
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np

from c2rl.corpora.clip import Clip
from c2rl.video import pool
from c2rl.video.decode import Task, decode_one, with_decord

sys.path.insert(0, str(Path(__file__).parents[1]))
films = import_module("films")  # of the tests
os.environ.setdefault("SVT_LOG", "1")  # the AV1 encoder tells errors only

X265 = {"codec": "libx265", "x265-params": "log-level=none:pools=none:keyint=12"}
SEEDS: dict[str, dict[str, object]] = {
    "h264.mp4": {},
    "h264_b.mp4": {"bf": "3", "g": "12"},
    "h264_start.mp4": {"container": {"movflags": "faststart"}},
    "h264_pieces.mp4": {"container": {"movflags": "frag_keyframe+empty_moov"}, "g": "8"},
    "h264_edit.mov": {"bf": "2"},
    "h264_444.mp4": {"pixels": "yuv444p"},
    "h264_deep.mp4": {"pixels": "yuv420p10le"},
    "h264_varying.mp4": {"steps": [n + n // 5 for n in range(24)]},
    "h264.mkv": {"bf": "3"},
    "h264.avi": {"bf": "2"},
    "h264.ts": {"g": "12"},
    "hevc.mp4": X265,
    "hevc.mkv": X265,
    "av1.webm": {"codec": "libsvtav1", "preset": "12"},
    "vp8.webm": {"codec": "libvpx", "cpu-used": "8"},
    "vp9.webm": {"codec": "libvpx-vp9", "cpu-used": "8"},
    "mpeg4.avi": {"codec": "mpeg4", "bf": "2"},
    "mpeg2.mpg": {"codec": "mpeg2video"},
    "mjpeg.mov": {"codec": "mjpeg", "pixels": "yuvj420p"},
    "moving.gif": {"codec": "gif", "pixels": "rgb8"},
}
STATUSES = {"ok", "empty_video", "decode_error", "bad_segment", "too_short", "too_large"}
EXTREMES = (0, 1, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFE, 0xFFFFFFFF)
SLACK_S = 2.0  # beyond the deadline: noticing it, killing, starting the next
DEADLINE_S = 10.0


def flip_one(data: bytearray, rng: random.Random) -> None:
    data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)


def flip_many(data: bytearray, rng: random.Random) -> None:
    for _ in range(64):
        flip_one(data, rng)


def truncate(data: bytearray, rng: random.Random) -> None:
    del data[rng.randrange(len(data)) :]


def zero_block(data: bytearray, rng: random.Random) -> None:
    start, end = _block(data, rng)
    data[start:end] = bytes(end - start)


def double_block(data: bytearray, rng: random.Random) -> None:
    start, end = _block(data, rng)
    data[end:end] = data[start:end]


def swap_blocks(data: bytearray, rng: random.Random) -> None:
    size = max(1, len(data) // 8)
    blocks = [data[i : i + size] for i in range(0, len(data), size)]
    first, second = rng.sample(range(len(blocks)), 2)
    blocks[first], blocks[second] = blocks[second], blocks[first]
    data[:] = b"".join(blocks)


def insert_foreign(data: bytearray, rng: random.Random) -> None:
    place = rng.randrange(len(data))
    data[place:place] = rng.randbytes(rng.choice([1, 7, 64, 4096]))


def lie_in_header(data: bytearray, rng: random.Random) -> None:
    for _ in range(4):
        data[rng.randrange(min(len(data), 256))] = rng.randrange(256)


def lie_about_dimensions(data: bytearray, rng: random.Random) -> None:
    """Make width and height giant wherever a container may have written them."""
    giant = rng.choice([(16_384, 16_384), (9000, 9000), (65_535, 65_535), (0, 0), (65_535, 1)])
    if rng.random() < 0.5:  # the picture alone, in the bits of its stream, or everything
        data[:] = re.sub(rb"(avcC|hvcC|av1C)(.{16})", lambda m: m[1] + rng.randbytes(16), data)
    for form in (">HH", "<HH", ">II", "<II"):
        for size in ((64, 48), (48, 64)):
            data[:] = data.replace(struct.pack(form, *size), struct.pack(form, *giant))
    data[:] = data.replace(b"\xb0\x81\x40\xba\x81\x30", b"\xb0\x82\xff\xff\xba\x82\xff\xff")


def lie_in_tables(data: bytearray, rng: random.Random) -> None:
    """Write extreme sizes, counts, offsets and times where containers keep theirs."""
    tables = rb"stts|ctts|stsz|stco|stsc|elst|mdhd|mvhd|tkhd|trun|tfdt|idx1|strh"
    starts = [found.end() for found in re.finditer(tables, data)]
    for _ in range(3):
        start = rng.choice(starts or [rng.randrange(max(1, min(len(data), 2048) - 64))])
        place = start + 4 * rng.randrange(12)
        data[place : place + 4] = struct.pack(">I", rng.choice(EXTREMES))


def _block(data: bytearray, rng: random.Random) -> tuple[int, int]:
    start = rng.randrange(len(data))
    return start, min(len(data), start + rng.choice([16, 256, 4096]))


MUTATIONS: tuple[Callable[[bytearray, random.Random], None], ...] = (
    *(flip_one, flip_many, truncate, zero_block, double_block, swap_blocks, insert_foreign),
    *(lie_in_header, lie_about_dimensions, lie_in_tables),
)


def write_seeds(folder: Path, real: Path | None) -> list[Path]:
    """Encode the generated films; or take the real videos that are small."""
    if real is not None:
        small = [
            p for p in real.rglob("*") if p.suffix in (".mp4", ".mov", ".mkv", ".webm", ".gif")
        ]
        return sorted(
            (p for p in small if p.stat().st_size < 300_000), key=lambda p: p.stat().st_size
        )
    folder.mkdir()
    images = films.film(24)
    return [films.write_video(folder / name, images, **options) for name, options in SEEDS.items()]


def write_mutations(seeds: list[Path], folder: Path, count: int) -> list[Path]:
    """Damage the seeds in turn; number n is the same file wherever and whenever it is written."""
    folder.mkdir()
    written = []
    for number in range(count):
        seed, turn = seeds[number % len(seeds)], number // len(seeds)
        mutate = MUTATIONS[turn % len(MUTATIONS)]
        data = bytearray(seed.read_bytes())
        mutate(data, random.Random(number))
        path = folder / f"{number:05d}.{mutate.__name__}{seed.suffix}"
        path.write_bytes(data)
        written.append(path)
    return written


def tasks_of(paths: list[Path]) -> list[Task]:
    options = {"size": 64, "codec": "jpeg", "quality": 95, "needs_sentence": False}
    return [
        Task(
            root=path.parent,
            clip=Clip(id=path.name, split="clips", sentence="", language="", source=path.name),
            **options,
        )
        for path in paths
    ]


def decode_all(folder: Path) -> None:
    """Be the parent of the pool: tell every outcome in a JSON line, and at the end the memory."""
    tasks = tasks_of(sorted(folder.iterdir()))
    given: dict[str, float] = {}

    def deadline(task: Task) -> float:
        given[task.clip.id] = time.monotonic()
        return DEADLINE_S

    outcomes = pool.run(
        decode_one,
        tasks,
        workers=pool.num_workers(),
        timeout_s=deadline,
        retry=with_decord,
    )
    for number, failure, result in outcomes:
        clip = tasks[number].clip.id
        told = {"clip": clip, "failure": failure, "took_s": time.monotonic() - given[clip]}
        if result is not None:
            told |= {"status": result.status, "reason": result.reason, "decoder": result.decoder}
        print(json.dumps(told), flush=True)
    usage = [resource.getrusage(who).ru_maxrss / 1024 for who in _USERS]
    print(json.dumps({"parent_mb": usage[0], "worker_mb": usage[1]}), flush=True)


_USERS = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)


def is_classified(row: dict[str, str]) -> bool:
    if row["failure"]:
        return row["failure"] in ("timeout", "crash")
    words = row["reason"].strip()
    if re.match(r"\w+(Error|Exception): ", words):
        return False  # an exception that nobody foresaw
    return (
        row["status"] in STATUSES and (row["status"] == "ok") == (not words) and "\n" not in words
    )


def show_damage(count: int, real: Path | None, keep: Path | None) -> bool:
    with tempfile.TemporaryDirectory() as temporary:
        place = keep or Path(temporary)
        seeds = write_seeds(place / "seeds", real)
        folder = place / "mutated"
        write_mutations(seeds, folder, count)
        began = time.monotonic()
        parent = subprocess.run(
            [sys.executable, __file__, "--parent-of", folder], stdout=subprocess.PIPE, text=True
        )
        took = time.monotonic() - began
    rows = [json.loads(line) for line in parent.stdout.splitlines()]
    usage = rows.pop() if rows and "parent_mb" in rows[-1] else {"parent_mb": 0, "worker_mb": 0}
    late = [row for row in rows if row["took_s"] > DEADLINE_S + SLACK_S]
    odd = [row for row in rows if not is_classified(row)]
    crashes = int(parent.returncode != 0) + int(len(rows) != count)
    print(f"{count} videos from {len(seeds)} seeds, {pool.num_workers()} workers\n")
    for status, number in _counted(rows):
        print(f"{status:<40}{number:>8}")
    print()
    for title, figure in (
        ("crashes of the parent (goal 0)", f"{crashes}"),
        (f"over their {DEADLINE_S:.0f} s + {SLACK_S:.0f} s (goal 0)", f"{len(late)}"),
        ("unclassified (goal 0)", f"{len(odd)}"),
        ("slowest clip, s", f"{max(row['took_s'] for row in rows):.1f}"),
        ("all, s", f"{took:.1f}"),
        ("peak memory of the parent, MB", f"{usage['parent_mb']:.0f}"),
        ("peak memory of a worker, MB", f"{usage['worker_mb']:.0f}"),
    ):
        print(f"{title:<40}{figure:>8}")
    for row in [*odd, *late]:
        print(row)
    return not (crashes or late or odd)


def _counted(rows: list[dict[str, str]]) -> Iterator[tuple[str, int]]:
    found = Counter(
        f"decode_{row['failure']}" if row["failure"] else f"{row['status']} {row['decoder']}"
        for row in rows
    )
    yield from found.most_common()


def write_clips(folder: Path, count: int) -> list[Path]:
    """Encode clips of 5 s, 640x360, 25 frames a second, with some noise as cameras have it."""
    written = []
    for number in range(count):
        rng = np.random.default_rng(number)
        small = films.film(125, 90, 160) // 2 + 32
        noise = rng.integers(0, 16, (8, 360, 640, 3), dtype=np.uint8)
        images = np.stack([cv2.resize(i, (640, 360)) + noise[n % 8] for n, i in enumerate(small)])
        path = folder / f"{number:02d}.mp4"
        written.append(films.write_video(path, images, preset="veryfast"))
    return written


class Cost(NamedTuple):
    """Of decoding some clips."""

    wall_s: float
    processor_s: float
    """Of all threads and processes."""


def cost_of(decode: Callable[[], None]) -> Cost:
    began, used = time.perf_counter(), sum(os.times()[:4])
    decode()
    return Cost(time.perf_counter() - began, sum(os.times()[:4]) - used)


def in_one_worker(tasks: list[Task]) -> None:
    for outcome in pool.run(decode_one, tasks, workers=1, timeout_s=lambda _: 60.0):
        assert outcome.value.status == "ok"


def show_isolation(count: int, repeats: int) -> None:
    with tempfile.TemporaryDirectory() as temporary:
        tasks = tasks_of(write_clips(Path(temporary), count + 1))
        decode_one(tasks[0])  # the libraries load
        alone: list[Cost] = []
        isolated: list[Cost] = []
        with_start: list[Cost] = []
        for _ in range(repeats):
            alone.append(cost_of(lambda: [decode_one(task) for task in tasks[1:]]))
            first = cost_of(lambda: in_one_worker(tasks[:1]))  # the start and one clip more
            whole = cost_of(lambda: in_one_worker(tasks))
            isolated.append(Cost(*(w - f for w, f in zip(whole, first, strict=True))))
            with_start.append(Cost(*(w - a / count for w, a in zip(whole, alone[-1], strict=True))))
    print(f"{count} clips of 125 frames, 640x360; medians of {repeats} alternating runs\n")
    print(f"{'':<32}{'wall, s':>10}{'cost':>9}{'processor, s':>15}{'cost':>9}")
    for title, costs in (
        ("in this process", alone),
        ("in one worker", isolated),
        ("in one worker, with its start", with_start),
    ):
        line = f"{title:<32}"
        for unit, width in ((0, 10), (1, 15)):
            ratio = statistics.median(c[unit] / a[unit] for c, a in zip(costs, alone, strict=True))
            seconds = statistics.median(cost[unit] for cost in costs)
            line += f"{seconds:>{width}.2f}{100 * (ratio - 1):>+8.1f}%"
        print(line)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--videos", type=int, default=1000)
    parser.add_argument("--real", action="store_true", help="damage real ones of C2RL_REALDATA")
    parser.add_argument("--keep", type=Path, help="new folder in which the videos stay")
    parser.add_argument("--isolation", action="store_true", help="what the processes cost")
    parser.add_argument("--clips", type=int, default=40)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--parent-of", type=Path, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.parent_of:
        decode_all(chosen.parent_of)
        return 0
    if chosen.isolation:
        show_isolation(chosen.clips, chosen.repeats)
        return 0
    if chosen.keep:
        chosen.keep.mkdir(parents=True)
    real = Path(os.environ["C2RL_REALDATA"]) if chosen.real else None
    return 0 if show_damage(chosen.videos, real, chosen.keep) else 1


if __name__ == "__main__":
    sys.exit(main())
