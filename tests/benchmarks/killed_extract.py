"""Extraction killed by SIGKILL again and again: the store must come out the same, bit for bit.

    python tests/benchmarks/killed_extract.py [--kills 200] [--seed 0] [--executor local|rank]

SynthSign's smallest corpus is prepared once, and an encoder of random weights is written as stage
`pretrain` does. 40 clips in shards of 2 are 20 or more shards, extracted from
    frames      the frame store, by the stage's function, with metrics and a kept store
    videos      the video files, by the command `c2rl extract`
each once in peace, then again and again in a session of its own, and killed there. Where a start
lives to its end, the store is compared with that of the undisturbed run, all files byte for byte,
what is left behind is listed, everything is thrown away, and the next round begins; in every other
round a store of other features lies in the place already. What is killed:
    parent      it alone, as the kernel does when memory runs out: its processes must die with it
    group       all of them at once, as a batch system does
    worker      the process that encodes, while the parent lives: another one must take its place
    decoder     a process that decodes, while all others live
Half of the kills of parents hit a fork of this process that encodes by itself (`here`): Python and
torch are there already, so a start costs a fraction of a second. All others hit the executor, in a
Python of its own (`--executor`): local with one worker, or two ranks that share the work (then
parent and group hit one rank or both, and frames are extracted by the command: the stage has one
writer). Moments: most fall after a random shard, uniformly over what a shard takes; the others
from the moment at which the unfinished store, or the finished one, shows up. Starting Python is
left out: nothing is on the disk yet. A quarter of an hour on two cores; Linux.

Not covered: power loss (the page cache survives SIGKILL), and disks of several machines. Each step
of saving and committing, one by one: `tests/extract/test_kills.py`.

What is printed, for each source and executor:
    kills landed    by what the start was doing: encoding, assembling, clearing up
    found           what was in the store's place after the kills: absent, old, new
    encoded twice   clips whose encoding was finished again before there was a store, in all
    lost            the most finished clips that one kill took away: at most a shard a worker
    orphans         processes of a killed start that were still there after five seconds
    stores          that were finished, and are the same
    left behind     what a finished extraction should have swept away; ranks leave their shards, and
                    a killed one's unfinished shard: none knows whether another is still at them
A decoder that dies makes its clip be read by decord, which the store tells of that clip: after such
a kill the readers' names alone may differ. The exit code is 1 if anything else was found.
"""

import argparse
import contextlib
import ctypes
import gc
import hashlib
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

SHARD = 2
ROOT = Path(__file__).parents[2]
PHASES = ("starting", "encoding", "assembling", "clearing up", "done")
AIMS = (*["encoding"] * 5, "assembling", "assembling", "clearing up")
MOST = 3  # workers or decoders that die in one start
PATIENCE_S = 180.0
DYING_S = 5.0
HEARTBEAT_S = 0.2
DEAD_S = 10.5 * HEARTBEAT_S  # until a killed rank's lease is free
USUAL = {
    "which": "best",
    "point": "after_transformer",
    "precision": "float32",
    "views": 2,
    "imported": None,
}
READER = re.compile(rb'"decoder": "[a-z]+"')


