"""How fast the sign encoder runs and learns beside the way that its peers go about it.

    c2rl bench pretrain [--rounds 7] [--device cuda] [--json figures.json]

One process, about five minutes on two idle cores. Every round runs every row of a table once, one
after the other and every second round backwards, so that a slow moment of the machine hits all rows
alike. A ratio is the time of the table's first row over a row's own, the best of all rounds each.
`again` is the first row's code once more: what separates the two is noise, and a miss of no more
than that is called so. Only ratios carry over to other machines. Wall-clock time is taken, or the
process's processor time under `--threads 1` on a CPU, where what else runs there matters less.

Tables 1 and 2, ResNet-18 on the same 224 x 224 frames, forward and backward as in training, and
forward alone as in extraction:
    peers      torchvision's resnet18 in float32, NCHW, eager, on frames normalised beforehand
    float32    ours from uint8: normalise, channels last
    bfloat16   the same under autocast
That all three compute the same, up to their precision, is asserted first. The goals, 2.2 and 2.3
times, are for processors with bfloat16 instructions; without them bfloat16 is emulated.

Table 3, the whole sign encoder of Table I forward and backward on clips of unlike length, of whose
batch padding would be 40 per cent, as it is of batches of 8 on PHOENIX14T:
    padded     every clip padded to the longest, padding through the CNN, as in peers' collators
    packed     ours: the CNN sees the frames one after the other, clip after clip
`CNN/real` counts what enters the CNN over the real frames; ours is 1 exactly, which is asserted.

Table 4, a whole training (reading, the networks, both losses, the optimiser):
    memory     the batches lie in memory as tensors
    store      the batches are read, decompressed and cropped from a frame store on the way
The goal is 0.95 of the speed: reading hides behind computing (in processor time: costs little).

Table 5, CLCL packed beside CLCL padded, is `tests/benchmarks/clcl.py`, which tells its columns.
"""

import argparse
import functools
import json
import math
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torchvision
from torch import Tensor, nn

from c2rl.corpora.clip import Clip
from c2rl.language import tokenizer as language
from c2rl.nn.masks import mask_of
from c2rl.nn.sign_encoder import SignEncoder, resnet18
from c2rl.pretrain.batches import FrameBatch, FrameBatches
from c2rl.pretrain.model import Pretrainer
from c2rl.pretrain.objective import C2RL, Options
from c2rl.store.frames import EncodedClip, FrameStore, write_frame_store
from c2rl.store.manifest import Row
from c2rl.training.batching import Step
from c2rl.training.gradient_cache import RunningStatistics, backward
from c2rl.video import crop as storing
from c2rl.video.transform import normalise

sys.path.insert(0, str(Path(__file__).parent.parent))
from racing import BLOCKS, SIDE, Bench, bf16_flags, closing, frames_of, images, opening, race, tell

STORED, KEEP, FPS = 256, 0.25, 25
TRAINING_GOAL, EXTRACTION_GOAL, STORE_GOAL = 2.2, 2.3, 0.95
LENGTHS = (2, 4, 5, 6, 6, 7, 8, 10)
"""Frames of each clip of table 3: 48 of 80, were all as long as the longest."""


def learn(run: Callable[[], Tensor], net: nn.Module) -> None:
    """Run forward, and back from a loss of no meaning."""
    net.zero_grad(set_to_none=True)
    run().float().square().mean().backward()  # type: ignore[no-untyped-call]


