"""Stage `prepare` killed by SIGKILL again and again: the store must come out the same, bit for bit.

    python tests/benchmarks/killed_prepare.py [--kills 50] [--seed 0] [--clips 200]

A corpus `table` of generated videos is prepared once in peace. Then `prepare` is started again and
again; while it runs it is killed, by turns with its whole process group (as a batch system does)
and alone (as the kernel does when memory runs out: its decoding processes must die by themselves).
When a start lives to its end, store and metrics are compared with those of the undisturbed run,
all files byte for byte, what is left behind is listed, everything is thrown away, and the next
round begins. Some kills fall uniformly over the time that the start should take; the others are
aimed, because assembling the store and clearing up are short: they fall uniformly over one part,
from the moment at which its files show up. About three minutes on two quiet cores; Linux alone
tells of orphans.

What is printed:
    kills landed    by what the start was doing: starting (imports, annotations, finished shards),
                    decoding, assembling (manifest, array, hashes, renaming), clearing up
    decoded twice   clips whose decoding was finished more than once in a round
    lost            the most finished clips that one kill took away: at most a shard for each worker
    orphans         processes of a killed start that were still there a second later
    left behind     .partial, .tmp and .old beside finished artefacts, shards in the scratch folder
The exit code is 1 if a store differs, an orphan lives, more was lost, or anything was left behind.
"""

import argparse
import csv
import hashlib
import itertools
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

SHARD, WORKERS = 16, 2
NUM_FRAMES, HEIGHT, WIDTH, STORED = 16, 96, 128, 128
BOX = "16 0 112 96"
ROOT = Path(__file__).parents[2]
AIMS = ("any time", "decoding", "decoding", "assembling", "assembling", "clearing up")
PHASES = ("starting", "decoding", "assembling", "clearing up")
PATIENCE_S = 120.0
ORPHAN_S = 1.0
LITTER = (".partial", ".tmp", ".old")


class Project(NamedTuple):
    """A folder as a user has it, with the paths of dvc.yaml."""

    folder: Path

    @property
    def frames(self) -> Path:
        """The store."""
        return self.folder / "data/frames/table"

    @property
    def partial(self) -> Path:
        """The store while it is assembled."""
        return self.frames.parent / ".table.partial"

    @property
    def metrics(self) -> Path:
        """What prepare measured."""
        return self.folder / "data/metrics/prepare.json"

    @property
    def scratch(self) -> Path:
        """Finished shards."""
        return self.folder / ".c2rl/runs"

    @property
    def journal(self) -> Path:
        """One line for each clip whose decoding was finished in this round."""
        return self.folder / "decoded.txt"

    def decoded(self) -> list[str]:
        """List the clips whose decoding was finished in this round."""
        return self.journal.read_text().split() if self.journal.is_file() else []

    def shards(self) -> list[Path]:
        """List the finished shards."""
        return list(self.scratch.rglob("*.npz"))

    def kept(self, num_clips: int) -> int:
        """Count the clips in finished shards, or in the finished store."""
        if any(self.scratch.glob("*/frames/meta.json")):
            return num_clips
        return sum(min(SHARD, num_clips - int(path.stem) * SHARD) for path in self.shards())

    def empty(self) -> None:
        """Forget what was prepared."""
        for path in (self.frames.parent, self.metrics.parent, self.scratch):
            shutil.rmtree(path, ignore_errors=True)
        self.journal.unlink(missing_ok=True)


class Pace(NamedTuple):
    """Seconds that the parts of an undisturbed run take."""

    starting: float
    decoding: float
    assembling: float
    clearing: float


class Kill(NamedTuple):
    """A kill that landed."""

    phase: str
    lost: int
    """Clips that were in a shard before the start, or finished in it, and are in none now."""
    orphans: int


def prepare(folder: Path) -> None:
    """Be the stage, in a process of its own: small shards, and a line for each finished clip."""
    from c2rl import config
    from c2rl.prepare import run
    from c2rl.store import shards
    from c2rl.video import pool

    project, decode = Project(folder), pool.run
    shards.SHARD = SHARD

    def told(function: Callable[[Any], Any], tasks: Any, **options: Any) -> Any:
        tasks = list(tasks)
        with project.journal.open("ab", buffering=0) as file:
            for outcome in decode(function, tasks, **options):
                file.write(f"{tasks[outcome.number].clip.id}\n".encode())
                yield outcome

    pool.run = told
    os.chdir(folder)
    params = config.load(config.PrepareParams)
    release = folder / "data/corpora/table.json"
    run.prepare(params, release=release, frames=project.frames, metrics=project.metrics)


