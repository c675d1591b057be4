"""Sign features of any videos: `c2rl extract`, without a corpus or `params.yaml`."""

import shutil
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path

from c2rl import resumable
from c2rl.extract import plan, trained
from c2rl.extract.run import Extracted, alone, chosen_executor, scratch_of, store_features
from c2rl.extract.sources import plan as plan_videos
from c2rl.extract.trained import USUAL_FORM, Form
from c2rl.extract.windows import USUAL_WINDOWS, Windows
from c2rl.store import listed, remote, shards


def extract_videos(
    sources: Sequence[Path],
    *,
    encoder: Path,
    out: Path | str,
    form: Form = USUAL_FORM,
    views: int = 1,
    windows: Windows = USUAL_WINDOWS,
    executor: str | None = None,
) -> Extracted:
    """Store the sign features of videos, without `params.yaml`.

    Args:
        sources: A frame store; or video files, folders of videos, folders of frames, and tables.
        encoder: Sign encoder, written by `pretrain`.
        out: Feature store to write, or its URL (`s3://bucket/x.zarr`).
        form: Which of the features that the encoder can give.
        views: Phases of the sampling that are stored of the clips of train.
        windows: How videos of more than a minute are cut.
        executor: local, rank or ray; None: environment variable `C2RL_EXECUTOR`, or local.

    Returns:
        What became of the clips.

    Raises:
        FileNotFoundError: If a source does not exist or holds no video.
        ValueError: If no clip could be encoded.
        BlockingIOError: If another process writes the same store.
        OSError: If the disk is full; what was encoded is kept for the next run.
    """
    signer = trained.read(encoder)
    if len(sources) == 1 and (sources[0] / "meta.json").is_file():
        work = plan.from_frames(sources[0], signer, views=views)
    else:
        work = plan_videos(sources, signer, views=views, windows=windows)
    scratch = scratch_of(work, signer, form)
    executor = chosen_executor(executor)
    place = scratch / "store" if remote.is_url(out) else Path(out)
    if place.exists() and listed.kind_at(place) != "features":
        raise FileExistsError(
            f"{place} is no feature store, and would be replaced: name another place."
        )
    # To the end: nobody else may go on with what is then removed.
    held = nullcontext() if executor == "rank" else alone(place, scratch)
    with resumable.full_disk_told(), held:
        done = store_features(
            work, signer, form, place, scratch, is_partial=True, executor=executor
        )
        if done.is_complete and remote.is_url(out):
            remote.push(place, str(out))
        may_improve = any(row.status in shards.TRANSIENT for row in done.failed)
        if executor != "rank" and not may_improve:  # other ranks may still look at it
            shutil.rmtree(scratch, ignore_errors=True)
    return done