def kernels(bench: Bench) -> list[dict[str, Any]]:
    """Measure tables 1 and 2."""
    torch.manual_seed(0)
    frames = frames_of(bench, bench.batch)
    ready = normalise(frames).contiguous()
    peers = torchvision.models.resnet18(weights=None)
    peers.fc = nn.Identity()
    ours = resnet18(64, "none").to(memory_format=torch.channels_last)
    ours.load_state_dict(peers.state_dict())
    peers.to(bench.device)
    ours.to(bench.device)

    def run_ours(*, bf16: bool) -> Tensor:
        with bench.autocast(enabled=bf16):
            found: Tensor = ours(normalise(frames).contiguous(memory_format=torch.channels_last))
        return found

    def run_peers() -> Tensor:
        found: Tensor = peers(ready)
        return found

    for bf16, tolerance in ((False, 0.01), (True, 0.05)):
        with torch.no_grad():
            theirs, own = run_peers(), run_ours(bf16=bf16).float()
        error = float((own - theirs).norm() / theirs.norm())
        assert error < tolerance, f"ours differs from peers' by {error:.3f}, bfloat16 {bf16}"

    runs: dict[str, Callable[[], Tensor]] = {
        "peers": run_peers,
        "float32": lambda: run_ours(bf16=False),
        "bfloat16": lambda: run_ours(bf16=True),
        "again": run_peers,
    }
    nets = {name: peers if name in ("peers", "again") else ours for name in runs}
    steps = {n: functools.partial(learn, run, nets[n]) for n, run in runs.items()}
    training = race(bench, steps, bench.batch)
    peers.eval()
    ours.eval()
    with torch.inference_mode():
        extraction = race(bench, dict(runs), bench.batch)
    no_goal = "set for processors" if bench.device.type == "cuda" else ""
    no_goal = no_goal or ("" if bench.has_bf16 else "no bfloat16 instructions here")
    return [
        tell("1. ResNet-18, forward and backward", training, TRAINING_GOAL, no_goal),
        tell("2. ResNet-18, forward alone", extraction, EXTRACTION_GOAL, no_goal),
    ]


def padding(bench: Bench) -> dict[str, Any]:
    """Measure table 3."""
    torch.manual_seed(0)
    mask = mask_of(torch.tensor(LENGTHS) * bench.longer).to(bench.device)
    packed = frames_of(bench, int(mask.sum()))
    padded = packed.new_zeros(*mask.shape, *packed.shape[1:])
    padded[mask] = packed
    padded = padded.flatten(0, 1).contiguous(memory_format=torch.channels_last)
    encoder = SignEncoder(**BLOCKS, weights="none").to(bench.device)
    entered: list[int] = []
    encoder.resnet.register_forward_hook(lambda net, given, found: entered.append(len(given[0])))

    def encode(frames: Tensor, real: Tensor) -> Tensor:
        with bench.autocast(enabled=bench.has_bf16):
            features: Tensor = encoder(normalise(frames), real)
        return features

    # An encoder that is told that all frames are real does what peers do.
    ways = {"padded": (padded, torch.ones_like(mask)), "packed": (packed, mask)}
    encoder.eval()
    with torch.no_grad():
        longest = [encode(*way)[int(mask.sum(1).argmax())].float() for way in ways.values()]
    error = float((longest[0] - longest[1]).norm() / longest[0].norm())
    assert error < 0.05, f"the longest clip, which has no padding, differs by {error:.3f}"
    real = int(mask.sum())
    shares = {name: count / real for name, count in zip(ways, entered, strict=True)}
    assert shares["packed"] == 1.0, f"{shares['packed']} frames enter the CNN for each real one"

    encoder.train()
    ways["again"] = ways["padded"]
    shares["again"] = shares["padded"]
    runs = {n: functools.partial(encode, *way) for n, way in ways.items()}
    steps = {n: functools.partial(learn, run, encoder) for n, run in runs.items()}
    lines = race(bench, steps, real)
    told = [line._replace(more=f"CNN/real {shares[line.name]:.2f}") for line in lines]
    waste = 100 * (1 - real / mask.numel())
    title = f"3. Sign encoder, forward and backward, {bench.precision}, {waste:.0f} % padding"
    return tell(title, told, None, "") | {"frames_through_cnn": shares}


def film(bench: Bench, folder: Path) -> FrameStore:
    """Write a frame store of clips of unlike length."""
    files = [storing.pack(image, codec="jpeg", quality=95) for image in images(16, STORED)]
    rows, clips = [], []
    for number, length in enumerate(LENGTHS * 2):
        count = round(length * bench.longer / KEEP)
        shown = [files[(number + n) % len(files)] for n in range(count)]
        sizes = np.array([len(file) for file in shown], np.int64)
        clip = Clip(f"clip{number}", "train", f"a sentence and number {number}", "en", "none")
        rows.append(Row(clip, "ok", "", count, FPS))
        clips.append(EncodedClip(np.concatenate(shown), sizes))
    made_from = {"frames": {"size": STORED, "codec": "jpeg", "quality": 95}}
    sizes_of = [clip.sizes for clip in clips]
    write_frame_store(folder / "store", rows, clips, sizes=sizes_of, made_from=made_from, counts={})
    return FrameStore(folder / "store")


