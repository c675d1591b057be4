"""Makes a SynthSign release on disk, and reads it: `annotations.jsonl` and `videos/`.

`knobs.json` is written first and says what the folder is made from; `annotations.jsonl` is written
last, so a release is complete or has none. A finished video of the same knobs is kept.
"""

import json
import multiprocessing
import os
import shutil
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

from c2rl.corpora.clip import Annotations, Choice, Clip, Entry
from c2rl.corpora.synthsign import film
from c2rl.corpora.synthsign.plan import SIZES, Knobs, Scene, scenes, shoot

GENERATOR = 2
"""Raise whenever videos, sentences or glosses of the same knobs change: it is part of the release's
identity. A new field of the annotations is no such change: `make` adds it to an old release."""

ANNOTATIONS, KNOBS, VIDEOS = "annotations.jsonl", "knobs.json", "videos"


class Filmed(NamedTuple):
    """What is known of a video once it is there."""

    num_frames: int
    spans: tuple[tuple[int, int], ...]


def make(
    root: Path,
    *,
    size: str = "tiny",
    language: str = "de",
    seed: int = 0,
    vocabulary: int = 28,
    signers: int = 8,
    reordering: float = 1.0,
    noise: float = 1.0,
    workers: int = 2,
    report: Callable[[int, int], None] | None = None,
) -> Path:
    """Make the corpus in a folder, or finish one that an earlier run left unfinished.

    Worker processes are spawned, so a script that calls this needs its `__main__` guard.

    Args:
        root: Folder of the release; a release of other knobs in it is replaced.
        size: `tiny`, `small` or `paper`.
        language: Spoken language of the sentences: `de`, `en` or `zh`.
        seed: Seed of everything.
        vocabulary: Number of signs.
        signers: Number of people; the last signs dev only and none else does, likewise test.
        reordering: Probability that a clip is signed in the sign language's own order.
        noise: Strength of jitter, grain and variation; 1 is usual.
        workers: Processes that render; never changes the result.
        report: Told the number of clips done and of all, after each clip.

    Returns:
        The folder.

    Raises:
        ValueError: If a knob is out of range, or the folder holds another corpus.
    """
    if workers < 1:
        raise ValueError(f"workers is {workers}, but rendering needs at least 1.")
    knobs = Knobs(size, language, seed, vocabulary, signers, reordering, noise)
    planned = scenes(knobs)
    _claim(root, knobs)
    if _is_finished(root, planned):
        return root
    (root / ANNOTATIONS).unlink(missing_ok=True)
    lines: list[str] = []
    for scene, filmed in zip(planned, _film_all(root, planned, knobs, workers), strict=True):
        lines.append(_line(scene, filmed, language))
        if report is not None:
            report(len(lines), len(planned))
    _finish(root, lines)
    return root


def _is_finished(root: Path, planned: list[Scene]) -> bool:
    """Tell whether nothing is left to do: all files are there, and no field is missing."""
    if not all((root / name).is_file() for name in (ANNOTATIONS, *(s.source for s in planned))):
        return False
    with (root / ANNOTATIONS).open(encoding="utf-8") as file:
        return "gloss_words" in json.loads(file.readline())


def _finish(root: Path, lines: list[str]) -> None:
    """Clear away what killed runs left, and declare the release complete."""
    for torn in (root / VIDEOS).glob("*/.*.tmp"):
        torn.unlink()
    _write(root / ANNOTATIONS, "".join(lines))


def read(root: Path, choice: Choice) -> Annotations:
    """Read a release as stage prepare reads every corpus.

    Args:
        root: Folder that `make` filled.
        choice: There is one way only.

    Returns:
        One entry a clip.
    """
    del choice
    return Annotations([Entry(clip) for clip in clips(root)], [root / ANNOTATIONS], [])


def clips(root: Path) -> list[Clip]:
    """Read the clips of a release.

    Args:
        root: Folder that `make` filled.

    Returns:
        The clips in the order train, dev, test, with the ground truth of their signs.

    Raises:
        FileNotFoundError: If the folder holds no complete release.
        ValueError: If a source leaves the folder, or an earlier version wrote the annotations.
    """
    path = root / ANNOTATIONS
    if not path.is_file():
        raise FileNotFoundError(
            f"{path} is missing, so {root} holds no complete SynthSign release."
            " Make or finish it with c2rl.corpora.synthsign.make (stage `prepare` does)."
        )
    return [_clip(json.loads(line), path) for line in path.read_text("utf-8").splitlines()]


