"""How fast frames come: the decoder beside other decoders, the frame store beside other loaders.

    python tests/benchmarks/decode_throughput.py [--rounds 7] [--json figures.json]

One process pinned to one core, about four minutes. Every round runs every row once, one after the
other, so that a slow moment of the machine hits all rows alike. Speed is frames per second of
processor time, all threads of the process together; figures are medians over the rounds, a ratio
is the median of the rounds' ratios. Only ratios carry over to other machines. The clips are
generated: smooth textures in motion under camera noise, x264 `medium` at CRF 23, 6 s of 25 frames.

Table 1, the decoder of stage `prepare`: source frames per second of `read_frames` beside decord,
PyAV and torchcodec used directly on one thread. Each hands out every frame of the clip, or every
4th, as (H, W, 3) uint8 RGB; that all hand out the same bytes is asserted first. `of best` divides
by the fastest of the others on that clip; the goal is at least 0.97. "PyAV again" is the same code
as "PyAV": what separates these two is noise, and a miss of no more than that is called so.
`read_frames` also looks at all packets of a file that it has not seen (edit lists, frame rate,
truncation), which the others do not; that is counted.

Table 2, one epoch's reading in training: frames per second that reach the batch, where a quarter of
a clip's frames is wanted, a random one of each segment, as a random 224 x 224 window of the
256 x 256 frame, uint8. All files are in the page cache.
    frame store    ours: JPEG 95 4:4:4 at 256 x 256 -> `c2rl.video.transform.view`
    PNG, OpenCV    a folder of 210 x 260 PNG files a clip: OpenCV, Pillow's bicubic resize to
                   256 x 256, crop; GFSLT's way, without its conversion to float
    PNG, Pillow    the same read by Pillow
    MP4, decord    1280 x 720: decord's `get_batch` of the wanted frames, resize as stage `prepare`
                   does, crop
    MP4, resized   the same, but decord resizes as it decodes
    MP4, PyAV      the same by PyAV, which converts and resizes the wanted frames only
`store is` divides the store's figure by the row's. Goals: 3.5 x PNG and 12 x MP4, each against the
fastest of its rows. KiB a frame says how the generated frames compress; signing videos of 360 to
720 lines give 15 to 45 KiB as such JPEG files and 30 to 100 KiB as PNG.
"""

import argparse
import functools
import hashlib
import json
import os
import platform
import statistics
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping
from importlib import import_module, metadata
from pathlib import Path
from typing import Any, NamedTuple

import av
import cv2
import decord
import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from torch import Tensor

from c2rl.corpora.clip import Clip
from c2rl.store.frames import EncodedClip, FrameStore, write_frame_store
from c2rl.store.manifest import Row
from c2rl.video import crop as storing
from c2rl.video import transform
from c2rl.video.decode import Task, decode_one
from c2rl.video.sample import candidates, generator, sample
from c2rl.video.source import quiet, read_frames

Frame = npt.NDArray[np.uint8]
Reader = Callable[[Path, list[int] | None], Iterable[Frame]]
"""Gives the frames of a video with these numbers; None: all."""

FPS, SECONDS, EVERY = 25, 6, 4
NUM_FRAMES = FPS * SECONDS
KINDS = {"B-frames": {}, "baseline": {"profile": "baseline"}}
SIZES = ((720, 1280), (360, 640))
STORED, SIDE, KEEP = 256, 224, 0.25
NUM_CLIPS = 3  # of the second table
DECODER_GOAL = 0.97
LIBRARIES = ("av", "decord", "torchcodec", "opencv-python-headless", "pillow", "numpy", "torch")


class Line(NamedTuple):
    """One line of a table."""

    name: str
    speeds: list[float]
    """Frames per second of processor time, one a round."""

    def __str__(self) -> str:
        """Median, least and most."""
        figures = (self.median, min(self.speeds), max(self.speeds))
        return " ".join(f"{figure:8.0f}" for figure in figures)

    @property
    def median(self) -> float:
        """What the rounds agree on."""
        return statistics.median(self.speeds)

    def over(self, other: "Line") -> float:
        """Compare within each round."""
        return statistics.median(a / b for a, b in zip(self.speeds, other.speeds, strict=True))

    def told(self, **more: float) -> dict[str, Any]:
        """For `--json`."""
        return {"name": self.name, "median": self.median, "speeds": self.speeds} | more