class Project(NamedTuple):
    """A folder to extract in."""

    folder: Path
    source: str
    """frames or videos."""

    @property
    def given(self) -> Path:
        """Where corpus and encoder are."""
        return self.folder.parent / "given"

    @property
    def store(self) -> Path:
        """The store."""
        return self.folder / "out/f.zarr"

    @property
    def partial(self) -> Path:
        """The store while it is assembled."""
        return self.folder / "out/.f.zarr.partial"

    @property
    def scratch(self) -> Path:
        """Unfinished work."""
        return self.folder / "runs"

    @property
    def journal(self) -> Path:
        """A line for each clip whose encoding was finished in this round."""
        return self.folder / "encoded.txt"

    def encoded(self) -> list[str]:
        """List the clips whose encoding was finished in this round."""
        return self.journal.read_text().split() if self.journal.is_file() else []

    def shards(self) -> set[str]:
        """List the finished shards."""
        return {path.name for path in self.scratch.glob("*/*.npz")}

    def begin(self, old: Path | None) -> None:
        """Empty the place, or put an older store there."""
        for path in (self.store.parent, self.scratch):
            shutil.rmtree(path, ignore_errors=True)
            path.mkdir(parents=True)
        self.journal.unlink(missing_ok=True)
        if old:
            shutil.copytree(old, self.store)

    def files(self) -> dict[str, bytes]:
        """Read all that a finished extraction leaves beside its scratch folder."""
        home = self.store.parent
        return {
            path.relative_to(home).as_posix(): path.read_bytes()
            for path in sorted(home.rglob("*"))
            if path.is_file() and not path.relative_to(home).parts[0].startswith(".")
        }

    def left_behind(self, executor: str) -> list[str]:
        """List what a finished extraction should have swept away."""
        home = self.store.parent
        found = [path for path in home.iterdir() if path.name not in ("f.zarr", "extract.json")]
        for path in self.scratch.iterdir():
            if executor == "rank":  # another one may still be at the shards
                swept = (".lease", ".tmp", ".partial")
                found += [p for p in path.iterdir() if p.name.endswith(swept)]
            elif self.source == "videos" or not path.is_dir():
                found.append(path)
            else:
                found += [p for p in path.iterdir() if p.name != "features"]
        return sorted(path.relative_to(self.folder).as_posix() for path in found)


class Way(NamedTuple):
    """From what, and by whom."""

    source: str
    executor: str

    @property
    def ranks(self) -> int:
        """Count the parents of a start."""
        return 2 if self.executor == "rank" else 1


class Kill(NamedTuple):
    """A kill that landed."""

    what: str
    phase: str
    found: str
    lost: int
    """Clips that were in a shard before the start, or finished in it, and are in none now."""
    orphans: int


# --- what is killed ---------------------------------------------------------------------------


def begin_told(setup: Any) -> Callable[[Any], Any]:
    """Be `work.begin`, and write a line for each clip that was encoded."""
    from c2rl.extract.work import begin

    encode = begin(setup)

    def told(work: Any) -> Any:
        encoded = encode(work)
        lines = "".join(f"{row.clip.id}\n" for row in encoded.rows)
        with Path(os.environ["KILLED_JOURNAL"]).open("ab", buffering=0) as file:
            file.write(lines.encode())
        return encoded

    return told


def in_process(begin: Any, setup: Any, todo: Any, **_: Any) -> Iterator[tuple[int, Any]]:
    """Be an executor without processes."""
    encode = begin(setup)
    for shard in todo:
        yield shard.number, encode(shard.task)


def extract(project: Project, executor: str) -> None:
    """Be the stage, or the command, with small shards and a journal."""
    from c2rl import command, config
    from c2rl.extract import encoding, run
    from c2rl.extract.executors import lease
    from c2rl.store import shards

    shards.SHARD, lease.HEARTBEAT_S, encoding.begin = SHARD, HEARTBEAT_S, begin_told
    if executor == "here":
        encoding.executors.run = in_process
    given, out = project.given, project.store
    if project.source == "frames" and executor != "rank":
        params = config.ExtractParams(extract=USUAL)
        metrics = out.parent / "extract.json"
        paths = {"frames": given / "frames", "encoder": given / "encoder", "features": out}
        command.run(lambda: run.extract(params, **paths, metrics=metrics))
        return
    from c2rl.cli import main

    source = given / "frames" if project.source == "frames" else given / "raw"
    options = ["--ckpt", given / "encoder", "--out", out, "--views", USUAL["views"]]
    sys.argv = ["c2rl", "extract", *map(str, [source, *options])]
    main()


class Fork:
    """A child that has all libraries loaded, with the interface of Popen that is used here."""

    def __init__(self, work: Callable[[], None], told: Path) -> None:
        """Start it as the leader of a session."""
        self.code: int | None = None
        self.pid = os.fork()
        if self.pid:
            return
        code = 1
        try:
            os.setsid()
            ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # not to outlive who runs this
            with told.open("wb") as file:
                os.dup2(file.fileno(), 1)
                os.dup2(file.fileno(), 2)
            work()
            code = 0
        except SystemExit as exit_:
            code = int(exit_.code or 0)
        except BaseException:
            sys.excepthook(*sys.exc_info())
        finally:
            sys.stderr.flush()
            os._exit(code)

    def poll(self) -> int | None:
        """Tell how it ended, if it has."""
        if self.code is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            self.code = os.waitstatus_to_exitcode(status) if pid else None
        return self.code