def make(folder: Path, num_clips: int) -> Project:
    """Write the corpus, its fingerprint and params.yaml."""
    from ruamel.yaml import YAML

    yaml = YAML(typ="safe", pure=True)
    content = yaml.load(ROOT / "params.yaml")
    content["dataset"] = "table"
    content["frames"] |= {"size": STORED, "crop": STORED, "codec": "jpeg", "quality": 95}
    yaml.dump(content, folder / "params.yaml")
    root = folder / "data/raw/table"
    root.mkdir(parents=True)
    with (root / "table.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["id", "path", "start", "end", "box", "sentence", "split"])
        for number in range(num_clips):
            film(root / f"{number:04d}.mp4", number)
            split = ("train", "train", "train", "dev", "test")[number % 5]
            line = [f"clip{number:04d}", f"{number:04d}.mp4", "", "", BOX, "a sentence", split]
            writer.writerow(line)
    code = "from c2rl.cli import main; main()"
    command = [sys.executable, "-c", code, "corpus", "check", "table"]
    subprocess.run(command, cwd=folder, env=environment(), check=True, stdout=subprocess.DEVNULL)
    return Project(folder)


def film(path: Path, number: int) -> None:
    """Encode a few frames of moving ramps under noise, other ones for each clip."""
    import av
    import numpy as np

    rng = np.random.default_rng(number)
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    with av.open(str(path), "w") as file:
        stream = file.add_stream("libx264", rate=25, options={"preset": "ultrafast"})
        stream.height, stream.width, stream.pix_fmt = HEIGHT, WIDTH, "yuv420p"
        for t in range(NUM_FRAMES):
            ramps = [x * 2 + number + 5 * t, y * 2 + t, x + y + 3 * t]
            image = np.stack(ramps, axis=-1) + rng.integers(0, 40, (HEIGHT, WIDTH, 3))
            picture = (image % 256).astype(np.uint8)
            file.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        file.mux(stream.encode())


def environment() -> dict[str, str]:
    """Give what the stage sees: its own workers, no folders of the person who runs this."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith("C2RL_")}
    return kept | {"C2RL_WORKERS": str(WORKERS), "PYTHONPATH": str(ROOT)}


def start(project: Project) -> "subprocess.Popen[bytes]":
    """Start the stage as the leader of a session."""
    with (project.folder / "stderr.txt").open("wb") as file:
        return subprocess.Popen(
            [sys.executable, __file__, "--prepare", str(project.folder)],
            env=environment(),
            stdout=file,
            stderr=file,
            start_new_session=True,
        )


def seen(path: Path) -> tuple[int, int] | None:
    """Tell one folder from a later one of the same name."""
    try:
        status = path.stat()
    except FileNotFoundError:
        return None
    return status.st_ino, status.st_ctime_ns


class Watch:
    """What a start has done so far, as the disk tells."""

    def __init__(self, project: Project) -> None:
        """Remember what was there before."""
        self.project = project
        self.before = (seen(project.frames), seen(project.partial))
        self.decoded_before = len(project.decoded())

    def decoded(self) -> int:
        """Count the clips that the start has decoded."""
        return len(self.project.decoded()) - self.decoded_before

    def phase(self) -> str:
        """Tell what the start is doing."""
        frames, partial = self.before
        if seen(self.project.frames) not in (None, frames):
            return "clearing up"
        if seen(self.project.partial) not in (None, partial):
            return "assembling"
        return "decoding" if self.decoded() else "starting"

    def reach(self, phase: str, process: "subprocess.Popen[bytes]") -> bool:
        """Wait for a part or a later one; False if the start ended before."""
        deadline = time.monotonic() + PATIENCE_S
        while PHASES.index(self.phase()) < PHASES.index(phase):
            if process.poll() is not None:
                return False
            if time.monotonic() > deadline:
                raise TimeoutError(f"prepare is not {phase} after {PATIENCE_S:.0f} s")
            time.sleep(0.002)
        return True


def undisturbed(project: Project) -> Pace:
    """Prepare in peace and time the parts."""
    watch, process = Watch(project), start(project)
    times = [time.monotonic()]
    for phase in PHASES[1:]:
        watch.reach(phase, process)
        times.append(time.monotonic())
    finish(project, process)
    times.append(time.monotonic())
    return Pace(*(after - before for before, after in itertools.pairwise(times)))


def finish(project: Project, process: "subprocess.Popen[bytes]") -> None:
    """Wait for a start that nobody kills."""
    if process.wait(PATIENCE_S):
        told = (project.folder / "stderr.txt").read_text()
        raise RuntimeError(f"prepare failed without being killed:\n{told}")


def contents(project: Project) -> dict[str, str]:
    """Hash all that is under `data`, the corpus aside."""
    files = [p for d in (project.frames, project.metrics.parent) for p in d.rglob("*")]
    return {
        p.relative_to(project.folder).as_posix(): hashlib.file_digest(file, "blake2b").hexdigest()
        for p in sorted(files)
        if p.is_file()
        for file in [p.open("rb")]
    }


def left_behind(project: Project) -> list[str]:
    """List what a finished prepare should have swept away."""
    found = [p for p in project.folder.rglob("*") if p.name.endswith(LITTER)] + project.shards()
    return sorted({p.relative_to(project.folder).as_posix() for p in found})


def living(session: int) -> list[int]:
    """List the processes of a session, zombies aside."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, _parent, _group, its = path.read_text().rpartition(")")[2].split()[:4]
        except OSError:
            continue
        if int(its) == session and state not in "ZX":
            found.append(int(path.parent.name))
    return found


