"""Stage prepare: decode, crop and compress every frame of a corpus once."""

import shutil
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from c2rl import provenance, resumable
from c2rl.config import PrepareParams
from c2rl.corpora import synthsign
from c2rl.corpora.clip import Annotations, Choice, Clip
from c2rl.corpora.find import corpus
from c2rl.prepare import decoding, places
from c2rl.prepare import release as releases
from c2rl.progress import progress, say
from c2rl.store import kept, shards
from c2rl.store.frames import FrameStore, write_frame_store
from c2rl.store.manifest import OK, Row, count
from c2rl.video import pool, signer
from c2rl.video.decode import Result, Task
from c2rl.video.signer import Cropping

OVERLAYS = 4
"""Clips of each split whose box is drawn into a picture for the report."""


def prepare(params: PrepareParams, *, release: Path, frames: Path, metrics: Path) -> None:
    """Turn a corpus into a frame store; clips that cannot be read are told and left out.

    Args:
        params: What the stage may read.
        release: `data/corpora/<dataset>.json`, the fingerprint of the release.
        frames: Folder of the frame store to write.
        metrics: JSON to write: per split, what was stored and what failed why.

    Raises:
        FileNotFoundError: If the release is not there.
        ValueError: If it is another release, or no clip of train can be read.
        OSError: If the disk is full; what was decoded is kept for the next run.
    """
    with resumable.full_disk_told():
        root, found, made_from = _read(params, release)
        cropping = _cropping(params)
        made_from["crop"] = cropping._asdict() | {"detector": signer.ready(cropping)}
        scratch = _scratch(root, found, made_from)
        if kept.restore(frames, "frames", scratch):
            store = FrameStore(frames)
        else:
            tasks = _tasks(params, root, found, cropping)
            store = _decode(tasks, frames, scratch, made_from)
            if any(row.status in shards.TRANSIENT for row in store.manifest):
                shutil.rmtree(scratch)  # the next run tries again
            else:
                kept.keep(frames, "frames", scratch)
        provenance.write_json(metrics, measure(store))


def _decode(
    tasks: list[Task], frames: Path, scratch: Path, made_from: dict[str, Any]
) -> FrameStore:
    """Decode all clips, as far as no earlier run did, and assemble the store."""
    root, cropping = tasks[0].root, tasks[0].cropping
    journal = places.open_places(root, cropping, made_from["crop"]["detector"])
    tasks = [task._replace(known=journal.of(task)) for task in tasks]

    def keep(task: Task, result: Result) -> None:
        journal.keep(task, result)
        if result.overlay is not None:
            provenance.write_atomic(_overlay(scratch, task.clip), result.overlay.tobytes())

    with progress("prepare", len(tasks), disk=frames.parent) as bar:
        workers = pool.num_workers()
        done = decoding.decode(tasks, scratch, workers=workers, progress=bar, keep=keep)
    journal.close()
    rows = [row for shard in done for row in shard.rows]
    _tell_failures(rows)
    _require_train(rows, root)
    write_frame_store(
        frames,
        rows,
        decoding.encoded(done),
        sizes=decoding.frame_sizes(done),
        made_from=made_from,
        counts=count(rows),
        overlays=_overlays(scratch, tasks),
    )
    return FrameStore(frames)


def _read(params: PrepareParams, release: Path) -> tuple[Path, Annotations, dict[str, Any]]:
    """Find the corpus, drawn first if it is SynthSign; check that it is the release in git."""
    name, knobs = params.dataset, params.synthsign.kwargs()
    choice = Choice(**params.prepare.kwargs(), box=params.crop.box)
    made_from: dict[str, Any] = {
        "dataset": name,
        "profile": corpus(name).facts.profile,
        "frames": params.frames.kwargs(),
        "reading": choice._asdict(),
    }
    root = releases.find_root(name, knobs)
    if name == "synthsign":
        made_from |= {"release": releases.check_generator(release), "synthsign": knobs}
        with progress("drawing SynthSign", 0) as bar:
            synthsign.make(root, **knobs, workers=pool.num_workers(), report=bar.reach)
        return root, releases.read(name, root, choice), made_from
    found = releases.read(name, root, choice)
    for note in [*found.notes, *(f"no annotations of {split}" for split in found.absent)]:
        say(f"prepare: {note}")
    made_from["release"] = releases.check(release, name, root, choice, found)
    return root, found, made_from