def environment(project: Project, executor: str, rank: int) -> dict[str, str]:
    """Give what the child sees."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith("C2RL_")}
    return kept | {
        "PYTHONPATH": str(ROOT),
        "OMP_NUM_THREADS": "1",
        "C2RL_WORKERS": "1",
        "C2RL_SCRATCH": str(project.scratch),
        "C2RL_EXECUTOR": executor if executor != "here" else "local",
        "C2RL_RANK": str(rank),
        "C2RL_RANKS": "2",
        "KILLED_JOURNAL": str(project.journal),
    }


def start(project: Project, executor: str) -> "list[subprocess.Popen[bytes] | Fork]":
    """Start an extraction: one process, or a few ranks; each leads a session."""
    if executor == "here":

        def work() -> None:
            os.environ.update(environment(project, executor, 0))
            extract(project, executor)

        return [Fork(work, project.folder / "told0.txt")]
    found: list[subprocess.Popen[bytes] | Fork] = []
    for rank in range(Way(project.source, executor).ranks):
        with (project.folder / f"told{rank}.txt").open("wb") as file:
            call = [sys.executable, __file__, "--child", str(project.folder)]
            options = [project.source, executor]
            found.append(
                subprocess.Popen(
                    call + options,
                    env=environment(project, executor, rank),
                    stdout=file,
                    stderr=file,
                    start_new_session=True,
                )
            )
    return found


# --- who kills ----------------------------------------------------------------------------------


def seen(path: Path) -> tuple[int, int] | None:
    """Tell one folder from a later one of the same name."""
    try:
        status = path.stat()
    except FileNotFoundError:
        return None
    return status.st_ino, status.st_ctime_ns


class Processes(NamedTuple):
    """A moment's processes: of one session, zombies aside."""

    parents: dict[int, int]
    """Process to its parent."""

    @classmethod
    def of(cls, sessions: set[int]) -> "Processes":
        """Look at /proc."""
        found = {}
        for path in Path("/proc").glob("[0-9]*/stat"):
            with contextlib.suppress(OSError):
                state, parent, _, its = path.read_text().rpartition(")")[2].split()[:4]
                if int(its) in sessions and state not in "ZX":
                    found[int(path.parent.name)] = int(parent)
        return cls(found)

    def spawned(self, by: set[int]) -> list[int]:
        """List the worker processes of some processes, without Python's own helpers."""
        own = [process for process, parent in self.parents.items() if parent in by]
        return [p for p in own if b"spawn_main" in _command(p)]


def _command(process: int) -> bytes:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{process}/cmdline").read_bytes()
    return b""