def _clip(entry: dict[str, Any], path: Path) -> Clip:
    source = PurePosixPath(entry["source"])
    if source.is_absolute() or ".." in source.parts:
        raise ValueError(f"{path}: clip {entry['id']} has source '{source}', outside its folder.")
    if "gloss_words" not in entry:
        raise ValueError(
            f"{path}: clip {entry['id']} has no gloss_words; an earlier version wrote it. Add them"
            " with c2rl.corpora.synthsign.make (stage `prepare` does); no video is made again."
        )
    words: list[list[int] | None] = entry["gloss_words"]
    return Clip(
        id=entry["id"],
        split=entry["split"],
        sentence=entry["sentence"],
        language=entry["language"],
        source=str(source),
        signer=entry["signer"],
        gloss=tuple(entry["gloss"]),
        gloss_spans=tuple((first, end) for first, end in entry["gloss_spans"]),
        gloss_words=tuple(None if span is None else (span[0], span[1]) for span in words),
    )


def _line(scene: Scene, filmed: Filmed, language: str) -> str:
    entry = {
        "id": scene.id,
        "split": scene.split,
        "sentence": scene.sentence.text,
        "language": language,
        "source": scene.source,
        "signer": scene.signer.name,
        "num_frames": filmed.num_frames,
        "gloss": scene.sentence.gloss,
        "gloss_spans": filmed.spans,
        "gloss_words": scene.sentence.words,
    }
    return json.dumps(entry, ensure_ascii=False) + "\n"


def _film_all(root: Path, planned: list[Scene], knobs: Knobs, workers: int) -> Iterator[Filmed]:
    """Film what is missing, in order."""
    one = partial(film_clip, root=root, size=knobs.size, noise=knobs.noise)
    if workers == 1:
        yield from map(one, planned)
        return
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(workers, mp_context=context, initializer=_enter)
    try:
        yield from pool.map(one, planned, chunksize=4)
    finally:
        pool.shutdown(cancel_futures=True)


def film_clip(scene: Scene, *, root: Path, size: str, noise: float) -> Filmed:
    """Film one clip, unless its video is there.

    Args:
        scene: What the clip shows.
        root: Folder of the release.
        size: Names the picture size.
        noise: Strength of variation.

    Returns:
        Number of frames, and first and end frame of every sign.
    """
    shot = shoot(scene, noise=noise)
    path, (_, width, height, _) = root / scene.source, SIZES[size]
    if not path.is_file():
        images = film.frames(
            shot.rng, shot.motion, scene.signer, shot.take, width=width, height=height
        )
        film.write(path, images, width=width, height=height)
    return Filmed(len(shot.motion.hands), shot.motion.spans)


def _enter() -> None:
    """Prepare a worker: one thread, and no life after the parent's death."""
    film.quiet()
    parent = multiprocessing.parent_process()

    def follow() -> None:
        if parent is not None:
            parent.join()
            os._exit(1)

    threading.Thread(target=follow, daemon=True).start()


def _claim(root: Path, knobs: Knobs) -> None:
    """Make the folder one of these knobs; what other knobs left in it goes."""
    identity = json.dumps({"generator": GENERATOR, **knobs._asdict()}, indent=2) + "\n"
    path = root / KNOBS
    if path.is_file():
        if path.read_text("utf-8") == identity:
            return
        (root / ANNOTATIONS).unlink(missing_ok=True)
        shutil.rmtree(root / VIDEOS, ignore_errors=True)
    elif (root / VIDEOS).exists() or (root / ANNOTATIONS).exists():
        raise ValueError(
            f"{root} holds videos or annotations but no {KNOBS}, so they are not SynthSign's."
            " Choose another folder."
        )
    root.mkdir(parents=True, exist_ok=True)
    _write(path, identity)


def _write(path: Path, text: str) -> None:
    """Write a text file that is complete or absent."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    with temporary.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