def orphans(session: int) -> list[int]:
    """Give the processes of a killed start a moment to die; list, and end, those that live."""
    deadline = time.monotonic() + ORPHAN_S
    while (found := living(session)) and time.monotonic() < deadline:
        time.sleep(0.005)
    for process in found:
        os.kill(process, signal.SIGKILL)
    return found


def kill_once(
    project: Project, pace: Pace, rng: random.Random, *, group: bool, num_clips: int
) -> Kill | None:
    """Start the stage and kill it; None if it was done before the kill."""
    aim, kept = rng.choice(AIMS), project.kept(num_clips)
    if aim == "decoding" and kept == num_clips:  # nothing is left: let it live
        finish(project, start(project))
        return None
    decoding = (1 - kept / num_clips) * pace.decoding
    spans = {
        "any time": pace.starting + decoding + pace.assembling + pace.clearing,
        "decoding": decoding,
        "assembling": pace.assembling,
        "clearing up": pace.clearing,
    }
    wait_s = rng.uniform(0, spans[aim])
    watch, process = Watch(project), start(project)
    if aim != "any time" and not watch.reach(aim, process):
        finish(project, process)
        return None
    try:
        process.wait(wait_s)
    except subprocess.TimeoutExpired:
        (os.killpg if group else os.kill)(process.pid, signal.SIGKILL)
    if process.wait() >= 0:
        finish(project, process)
        return None
    found = orphans(process.pid)
    lost = kept + watch.decoded() - project.kept(num_clips)
    return Kill(watch.phase(), lost, len(found))


class Tally:
    """What all rounds together showed."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self.kills: list[Kill] = []
        self.rounds = self.twice = 0
        self.different: Counter[str] = Counter()
        self.left: Counter[str] = Counter()

    def compare(self, project: Project, expected: dict[str, str]) -> None:
        """Examine what a round made, and throw it away."""
        found = contents(project)
        names = found.keys() | expected.keys()
        self.left.update(left_behind(project))
        self.different.update(
            n for n in names if found.get(n) != expected.get(n) and not n.endswith(LITTER)
        )
        decoded = project.decoded()
        self.twice += len(decoded) - len(set(decoded))
        self.rounds += 1
        project.empty()

    def tell(self) -> bool:
        """Print the result; True if all is well."""
        phases = Counter(kill.phase for kill in self.kills)
        lost = max((kill.lost for kill in self.kills), default=0)
        living = sum(kill.orphans for kill in self.kills)
        parts = ", ".join(f"{phase} {phases[phase]}" for phase in PHASES)
        told = [
            ("kills landed", f"{len(self.kills)}: {parts}"),
            ("stores finished", f"{self.rounds}"),
            ("decoded twice", f"{self.twice} clips"),
            ("lost", f"at most {lost} clips by one kill"),
            ("orphans", f"{living}"),
            ("left behind", _list(self.left)),
            ("files that differ", _list(self.different)),
        ]
        for name, text in told:
            print(f"{name:18} {text}")
        good = lost <= SHARD * WORKERS and not (living or self.left or self.different)
        print("result             " + ("every store is the same" if good else "BROKEN"))
        return good


def _list(found: Counter[str]) -> str:
    return "; ".join(f"{name} ({count}x)" for name, count in found.most_common(5)) or "none"


def main() -> None:
    """Kill, compare, tell."""
    parser = argparse.ArgumentParser(description="Kill stage prepare at random moments.")
    parser.add_argument("--kills", type=int, default=50, help="kills that shall land")
    parser.add_argument("--clips", type=int, default=200, help="clips of the corpus")
    parser.add_argument("--seed", type=int, default=0, help="of the moments")
    parser.add_argument("--prepare", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.prepare:
        prepare(options.prepare)
        return
    rng, tally = random.Random(options.seed), Tally()
    with tempfile.TemporaryDirectory() as folder:
        project = make(Path(folder).resolve(), options.clips)
        pace = undisturbed(project)
        expected = contents(project)
        fingerprint = json.loads((project.frames / "meta.json").read_text())["fingerprint"]
        print(f"undisturbed: {', '.join(f'{n} {s:.2f} s' for n, s in pace._asdict().items())}")
        print(f"{options.clips} clips, shards of {SHARD}, {WORKERS} workers, store {fingerprint}")
        project.empty()
        while len(tally.kills) < options.kills:
            group = len(tally.kills) % 2 == 0
            killed = kill_once(project, pace, rng, group=group, num_clips=options.clips)
            if killed is None:
                tally.compare(project, expected)
            else:
                tally.kills.append(killed)
        finish(project, start(project))
        tally.compare(project, expected)
    sys.exit(not tally.tell())


if __name__ == "__main__":
    main()
