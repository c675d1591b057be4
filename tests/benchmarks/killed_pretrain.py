"""Stage `pretrain` killed and stopped again and again: its weights must come out the same.

    python tests/benchmarks/killed_pretrain.py [--epochs 3] [--random 20] [--seed 0]

SynthSign's smallest corpus is prepared once; 24 clips in batches of 6 are 4 steps an epoch. The
stage's own script is then run, each run with a scratch folder of its own:
    undisturbed             the reference
    kill -9 at each step    of every step once, before its update; then run to the end
    kill -9 at random       at a random moment, imports, evaluation and saving included, until a
                            start lives to its end
    SIGTERM at random       likewise; it must exit with 143
    workers 0, 1, 2         threads that decompress
    run twice               no graph is kept (`C2RL_FRAMES=0`)
Printed is what happened, and the SHA-256 of the final weights; the exit code is 1 if one differs.
"""

import argparse
import hashlib
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

import small  # noqa: E402

STEPS = 4
KILLER = """
import os, runpy, signal, sys
from c2rl.training import loop
step, at = loop._Run._step, int(sys.argv[1])
def deadly(self, batch, number, *rest):
    if number == at:
        os.kill(os.getpid(), signal.SIGKILL)
    return step(self, batch, number, *rest)
loop._Run._step = deadly
sys.argv = sys.argv[2:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


class Stage(NamedTuple):
    """The stage in a folder as a user has it."""

    folder: Path
    frames: Path
    name: str

    def start(self, *before: str, **variables: str) -> subprocess.Popen[bytes]:
        """Start the stage's script."""
        script = str(ROOT / "pipeline/pretrain.py")
        paths = [str(self.frames), f"{self.name}/encoder", f"{self.name}/metrics.json"]
        env = {
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "C2RL_SCRATCH": str(self.folder / self.name / "scratch"),
            "OMP_NUM_THREADS": "1",
            **variables,
        }
        return subprocess.Popen(
            [sys.executable, *before, script, *paths],
            cwd=self.folder, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip

    def finish(self, **variables: str) -> str:
        """Run the stage to its end and hash its weights."""
        code = self.start(**variables).wait()
        if code:
            raise RuntimeError(f"{self.name}: the stage ended with {code}")
        weights = self.folder / self.name / "encoder/last.safetensors"
        return hashlib.sha256(weights.read_bytes()).hexdigest()


def prepared(folder: Path, epochs: int) -> Path:
    """Prepare the corpus and the parameters once."""
    from c2rl import config
    from c2rl.prepare.run import prepare

    pretrain = {"epochs": epochs, "batch_size": 6, "batch_norm": 3, "evaluate_every": 2}
    params = small.small_params(folder / "params.yaml", pretrain=pretrain)
    os.environ["C2RL_DATA"] = str(folder / "raw")
    os.environ["C2RL_SCRATCH"] = str(folder / "scratch")
    frames = folder / "frames"
    prepare(
        config.load(config.PrepareParams, params),
        release=ROOT / "data/corpora/synthsign.json",
        frames=frames,
        metrics=folder / "prepare.json",
    )
    return frames


def at_random(
    stage: Stage, number: signal.Signals, times: int, took: float, rng: random.Random
) -> str:
    """Send a signal at random moments, then let the stage end."""
    landed = 0
    for _ in range(times):
        process = stage.start()
        try:
            code = process.wait(rng.uniform(0.3, 1.1) * took)
        except subprocess.TimeoutExpired:
            process.send_signal(number)
            code = process.wait()
            landed += 1
            # Before the training listens, SIGTERM ends Python as it always does.
            allowed = {-number, 128 + number, 0} if number == signal.SIGTERM else {-number}
            if code not in allowed:
                raise RuntimeError(f"{number.name} ended the stage with {code}") from None
        if code == 0:
            shutil.rmtree(stage.folder / stage.name)  # it lived to its end: once more from nothing
    print(f"    {number.name}: {landed} of {times} came before the end", flush=True)
    return stage.finish()


def main(arguments: Sequence[str] | None = None) -> int:
    """Run all of it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--random", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)
    rng = random.Random(options.seed)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        frames = prepared(folder, options.epochs)
        began = time.perf_counter()
        reference = Stage(folder, frames, "undisturbed").finish()
        took = time.perf_counter() - began
        found = {"undisturbed": reference}
        for step in range(STEPS * options.epochs):
            stage = Stage(folder, frames, f"kill -9 at step {step + 1}")
            code = stage.start("-c", KILLER, str(step)).wait()
            if code != -signal.SIGKILL:
                raise RuntimeError(f"{stage.name}: ended with {code}")
            found[stage.name] = stage.finish()
        for number in (signal.SIGKILL, signal.SIGTERM):
            stage = Stage(folder, frames, f"{number.name} at random")
            found[stage.name] = at_random(stage, number, options.random, took, rng)
        for workers in ("0", "1", "2"):
            stage = Stage(folder, frames, f"workers {workers}")
            found[stage.name] = stage.finish(C2RL_WORKERS=workers)
        found["run twice"] = Stage(folder, frames, "run twice").finish(C2RL_FRAMES="0")
    for what, sha in found.items():
        print(f"{what:24} {sha[:16]}  {'same' if sha == reference else 'DIFFERENT'}")
    return int(set(found.values()) != {reference})


if __name__ == "__main__":
    sys.exit(main())
