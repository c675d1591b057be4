"""Stage extract: sign encoder and frames, or any videos, to a feature store."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

from c2rl import provenance, resumable
from c2rl.config import ExtractParams
from c2rl.extract import encoding, imported, plan, trained
from c2rl.extract.plan import Plan
from c2rl.extract.trained import Form, Trained
from c2rl.extract.work import Setup
from c2rl.lock import only_writer
from c2rl.store import kept, shards
from c2rl.store.features import FeatureStore, write_feature_store
from c2rl.store.manifest import OK, Row
from c2rl.training import environment
from c2rl.video import pool

_WRITTEN = "written"  # names the store that was made of the finished shards


class Extracted(NamedTuple):
    """What became of an extraction."""

    written: int
    """Clips in the store."""
    failed: list[Row]
    """Clips that could not be read or encoded, and why."""
    is_complete: bool
    """False where other ranks still work; the last of them writes the store."""


def extract(
    params: ExtractParams, *, frames: Path, encoder: Path, features: Path, metrics: Path
) -> None:
    """Store the sign features of every readable clip of a corpus.

    Args:
        params: What this stage may read.
        frames: Frame store, written by `prepare`.
        encoder: Sign encoder, written by `pretrain`.
        features: Feature store to write.
        metrics: JSON file to write.

    Raises:
        FileNotFoundError: If a store or encoder is absent.
        ValueError: If one is damaged, or a clip has no features; the message names it.
        OSError: If the disk is full; what was encoded is kept for the next run.
    """
    options = params.extract
    if options.imported is not None:
        taken = imported.take(options.imported, frames=frames, features=features)
        provenance.write_json(metrics, _metrics(taken))
        return
    signer = trained.read(encoder)
    if (executor := chosen_executor()) == "rank":
        raise ValueError(
            "stage extract has one writer, so executor rank cannot share it. Start the ranks by"
            f" `c2rl extract {frames} --ckpt {encoder} --out {features} --executor rank`."
        )
    work = plan.from_frames(frames, signer, views=options.views)
    form = Form(**options.kwargs("which", "point", "precision"))
    scratch = scratch_of(work, signer, form)
    with resumable.full_disk_told(), alone(features, scratch):
        if not kept.restore(features, "features", scratch):
            store_features(
                work, signer, form, features, scratch, is_partial=False, executor=executor
            )
            kept.keep(features, "features", scratch)
    provenance.write_json(metrics, _metrics(FeatureStore(features)))


def chosen_executor(named: str | None = None) -> str:
    """Tell who is to do the work; it changes speed only.

    Args:
        named: By the user, if at all.

    Returns:
        That, or environment variable `C2RL_EXECUTOR`, or local.
    """
    return named or os.environ.get("C2RL_EXECUTOR") or "local"


@contextmanager
def alone(out: Path, scratch: Path) -> Iterator[None]:
    """Keep others from a store and its unfinished work; ranks share both, and do without.

    Args:
        out: Store to write.
        scratch: From `scratch_of`; what killed writers left there is removed.

    Yields:
        Nothing; both are this process's.

    Raises:
        BlockingIOError: If another process has one of them.
    """
    with only_writer(out), only_writer(scratch):
        scratch.mkdir(parents=True, exist_ok=True)  # who held it may just have removed it
        shards.sweep(scratch)
        yield


def store_features(
    work: Plan,
    signer: Trained,
    form: Form,
    out: Path,
    scratch: Path,
    *,
    is_partial: bool,
    executor: str,
) -> Extracted:
    """Encode what is not yet encoded, and write the store; `alone`, or as one of several ranks.

    Args:
        work: The clips.
        signer: The encoder.
        form: Which of its features.
        out: Store to write.
        scratch: From `scratch_of`.
        is_partial: Whether clips that cannot be read or encoded may be left out.
        executor: local, rank or ray.

    Returns:
        What became of the clips.

    Raises:
        ValueError: If a clip that must be there has no features, or no clip has.
        BlockingIOError: If another process writes the same store.
    """
    workers = environment.number("C2RL_DEVICES", what="a number of processes") or 1
    frames = work.frames.resolve() if work.frames else None
    threads = max(1, pool.num_workers() // workers)
    setup = Setup(signer.path.resolve(), form, frames, threads)
    found = encoding.encode(work, setup, scratch, executor=executor, workers=workers)
    if found is None:
        return Extracted(0, [], is_complete=False)
    rows = [row for shard in found for row in shard]
    failed = [row for row in rows if row.status != OK]
    _refuse(rows, failed, is_partial=is_partial)
    made_from = _made_from(work, signer, form, failed)
    try:
        with only_writer(out):
            if not _is_written(out, rows, scratch):
                _write(work, signer, rows, out, scratch, made_from)
    except BlockingIOError:
        if executor != "rank":
            raise
        return Extracted(0, [], is_complete=False)
    return Extracted(len(rows) - len(failed), failed, is_complete=True)


def _write(
    work: Plan, signer: Trained, rows: list[Row], out: Path, scratch: Path, made_from: Any
) -> None:
    views = max(part.work.views for part in work.parts)
    write_feature_store(
        out,
        [row for row in rows if row.status == OK],
        encoding.features(scratch, work),
        lengths=encoding.lengths(scratch, work),
        width=signer.width,
        made_from=made_from,
        views=[encoding.features(scratch, work, view) for view in range(1, views)],
    )
    provenance.write_atomic(scratch / _WRITTEN, _mark(out, rows))


def _is_written(out: Path, rows: list[Row], scratch: Path) -> bool:
    """Tell whether another rank has written this very store meanwhile."""
    with suppress(OSError, ValueError):
        return (scratch / _WRITTEN).read_text(encoding="utf-8") == _mark(out, rows)
    return False


def _mark(out: Path, rows: list[Row]) -> str:
    became = [[row.clip.id, row.status] for row in rows]
    return provenance.fingerprint([FeatureStore(out).meta.fingerprint, became])


def _refuse(rows: list[Row], failed: list[Row], *, is_partial: bool) -> None:
    """Raise where no store may be written: without any clip, or without one that must be there."""
    if failed and (len(failed) == len(rows) or not is_partial):
        told = ", ".join(f"{row.clip.id} ({row.reason})" for row in failed[:5])
        more = ", ..." if len(failed) > 5 else ""
        raise ValueError(f"{len(failed)} of {len(rows)} clips have no features: {told}{more}")


def scratch_of(work: Plan, signer: Trained, form: Form) -> Path:
    """Name the folder of an extraction that may be killed and goes on.

    Args:
        work: The clips.
        signer: The encoder.
        form: Which of its features.

    Returns:
        Its folder, the same whenever all that decides the features is.
    """
    libraries = ("av", "decord", "opencv-python-headless", "torch", "torchvision")
    versions = {k: v for k, v in provenance.versions().items() if k in libraries}
    code = resumable.hash_code("extract", "nn", "store", "video")
    cut = [[len(part.clips), part.work.views] for part in work.parts]
    return resumable.folder(
        ["extract", signer.meta.fingerprint, form, work.key, cut, versions, code]
    )


def _made_from(work: Plan, signer: Trained, form: Form, failed: list[Row]) -> dict[str, Any]:
    told = work.made_from | {
        "encoder": signer.meta.fingerprint,
        "extract": form._asdict(),
        "sampling": signer.frames,
    }
    return told | ({"failed": [row.clip.id for row in failed]} if failed else {})


def _metrics(store: FeatureStore) -> dict[str, dict[str, float]]:
    return {
        name: {
            "clips": len(store[name]),
            "rows": sum(store[name].lengths),
            "width": store[name].width,
            "megabytes": round(2 * store[name].width * sum(store[name].lengths) / 1e6, 2),
        }
        for name in store
    }