def stop(process: int) -> None:
    """Send SIGKILL to a process that may be gone."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(process, signal.SIGKILL)


class Run:
    """A start, and what it has done so far, as the disk tells."""

    def __init__(self, project: Project, executor: str) -> None:
        """Remember what was there before, and start."""
        self.project, self.executor = project, executor
        self.before = (seen(project.store), seen(project.partial))
        self.shards_before, self.encoded_before = project.shards(), len(project.encoded())
        self.processes = start(project, executor)
        self.deadline = time.monotonic() + PATIENCE_S
        self.phase_now = 0

    @property
    def sessions(self) -> set[int]:
        """Sessions of all its processes."""
        return {process.pid for process in self.processes}

    def codes(self) -> list[int] | None:
        """Tell how it ended, if all of it has."""
        codes = [process.poll() for process in self.processes]
        if None not in codes:
            return [code for code in codes if code is not None]
        if time.monotonic() > self.deadline:
            raise TimeoutError(f"a start is not done after {PATIENCE_S:.0f} s: {self.told()}")
        return None

    def finish(self) -> bool:
        """Wait for it; False if ranks have left something to do."""
        while (codes := self.codes()) is None:
            time.sleep(0.002)
        if any(codes):
            raise RuntimeError(f"an extraction ended with {codes} by itself:\n{self.told()}")
        return "this rank is done" not in self.told() or "clips\n" in self.told()

    def told(self) -> str:
        """Read what it wrote."""
        return "".join(path.read_text() for path in sorted(self.project.folder.glob("told*.txt")))

    def new_shards(self) -> int:
        """Count the shards that it has finished."""
        return len(self.project.shards() - self.shards_before)

    def phase(self) -> str:
        """Tell what it is doing; what it has done before is remembered."""
        store, partial = self.before
        if seen(self.project.store) not in (None, store):
            now = 3
        elif seen(self.project.partial) not in (None, partial):
            now = 2
        else:
            now = int(bool(self.new_shards()))
        self.phase_now = max(now, self.phase_now)
        return PHASES[self.phase_now]

    def reach(self, is_there: Callable[[], bool]) -> bool:
        """Wait until something is so; False if the start ended before."""
        while not is_there():
            if self.codes() is not None:
                return False
            time.sleep(0.0005)
        return True

    def is_past(self, phase: str) -> bool:
        """Tell whether it is there or further."""
        return PHASES.index(self.phase()) >= PHASES.index(phase)


class Pace(NamedTuple):
    """Seconds of an undisturbed run."""

    shard: float
    assembling: float
    clearing: float


class Killer:
    """Kills starts of one way at random moments, round by round."""

    def __init__(self, folder: Path, way: Way, rng: random.Random) -> None:
        """Extract once in peace, and once other features."""
        home = folder / "-".join(way)
        self.project, self.way, self.rng = Project(home, way.source), way, rng
        self.kills: list[Kill] = []
        self.rounds = self.same = self.twice = self.slowest = 0
        self.decoder_died = False
        self.bad: Counter[str] = Counter()
        self.left: Counter[str] = Counter()
        self.old = folder / "old.zarr"
        home.mkdir()
        self.project.begin(None)
        self.pace = self._undisturbed()
        self.files = self.project.files()
        self.num_shards = (len(self.project.encoded()) + SHARD - 1) // SHARD
        self.left.update(self.project.left_behind(way.executor))
        if not self.old.exists():  # any complete store of other features is as good
            make_old(self.project.store, self.old)
        names = {folder / "none": "absent", self.project.store: "new", self.old: "old"}
        self.contents = {content(path): name for path, name in names.items()}
        self._begin()

    def _undisturbed(self) -> Pace:
        run = Run(self.project, self.way.executor)
        times = [time.monotonic()]
        for phase in ("encoding", "assembling", "clearing up"):
            run.reach(lambda phase=phase: run.is_past(phase))  # type: ignore[misc]
            times.append(time.monotonic())
        run.finish()
        times.append(time.monotonic())
        _, first, second, third, end = times
        return Pace((second - first) / 20, third - second, end - third)

    def _begin(self) -> None:
        self.decoder_died = False
        self.project.begin(self.old if self.rounds % 2 else None)

    def kill(self) -> None:
        """Start once, and kill as planned; ends a round where the start lived to its end."""
        run = Run(self.project, self.way.executor)
        kinds = ["parent", "group"]
        if self.way.executor == "local":
            kinds += ["worker"]
        if self.way.source == "videos" and self.way.executor in ("here", "local"):
            kinds += ["decoder"]
        what = self.rng.choice(kinds)
        if what in ("worker", "decoder"):
            for _ in range(MOST):
                if not self._kill_one(run, what):
                    break
            done = run.finish()
        else:
            done = not self._kill_all(run, what) and run.finish()
        if self.way.executor == "rank" and not done:
            time.sleep(DEAD_S)
        if done:
            self.compare()

    def _kill_one(self, run: Run, what: str) -> bool:
        """Kill a worker or a decoder; False if the start ended before.

        The next one dies two shards later: what dies twice at one shard has failed.
        """
        wanted = run.new_shards() + self.rng.randint(2, 5)
        if not run.reach(lambda: run.new_shards() >= wanted):
            return False
        time.sleep(self.rng.uniform(0, self.pace.shard))
        phase, processes = run.phase(), Processes.of(run.sessions)
        victims = processes.spawned(by=run.sessions)
        if what == "decoder" and self.way.executor == "local":
            victims = processes.spawned(by=set(victims))
        if run.codes() is not None or not victims:
            return run.codes() is None and phase == "encoding"
        stop(self.rng.choice(victims))
        self.decoder_died |= what == "decoder"
        self.kills.append(Kill(what, phase, self._found(), 0, 0))
        return True

    def _kill_all(self, run: Run, what: str) -> bool:
        """Kill a start; False if it ended before."""
        aim = self.rng.choice(AIMS)
        kept = len(run.shards_before)
        if aim == "encoding" and kept >= self.num_shards - 1:
            return False  # nothing is left to encode: let it live
        wait_s = self.rng.uniform(0, {"encoding": self.pace.shard,
                                      "assembling": self.pace.assembling,
                                      "clearing up": self.pace.clearing}[aim])  # fmt: skip
        wanted = self.rng.randint(1, max(1, min(6, self.num_shards - kept - 1)))
        is_there = (
            (lambda: run.new_shards() >= wanted or run.is_past("assembling"))
            if aim == "encoding"
            else (lambda: run.is_past(aim))
        )
        if not run.reach(is_there):
            return False
        time.sleep(wait_s)
        phase = run.phase()
        victims = run.processes
        if self.way.executor == "rank" and self.rng.random() < 0.5:
            victims = [self.rng.choice(run.processes)]
        living = [process for process in victims if process.poll() is None]
        for process in living:
            (os.killpg if what == "group" else os.kill)(process.pid, signal.SIGKILL)
        if not living:
            return False
        if len(victims) < len(run.processes):  # the other rank goes on
            self._end_of(living)
            orphans = self._orphans({process.pid for process in living})
            while run.codes() is None:
                time.sleep(0.002)
            if any(code > 0 for code in run.codes() or ()):
                raise RuntimeError(f"a rank ended with {run.codes()}:\n{run.told()}")
        else:
            self._end_of(living)
            orphans = self._orphans(run.sessions)
            phase = max(phase, run.phase(), key=PHASES.index)
        landed = any((process.poll() or 0) < 0 for process in living)
        if not landed:
            return False
        self.kills.append(Kill(what, phase, self._found(), self._lost(run, phase), orphans))
        if phase == "clearing up":  # a finished store's shards may be gone
            self._count_twice()
        return True

    def _end_of(self, processes: "list[subprocess.Popen[bytes] | Fork]") -> None:
        while any(process.poll() is None for process in processes):
            time.sleep(0.0005)

    def _orphans(self, sessions: set[int]) -> int:
        """Give the processes of a killed start a moment to die; count, and end, those that live."""
        began = time.monotonic()
        while found := Processes.of(sessions).parents:
            if time.monotonic() > began + DYING_S:
                break
            time.sleep(0.005)
        self.slowest = max(self.slowest, round(1000 * (time.monotonic() - began)))
        for process in found:
            self.bad[f"orphan {_command(process)[:80]!r}"] += 1
            stop(process)
        return len(found)

    def _lost(self, run: Run, phase: str) -> int:
        """Count finished clips that are in no shard; a finished store needs no shards any more."""
        if phase == "clearing up":
            return 0
        encoded = len(self.project.encoded()) - run.encoded_before
        return max(0, encoded - SHARD * run.new_shards())

    def _found(self) -> str:
        """Tell what is in the store's place; what should not be is noted."""
        try:
            inside = content(self.project.store)
        except ValueError as error:
            self.bad[str(error)] += 1
            return "DAMAGED"
        told = self.contents.get(inside, "WRONG")
        if told == "WRONG":
            self.bad["another store than those that were written"] += 1
        return told

    def compare(self) -> None:
        """Examine what a round made, and throw it away."""
        found, expected = self.project.files(), self.files
        if self.decoder_died:
            found, expected = without_readers(found), without_readers(expected)
        names = found.keys() | expected.keys()
        different = [name for name in names if found.get(name) != expected.get(name)]
        self.bad.update(f"{name} differs" for name in different)
        self.left.update(self.project.left_behind(self.way.executor))
        self._count_twice()
        self.rounds += 1
        self.same += not different
        self._begin()

    def _count_twice(self) -> None:
        encoded = self.project.encoded()
        self.twice += len(encoded) - len(set(encoded))
        self.project.journal.unlink(missing_ok=True)

    def tell(self) -> bool:
        """Print the result; True if all is well."""
        lost = max((kill.lost for kill in self.kills), default=0)
        orphans = sum(kill.orphans for kill in self.kills)
        told = [
            ("kills landed", f"{len(self.kills)}: {_list(Counter(k.phase for k in self.kills))}"),
            ("of", _list(Counter(kill.what for kill in self.kills))),
            ("found", _list(Counter(kill.found for kill in self.kills))),
            ("encoded twice", f"{self.twice} clips"),
            ("lost", f"at most {lost} clips by one kill"),
            ("orphans", f"{orphans}; the last process died within {self.slowest} ms"),
            ("stores", f"{self.rounds} finished, {self.same} the same"),
            ("left behind", _list(self.left)),
            ("wrong", _list(self.bad)),
        ]
        print(f"{self.way.source}, {self.way.executor}")
        for name, text in told:
            print(f"    {name:14} {text}")
        most = SHARD * self.way.ranks
        return not (lost > most or orphans or self.left or self.bad or self.same != self.rounds)