def end_to_end(bench: Bench, folder: Path) -> dict[str, Any]:
    """Measure table 4: one epoch of the training's own steps, fed in two ways."""
    store = film(bench, folder)
    tokens = language.build("corpus", 200, [row.clip.sentence for row in store.rows])
    sampling: dict[str, Any] = {"crop": SIDE, "keep": KEEP, "target_fps": None, "cap": None}
    reading: dict[str, Any] = {"augment": "paper", "batch_size": 8, "batch_norm": 8, "seed": 0}
    batches = FrameBatches(store, "train", tokens, **sampling, **reading)
    torch.manual_seed(0)
    model = Pretrainer(
        vocabulary=tokens.size,
        weights="none",
        channels=64,
        temperature=0.07,
        max_scale=100.0,
        **BLOCKS,
    ).to(bench.device)
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-3, momentum=0.9)
    options = Options(
        alpha=1.0,
        beta=1.0,
        sharpness=0.07,
        directions="sum",
        dual_mix=1.0,
        duplicate_text="ignore",
        negatives="global",
        smoothing=0.2,
        lm_reduction="token_mean",
        mask_rate=0.0,
        seed=0,
        precision=bench.precision,
    )

    def train(steps: Iterable[Step[FrameBatch]]) -> None:
        for step in steps:
            optimizer.zero_grad(set_to_none=True)
            running = RunningStatistics(model)
            backward(
                step.micro_batches,
                C2RL.share(model, step.whole, options),
                room=math.inf,
                statistics=running,
                seed=(0, 0),
                first=step.whole.first_micro_batch,
            )
            running.commit()
            optimizer.step()

    held = list(batches.epoch(0))
    rows: dict[str, Callable[[], object]] = {
        "memory": lambda: train(held),
        "store": lambda: train(batches.epoch(0)),
        "again": lambda: train(held),
    }
    lines = race(bench, rows, sum(batches.lengths))
    return tell(f"4. Training, {bench.precision}", lines, STORE_GOAL, "")


def clcl(bench: Bench, file: Path) -> dict[str, Any]:
    """Compare CLCL packed with CLCL padded, by the script beside this one."""
    print("\n5 CLCL, packed beside padded", flush=True)
    script = Path(__file__).with_name("clcl.py")
    options = {
        "--rounds": max(3, bench.rounds),
        "--threads": torch.get_num_threads(),
        "--json": file,
    }
    call = [sys.executable, script, *(str(part) for pair in options.items() for part in pair)]
    subprocess.run(call, check=True)
    return {"table": "clcl", **json.loads(file.read_text(encoding="utf-8"))}


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description="The sign encoder beside its peers' way.")
    parser.add_argument("--rounds", type=int, default=7, help="timed rounds; at least 3")
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--batch", type=int, help="frames of tables 1 and 2: 16, or 256 on cuda")
    parser.add_argument("--threads", type=int, help="of torch; default: as torch chooses")
    parser.add_argument("--json", type=Path, help="write the figures there as well")
    options = parser.parse_args()
    if options.rounds < 3:
        parser.error(f"--rounds is {options.rounds}, expected 3 or more: the best of fewer is luck")
    if options.device == "cuda" and not torch.cuda.is_available():
        parser.error("--device cuda: torch finds no GPU")
    options.batch = options.batch or (256 if options.device == "cuda" else 16)
    return options


def main() -> None:
    """Measure all tables."""
    options = arguments()
    if options.device == "cpu":
        os.environ["C2RL_DEVICE"] = "cpu"  # batches of table 4 go where training would be
    if options.threads:
        torch.set_num_threads(options.threads)
    has_bf16 = options.device == "cuda" or bool(bf16_flags())
    is_alone = options.device == "cpu" and options.threads == 1
    bench = Bench(
        torch.device(options.device),
        options.rounds,
        options.batch,
        has_bf16,
        clock=time.process_time if is_alone else time.perf_counter,
    )
    told, load = opening(bench)
    clock = "processor time" if is_alone else "wall-clock time"
    print(f"load average {load:.1f} before; {clock}, best of {bench.rounds} rounds")
    if load > 1.5 and not is_alone and options.device == "cpu":
        print("the machine is busy, ratios may be off by half: wait, or measure by --threads 1")
    tables = [*kernels(bench), padding(bench)]
    with tempfile.TemporaryDirectory() as folder:
        tables.append(end_to_end(bench, Path(folder)))
        if options.device == "cpu":
            tables.append(clcl(bench, Path(folder) / "clcl.json"))
    closing(options.json, machine=told, load=load, clock=clock, tables=tables)


if __name__ == "__main__":
    main()
