"""Stage extract: sign encoder and frames, or any videos, to a feature store."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

from c2rl import provenance
from c2rl.config import ExtractParams
from c2rl.extract.encoder import SignEncoder, reader
from c2rl.store.features import Features, FeatureStore, write_feature_store
from c2rl.store.frames import FrameStore
from c2rl.store.manifest import OK, Row
from c2rl.video import pool
from c2rl.video.decode import Result, Task, decode_one, row_of, timeout_s, with_decord
from c2rl.video.files import find_clips


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
    """
    store = FrameStore(frames)
    signer = SignEncoder(encoder, which=params.extract.which)
    numbers = [n for split in store.meta.counts for n in store.split(split)]
    rows = [store.rows[n] for n in numbers]

    def encoded() -> Iterator[Features]:
        for number in _told(numbers):
            row = store.rows[number]
            read = store.reader(number)
            yield signer.encode_frames(read, row.num_frames, row.fps).numpy()

    write_feature_store(
        features,
        rows,
        encoded(),
        lengths=[signer.length(row.num_frames, row.fps) for row in rows],
        width=signer.width,
        made_from={
            "frames": store.meta.fingerprint,
            "profile": store.meta.made_from["profile"],
            **_made_from(signer),
        },
    )
    provenance.write_json(metrics, _metrics(FeatureStore(features)))


def extract_videos(
    sources: list[Path], *, encoder: Path, out: Path, which: Literal["best", "last"] = "best"
) -> tuple[int, list[Row]]:
    """Store the sign features of video files and folders, without a corpus or `params.yaml`.

    Args:
        sources: Video files, folders of videos, folders of frames.
        encoder: Sign encoder, written by `pretrain`.
        out: Feature store to write; one split, `clips`.
        which: Weights of the best epoch, or of the last.

    Returns:
        Number of clips stored, and the rows of those that could not be read.

    Raises:
        FileNotFoundError: If a source does not exist or holds no video.
        ValueError: If no clip could be read.
    """
    signer = SignEncoder(encoder, which=which)
    clips = find_clips(sources)
    stored = {key: signer.frames[key] for key in ("size", "codec", "quality")}
    # An absolute path below "/" is a path below a root, as annotations' paths are.
    tasks = [
        Task(
            Path("/"),
            clip._replace(source=_below_root(clip.source)),
            **stored,
            needs_sentence=False,
            cropping=signer.cropping,
            choose=signer.choose,
        )
        for clip in clips
    ]
    found: dict[int, tuple[Row, Features]] = {}
    failed: list[Row] = []
    outcomes = pool.run(
        decode_one, tasks, workers=pool.num_workers(), timeout_s=timeout_s, retry=with_decord
    )
    for outcome in outcomes:
        clip = clips[outcome.number]
        result = outcome.value or Result(f"decode_{outcome.failure}", "the decoder gave up")
        row = row_of(clip, result)
        if result.status == OK:
            features = signer.encode_frames(
                reader(result.numbers, result.frames), row.num_frames, row.fps
            ).numpy()
            found[outcome.number] = row, features
        else:
            failed.append(row)
    if not found:
        raise ValueError(f"none of {len(clips)} clips could be read: {failed[0].reason}")
    written = [found[n] for n in sorted(found)]
    write_feature_store(
        out,
        [row for row, _ in written],
        (features for _, features in written),
        lengths=[len(features) for _, features in written],
        width=signer.width,
        made_from=_made_from(signer),
    )
    return len(written), failed


def _below_root(source: str) -> str:
    return Path(source).resolve().relative_to("/").as_posix()


def _made_from(signer: SignEncoder) -> dict[str, Any]:
    return {
        "encoder": signer.meta.fingerprint,
        "which": signer.which,
        "sampling": signer.frames,
    }


def _told(numbers: list[int]) -> Iterator[int]:
    began = spoke = time.perf_counter()
    for done, number in enumerate(numbers, 1):
        yield number
        now = time.perf_counter()
        if now - spoke > 10 or done == len(numbers):
            spoke = now
            rate = done / (now - began)
            left = (len(numbers) - done) / rate
            print(
                f"extract  {done}/{len(numbers)} clips  {rate:.1f}/s  {left:.0f} s left", flush=True
            )


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