def _list(found: Counter[str]) -> str:
    return "; ".join(f"{name} {count}" for name, count in found.most_common(8)) or "none"


def content(path: Path) -> str:
    """Read everything in a store; what is not as written raises ValueError."""
    from c2rl.store.features import FeatureStore

    try:
        store = FeatureStore(path)
    except FileNotFoundError:
        return "absent"
    told = hashlib.blake2b()
    for split in store:
        own = store[split]
        told.update(repr((own.ids, own.sentences, own.lengths)).encode())
        for view in range(own.num_views):
            told.update(own.load(view=view).features.numpy().tobytes())
    del store, own
    gc.collect()  # a store and its splits know each other; their maps would pile up
    return told.hexdigest()


def without_readers(files: dict[str, bytes]) -> dict[str, bytes]:
    """Forget who read the clips, and what is hashed of it."""
    told = {name: READER.sub(b"", data) for name, data in files.items()}
    told["f.zarr/meta.json"] = b""
    return told


def make_old(store: Path, old: Path) -> None:
    """Write the clips of a store with other features."""
    from c2rl.store.features import FeatureStore, write_feature_store

    found = FeatureStore(store)
    rows = [row for name in found for row in found[name].rows]
    clips = [-found[name][n] for name in found for n in range(len(found[name]))]
    lengths, width = [len(clip) for clip in clips], clips[0].shape[1]
    write_feature_store(old, rows, clips, lengths=lengths, width=width, made_from={})