def texture(rng: np.random.Generator, height: int, width: int, grain: int) -> Frame:
    """Draw smooth random colours whose spots are about `grain` pixels wide."""
    spots = rng.integers(0, 256, (height // grain + 2, width // grain + 2, 3), dtype=np.uint8)
    return np.asarray(cv2.resize(spots, (width, height), interpolation=cv2.INTER_CUBIC), np.uint8)


def film(height: int, width: int, seed: int) -> Iterable[Frame]:
    """Draw a wall, a body that sways, two hands that circle, and camera noise."""
    rng = np.random.default_rng(seed)
    coarse, fine = (texture(rng, height, width, height // n) for n in (4, 45))
    wall = cv2.addWeighted(coarse, 0.4, fine, 0.03, 60)
    body = texture(rng, height // 2, width // 4, height // 12)
    hand = texture(rng, height // 6, height // 6, height // 30)
    noise = rng.normal(0, 5, (height, width, 3)).astype(np.int16)
    for t in range(NUM_FRAMES):
        image = wall.astype(np.int16)
        left = int(width * (0.37 + 0.02 * np.sin(t / 20)))
        image[height // 2 : height // 2 * 2, left : left + width // 4] = body
        for phase in (0.0, 2.1):
            top = int(height * (0.5 + 0.25 * np.sin(t / 5 + phase)))
            left = int(width * (0.45 + 0.18 * np.cos(t / 7 + 2 * phase)))
            image[top : top + len(hand), left : left + len(hand)] = hand
        image += np.roll(noise, rng.integers(0, (height, width)), (0, 1))
        yield np.clip(image, 0, 255).astype(np.uint8)


def write_video(path: Path, images: Iterable[Frame], **options: str) -> Path:
    """Encode as H.264 the way most clips come."""
    with av.open(str(path), "w") as file:
        stream = file.add_stream("libx264", rate=FPS, options={"crf": "23", **options})
        for number, image in enumerate(images):
            if number == 0:
                stream.height, stream.width = image.shape[:2]
                stream.pix_fmt = "yuv420p"
            file.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        file.mux(stream.encode())
    return path


def by_us(path: Path, keep: list[int] | None, *, use_decord: bool = False) -> Iterable[Frame]:
    """Read as stage `prepare` does."""
    chosen: dict[str, Any] = {} if keep is None else {"keep": keep}
    path.touch()  # or what was seen of the packets in an earlier round is remembered
    return read_frames(path, use_decord=use_decord, **chosen).images


def by_decord(path: Path, keep: list[int] | None, **options: int) -> Iterable[Frame]:
    """Read in one batch."""
    reader = decord.VideoReader(str(path), ctx=decord.cpu(0), num_threads=1, **options)
    batch: Frame = reader.get_batch(keep or list(range(len(reader)))).asnumpy()
    return batch


def by_pyav(path: Path, keep: list[int] | None, **options: Any) -> Iterable[Frame]:
    """Decode all frames, convert those that are wanted."""
    wanted = None if keep is None else set(keep)
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        stream.codec_context.thread_count = 1
        for number, frame in enumerate(container.decode(stream)):
            if wanted is None or number in wanted:
                yield np.asarray(frame.to_ndarray(format="rgb24", **options), np.uint8)


def by_torchcodec(path: Path, keep: list[int] | None) -> Iterable[Frame]:
    """Read in one batch."""
    decoders = import_module("torchcodec.decoders")
    reader = decoders.VideoDecoder(str(path), dimension_order="NHWC", num_ffmpeg_threads=1)
    numbers = keep or list(range(NUM_FRAMES))
    batch: Frame = reader.get_frames_at(numbers).data.numpy()
    return batch


def readers() -> dict[str, Reader]:
    """List what reads on this machine, and tell why torchcodec does not where it does not."""
    second = functools.partial(by_us, use_decord=True)
    ours: dict[str, Reader] = {"read_frames": by_us, "read_frames with decord": second}
    found: dict[str, Reader] = ours | {"decord": by_decord, "PyAV": by_pyav}
    try:
        import_module("torchcodec.decoders")
        found["torchcodec"] = by_torchcodec
    except (ImportError, RuntimeError, OSError) as error:
        print(f"torchcodec is left out: {next(iter(str(error).splitlines()), repr(error))}")
    return found | {"PyAV again": by_pyav}


def rounds(rows: Mapping[str, Callable[[], int]], count: int) -> list[Line]:
    """Time every row once a round; a row tells how many frames it gave."""
    speeds: dict[str, list[float]] = {name: [] for name in rows}
    for number in range(count + 1):
        for name, row in rows.items():
            start = time.process_time()
            frames = row()
            if number:  # the first round fills caches
                speeds[name].append(frames / (time.process_time() - start))
    return [Line(name, figures) for name, figures in speeds.items()]


def digest(images: Iterable[Frame]) -> tuple[int, str]:
    """Count and hash frames."""
    hashed, count = hashlib.blake2b(digest_size=16), 0
    for image in images:
        hashed.update(np.ascontiguousarray(image).data)
        count += 1
    return count, hashed.hexdigest()


def exhaust(reader: Reader, path: Path, keep: list[int] | None) -> int:
    """Read a clip to the end; gives the number of source frames."""
    count = sum(1 for _ in reader(path, keep))
    assert count == (NUM_FRAMES if keep is None else len(keep))
    return NUM_FRAMES


def decoder_table(folder: Path, count: int) -> list[dict[str, Any]]:
    """Measure and print table 1."""
    found, told = readers(), []
    print(f"\n{'source frames per core-second':49}median      min      max   of best")
    for height, width in SIZES:
        for kind, options in KINDS.items():
            path = folder / f"{height}-{kind}.mp4"
            write_video(path, film(height, width, seed=0), **options)
            for keep in (None, list(range(0, NUM_FRAMES, EVERY))):
                digests = {name: digest(reader(path, keep)) for name, reader in found.items()}
                assert len(set(digests.values())) == 1, f"{path.name}: frames differ: {digests}"
                rows = {n: functools.partial(exhaust, r, path, keep) for n, r in found.items()}
                which = "all" if keep is None else f"every {EVERY}th"
                decoder = read_frames(path).decoder
                title = f"{width}x{height} {kind}, {which}, read_frames by {decoder}"
                told.append({"clip": title} | _tell_decoders(title, rounds(rows, count)))
    return told


def _tell_decoders(title: str, lines: list[Line]) -> dict[str, Any]:
    best = max(lines[2:-1], key=lambda line: line.median)
    ratio = lines[0].over(best)
    (pyav,) = (line for line in lines if line.name == "PyAV")
    noise = min(1.0, lines[-1].over(pyav))
    print(f"{title}: {ratio:.2f} of {best.name}, {_verdict(ratio, DECODER_GOAL, noise)}")
    for line in lines:
        print(f"    {line.name:43}{line} {line.over(best):9.2f}")
    told = [line.told(ratio=line.over(best)) for line in lines]
    return {"ratio": ratio, "goal": DECODER_GOAL, "lines": told}


def _verdict(ratio: float, goal: float, noise: float = 1.0) -> str:
    missed = "missed by no more than noise" if ratio >= goal * noise else "MISSED"
    return f"goal {goal:g} {'held' if ratio >= goal else missed}"


class Corpus(NamedTuple):
    """The same clips in all three forms."""

    store: FrameStore
    pngs: list[list[Path]]
    videos: list[Path]


def corpus(folder: Path) -> Corpus:
    """Film clips; keep them as MP4, as a frame store and as PNG folders."""
    rows, clips, pngs, videos = [], [], [], []
    for seed in range(NUM_CLIPS):
        path = write_video(folder / f"clip{seed}.mp4", film(720, 1280, seed))
        clip = Clip(
            id=path.stem, split="train", sentence="a sentence", language="en", source=path.name
        )
        result = decode_one(Task(root=folder, clip=clip, size=STORED, codec="jpeg", quality=95))
        assert result.status == "ok", result.reason
        sizes = np.array([len(frame) for frame in result.frames], np.int64)
        rows.append(Row(clip, "ok", "", len(result.frames), result.fps, result.decoder))
        clips.append(EncodedClip(np.concatenate(result.frames), sizes))
        videos.append(path)
        pngs.append([folder / path.stem / f"images{n:04d}.png" for n in range(NUM_FRAMES)])
        (folder / path.stem).mkdir()
        for image, png in zip(by_pyav(path, None), pngs[-1], strict=True):
            Image.fromarray(image).resize((210, 260), Image.Resampling.BICUBIC).save(png)
    made_from = {"frames": {"size": STORED, "codec": "jpeg", "quality": 95}}
    sizes_of = [clip.sizes for clip in clips]
    write_frame_store(folder / "store", rows, clips, sizes=sizes_of, made_from=made_from, counts={})
    return Corpus(FrameStore(folder / "store"), pngs, videos)


def from_store(data: Corpus, number: int) -> Tensor:
    """Read a clip as pretraining does."""
    row = data.store.rows[number]
    return transform.view(
        data.store.reader(number),
        row.num_frames,
        row.fps,
        side=SIDE,
        keep=KEEP,
        target_fps=None,
        cap=None,
        rng=generator(0, 0, number),
    )


def choice(number: int) -> tuple[list[int], int, int]:
    """Choose frames and place the window as `from_store` does."""
    rng = generator(0, 0, number)
    frames = sample(candidates(NUM_FRAMES, FPS, target_fps=None, cap=None), KEEP, rng)
    top, left = rng.integers(0, STORED - SIDE + 1, 2)
    return frames.tolist(), int(top), int(left)


def window(images: Iterable[Frame], top: int, left: int) -> Tensor:
    """Cut and stack as a peer's loader would, without a needless copy."""
    cut = np.stack([image[top : top + SIDE, left : left + SIDE] for image in images])
    return torch.from_numpy(cut).permute(0, 3, 1, 2)


def from_pngs(data: Corpus, number: int, *, by_pillow: bool) -> Tensor:
    """Read a clip from its folder of PNG files."""
    frames, top, left = choice(number)
    images = []
    for frame in frames:
        path = data.pngs[number][frame]
        if by_pillow:
            image = Image.open(path).convert("RGB")
        else:
            image = Image.fromarray(np.asarray(cv2.imread(str(path), cv2.IMREAD_COLOR_RGB)))
        image = image.resize((STORED, STORED), Image.Resampling.BICUBIC)
        images.append(np.asarray(image))
    return window(images, top, left)


def from_video(data: Corpus, number: int, *, by: str) -> Tensor:
    """Read a clip from its video."""
    frames, top, left = choice(number)
    path = data.videos[number]
    images: Iterable[Frame]
    if by == "decord":
        images = (storing.crop(image, size=STORED) for image in by_decord(path, frames))
    elif by == "decord, which resizes":
        images = by_decord(path, frames, width=STORED, height=STORED)
    else:
        images = by_pyav(path, frames, width=STORED, height=STORED, interpolation="BILINEAR")
    return window(images, top, left)


def training_table(folder: Path, count: int) -> list[dict[str, Any]]:
    """Measure and print table 2."""
    data = corpus(folder)
    ways: dict[str, Callable[[Corpus, int], Tensor]] = {
        "frame store": from_store,
        "PNG, OpenCV": functools.partial(from_pngs, by_pillow=False),
        "PNG, Pillow": functools.partial(from_pngs, by_pillow=True),
        "MP4, decord": functools.partial(from_video, by="decord"),
        "MP4, resized": functools.partial(from_video, by="decord, which resizes"),
        "MP4, PyAV": functools.partial(from_video, by="PyAV, which resizes"),
        "frame store again": from_store,
    }
    for name, way in ways.items():  # the same frames and windows, up to JPEG and resizing
        ours, theirs = from_store(data, 0), way(data, 0)
        assert (ours.shape, ours.dtype) == (theirs.shape, theirs.dtype), name
        assert (ours.float() - theirs.float()).abs().mean() < 4, f"{name} reads other frames"

    def epoch(way: Callable[[Corpus, int], Tensor]) -> int:
        return sum(len(way(data, number)) for number in range(NUM_CLIPS))

    lines = rounds({name: functools.partial(epoch, way) for name, way in ways.items()}, count)
    num_bytes = [
        sum(f.stat().st_size for f in (folder / "store/frames.zarr/jpeg").rglob("*")),
        *[sum(png.stat().st_size for pngs in data.pngs for png in pngs)] * 2,
        *[sum(video.stat().st_size for video in data.videos)] * 3,
    ]
    return _tell_loaders(lines, [n / NUM_CLIPS / NUM_FRAMES / 1024 for n in num_bytes])


def _tell_loaders(lines: list[Line], kib: list[float]) -> list[dict[str, Any]]:
    store = lines[0]
    print(f"\n{'kept frames per core-second':49}median      min      max  store is  KiB a frame")
    for line, size in zip(lines, [*kib, kib[0]], strict=True):
        print(f"    {line.name:43}{line} {store.over(line):8.2f}x {size:12.1f}")
    for name, rows, goal in (("PNG", lines[1:3], 3.5), ("MP4", lines[3:6], 12.0)):
        ratio = min(store.over(line) for line in rows)
        print(f"the store is {ratio:.2f} x {name}, {_verdict(ratio, goal)}")
    return [line.told(ratio=store.over(line)) for line in lines]


def machine() -> dict[str, str]:
    """Name the processor and the libraries."""
    model = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.is_file():
        names = [n for n in cpuinfo.read_text().splitlines() if n.startswith("model name")]
        model = names[0].split(":", 1)[1].strip() if names else model
    found = {"cpu": model, "python": platform.python_version()}
    for name in LIBRARIES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def main() -> None:
    """Measure both tables."""
    parser = argparse.ArgumentParser(description="Decoder and frame store beside other ways.")
    parser.add_argument("--rounds", type=int, default=7, help="timed rounds; at least 5")
    parser.add_argument("--json", type=Path, help="write the figures there as well")
    options = parser.parse_args()
    if options.rounds < 5:
        parser.error(f"--rounds is {options.rounds}, expected 5 or more: a median of fewer is luck")
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    quiet()
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    told = machine()
    print(", ".join(f"{name} {version}" for name, version in told.items()))
    print(f"load average {os.getloadavg()[0]:.1f}, medians of {options.rounds} rounds")
    with tempfile.TemporaryDirectory() as folder:
        decoders = decoder_table(Path(folder), options.rounds)
        loaders = training_table(Path(folder), options.rounds)
    if options.json:
        report = {"machine": told, "decoders": decoders, "loaders": loaders}
        options.json.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