def _cropping(params: PrepareParams) -> Cropping:
    """Turn `crop.method` into steps; `corpus` goes without a detector where none is named."""
    steps = {
        "corpus": corpus(params.dataset).facts.crop,
        "none": ("whole",),
        "box": ("box", "square"),
        "detector": ("detector", "square"),
        "square": ("square",),
    }[params.crop.method]
    if params.crop.weights == "none":
        steps = tuple(step for step in steps if step != "detector")
    return Cropping(steps, **params.crop.kwargs("weights", "frames", "score", "margin"))


def _tasks(params: PrepareParams, root: Path, found: Annotations, cropping: Cropping) -> list[Task]:
    facts = corpus(params.dataset).facts
    shown: Counter[str] = Counter()
    tasks = []
    for entry in found.entries:
        refused = (entry.status, entry.reason) if entry.status else None
        shown[entry.clip.split] += refused is None
        tasks.append(
            Task(
                root,
                entry.clip,
                **params.frames.kwargs(),
                cropping=cropping,
                least_frames=facts.least_frames,
                is_gapless=facts.is_gapless,
                wants_overlay=refused is None and shown[entry.clip.split] <= OVERLAYS,
                refused=refused,
            )
        )
    return tasks


def _overlay(scratch: Path, clip: Clip) -> Path:
    return scratch / f"{provenance.fingerprint(clip.id)}.jpg"


def _overlays(scratch: Path, tasks: Sequence[Task]) -> dict[str, bytes]:
    """Collect the pictures of the first clips of each split, with the box drawn in."""
    wanted = [task.clip for task in tasks if task.wants_overlay]
    found = {clip.id: _overlay(scratch, clip) for clip in wanted}
    return {id_: path.read_bytes() for id_, path in found.items() if path.is_file()}


_DECODERS = ("av", "decord", "opencv-python-headless")


def _scratch(root: Path, found: Annotations, made_from: dict[str, Any]) -> Path:
    versions = {k: v for k, v in provenance.versions().items() if k in _DECODERS}
    corpus = provenance.fingerprint([entry.clip._asdict() for entry in found.entries])
    code = resumable.hash_code("corpora", "prepare", "store", "video")
    return resumable.folder(["prepare", str(root.resolve()), corpus, made_from, versions, code])


def measure(store: FrameStore) -> dict[str, Any]:
    """Sum up a frame store.

    Args:
        store: A finished one.

    Returns:
        Per split: clips, frames, hours, megabytes, failed clips per status, and how clips were
        cropped.
    """
    told = {}
    for split, statuses in count(store.manifest).items():
        numbers = store.split(split)
        rows = [store.rows[number] for number in numbers]
        told[split] = {
            "clips": len(rows),
            "frames": sum(row.num_frames for row in rows),
            "hours": round(sum(r.num_frames / r.fps for r in rows if r.fps) / 3600, 4),
            "megabytes": round(sum(store.num_bytes(number) for number in numbers) / 1e6, 3),
            "failed": {status: n for status, n in statuses.items() if status != OK},
            "cropped": dict(sorted(Counter(row.box_from for row in rows).items())),
        }
    return told


def _tell_failures(rows: Sequence[Row]) -> None:
    failed: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        if row.status != OK:
            failed[row.status].append(row)
    for status, found in sorted(failed.items()):
        ids = ", ".join(row.clip.id for row in found[:5]) + (", ..." if len(found) > 5 else "")
        say(f"prepare: {len(found)} clips left out, {status}: {ids} ({found[0].reason})")


def _require_train(rows: Sequence[Row], root: Path) -> None:
    train = [row for row in rows if row.clip.split == "train"]
    if any(row.status == OK for row in train):
        return
    if not train:
        raise ValueError(f"{root} has no clip of split train, expected at least one.")
    first = train[0]
    raise ValueError(
        f"none of the {len(train)} train clips in {root} can be read; the first, {first.clip.id}:"
        f" {first.status}, {first.reason}. Look at the paths in its annotations."
    )