def main() -> None:
    """Kill, compare, tell."""
    parser = argparse.ArgumentParser(description="Kill extractions at random moments.")
    parser.add_argument("--kills", type=int, default=200, help="kills that shall land")
    parser.add_argument("--seed", type=int, default=0, help="of the moments")
    parser.add_argument("--executor", choices=("local", "rank"), default="local")
    parser.add_argument("--child", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        folder, source, executor = options.child
        extract(Project(Path(folder), source), executor)
        return
    sys.path[:0] = [str(ROOT), str(ROOT / "tests")]
    os.environ["OMP_NUM_THREADS"] = "1"
    import torch
    import untrained

    import c2rl.extract.worker  # noqa: F401 - for the forks

    torch.set_num_threads(1)
    rng = random.Random(options.seed)
    ways = [
        Way(source, who) for who in ("here", options.executor) for source in ("frames", "videos")
    ]
    shares = {ways[0]: 0.35, ways[1]: 0.2, ways[2]: 0.2, ways[3]: 0.25}
    is_good = True
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name).resolve()
        (folder / "given").mkdir()
        untrained.make(folder / "given")
        for way in ways:
            killer = Killer(folder, way, rng)
            while len(killer.kills) < round(shares[way] * options.kills):
                killer.kill()
            while not Run(killer.project, way.executor).finish():
                time.sleep(DEAD_S)
            killer.compare()
            is_good &= killer.tell()
    print("every store is whole, or the same" if is_good else "BROKEN")
    sys.exit(not is_good)


if __name__ == "__main__":
    main()
