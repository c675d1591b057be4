"""`c2rl features import` killed by SIGKILL: what is there is whole, the next run makes the same.

    python tests/benchmarks/killed_import.py [--kills 50] [--every 1] [--seed 0] [--clips 800]

Features of generated clips are written as GFSLT-VLP has them, in two versions, and each is imported
once in peace. Then an import of the new version is killed again and again:
    at random     the command, in a process of its own. Some kills fall uniformly over the time that
                  it should take; the others are aimed, because writing and sealing are short: they
                  fall from the moment at which the unfinished store, or its meta.json, shows up.
    at each step  a fork of this process, before each opening, renaming, making and removing of a
                  file or folder, the first, the second, ... until one lives to its end.
In every other round the old version's store is in the place already. After each kill the store is
opened and everything in it is read: it must be absent, or one of the two, whole; it is never
refused as damaged. A start that lives must leave the new version's store, all files the same byte
for byte, and nothing beside it. About two minutes on two quiet cores; POSIX only.

What is printed:
    kills landed    by what the import was doing: reading (starting Python included), writing,
                    sealing (meta.json is there), done
    found           what was there after the kills: absent, old, new
    imports         that lived to their end
    left behind     files beside a finished store
The exit code is 1 if anything else was found, a finished store differs, or anything was left.
"""

import argparse
import gc
import gzip
import hashlib
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

import numpy as np

from c2rl.extract.exchange import import_features
from c2rl.extract.peers import pickled
from c2rl.store.features import FeatureStore

ROOT, WIDTH, STEPPED = Path(__file__).parents[2], 512, 20
COMMAND = "from c2rl.cli import main; main()"
AIMS = ("any time", "writing", "writing", "sealing")
SEALING_S = 0.02
"""About what it takes from meta.json to the end of the process."""
PHASES = ("reading", "writing", "sealing", "done")
OPERATIONS = ("open", "os.rename", "os.mkdir", "os.remove", "os.rmdir")


class Place(NamedTuple):
    """Where the two versions are, and the store that is made of one of them."""

    folder: Path

    @property
    def store(self) -> Path:
        """The store."""
        return self.folder / "out/f.zarr"

    @property
    def partial(self) -> Path:
        """The store while it is written."""
        return self.folder / "out/.f.zarr.partial"

    def source(self, version: str) -> Path:
        """File of features."""
        return self.folder / version / "features.train"

    def phase(self, before: int) -> str:
        """Tell what the import is doing, or did when it was killed."""
        if inode(self.store) not in (0, before):
            return "done"
        if (self.partial / "meta.json").exists():
            return "sealing"
        return "writing" if self.partial.exists() else "reading"

    def content(self) -> str:
        """Read everything in the store; what is not as written raises ValueError."""
        try:
            store = FeatureStore(self.store)
        except FileNotFoundError:
            return "absent"
        told = hashlib.blake2b()
        for split in store:
            own = store[split]
            told.update(repr((own.ids, own.sentences, own.lengths)).encode())
            told.update(own.load().features.numpy().tobytes())
        del store, own
        gc.collect()  # a store and its splits know each other; their maps would pile up
        return told.hexdigest()

    def files(self) -> dict[str, str]:
        """Hash every file of the store."""
        return {
            path.relative_to(self.store).as_posix(): hashlib.blake2b(path.read_bytes()).hexdigest()
            for path in self.store.rglob("*")
            if path.is_file()
        }

    def begin(self, *, is_new: bool) -> None:
        """Empty the place, or put the old version's store there."""
        shutil.rmtree(self.store.parent, ignore_errors=True)
        self.store.parent.mkdir()
        if not is_new:
            shutil.copytree(self.folder / "old.zarr", self.store)


def inode(path: Path) -> int:
    return path.stat().st_ino if path.exists() else 0


def write(path: Path, clips: int, seed: int) -> None:
    """Write features as GFSLT-VLP has them, of 8 to 51 rows."""
    rng = np.random.default_rng(seed)

    def entry(number: int) -> tuple[str, dict[str, Any]]:
        values = rng.standard_normal((8 + 37 * number % 44, WIDTH), np.float32)
        name = f"train/clip{number:05}"
        return name, {
            "name": name,
            "text": f"und nun die wettervorhersage {number}",
            "length": 4 * len(values),
            "feature": pickled.tensor(values),
        }

    path.parent.mkdir(parents=True)
    with gzip.open(path, "wb", compresslevel=1) as file:
        file.writelines(pickled.dictionary_of(map(entry, range(clips))))


def do_import(place: Place, version: str) -> None:
    import_features(place.source(version), "gfslt", place.store, language="de")


def apart(work: Callable[[], None]) -> int:
    """Run in a fork; what it exits with, or the negative number of the signal that ended it."""
    child = os.fork()
    if not child:
        code = 1
        try:
            work()
            code = 0
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def killed_at(place: Place, step: int) -> Callable[[], None]:
    """Make an import that kills itself before its operation of that number in `out`."""

    def work() -> None:
        left = step

        def count(event: str, arguments: tuple[Any, ...]) -> None:
            nonlocal left
            if event in OPERATIONS and str(place.store.parent) in str(arguments[0]):
                left -= 1
                if left < 0:
                    os.kill(os.getpid(), signal.SIGKILL)

        sys.addaudithook(count)
        do_import(place, "new")

    return work


class Tally:
    """What all imports together showed."""

    def __init__(self, place: Place, clips: int) -> None:
        """Write both versions, and import each in peace."""
        self.place = place
        self.phases: Counter[str] = Counter()
        self.found: Counter[str] = Counter()
        self.wrong: Counter[str] = Counter()
        self.lived = 0
        self.known = {"absent": "absent"}
        for seed, version in enumerate(("old", "new")):
            write(place.source(version), clips, seed)
            place.begin(is_new=True)
            if apart(lambda version=version: do_import(place, version)):  # type: ignore[misc]
                raise RuntimeError("an import failed without being killed")
            self.known[place.content()] = version
            self.expected = place.files()
            if version == "old":
                place.store.rename(place.folder / "old.zarr")

    def look(self, phase: str | None) -> None:
        """Examine what a kill, or an import that lived (None), has left."""
        try:
            content = self.known.get(self.place.content(), "a mixture")
        except (ValueError, KeyError, OSError) as error:
            content = f"refused: {error}"
        if content not in self.known.values():
            self.wrong[content] += 1
        if phase is not None:
            self.phases[phase] += 1
            self.found[content] += 1
            return
        self.lived += 1
        found = self.place.files()
        names = found.keys() | self.expected.keys()
        self.wrong.update(n for n in names if found.get(n) != self.expected.get(n))
        beside = (path.name for path in self.place.store.parent.iterdir())
        self.wrong.update(f"left behind: {name}" for name in beside if name != "f.zarr")

    def tell(self) -> bool:
        """Print the result; True if all is well."""
        phases = ", ".join(f"{phase} {self.phases[phase]}" for phase in PHASES)
        found = ", ".join(f"{name} {count}" for name, count in self.found.most_common())
        wrong = "; ".join(f"{name} ({count}x)" for name, count in self.wrong.most_common(5))
        print(f"kills landed   {self.phases.total()}: {phases}")
        print(f"found          {found}")
        print(f"imports        {self.lived}")
        print(f"wrong          {wrong or 'nothing'}")
        return not self.wrong


def kill_at_each_step(tally: Tally, every: int) -> None:
    """Kill at the first operation, the second, ..., each time going on from what is there."""
    place = tally.place
    for is_new in (True, False):
        place.begin(is_new=is_new)
        before, step = inode(place.store), 0
        while code := apart(killed_at(place, step)):
            if code != -signal.SIGKILL:
                raise RuntimeError(f"an import failed with {code} without being killed")
            tally.look(place.phase(before))
            if not is_new and not place.store.exists():  # it went as the new one was to come
                place.begin(is_new=False)
            before, step = inode(place.store), step + every
        tally.look(None)


def start(place: Place) -> "subprocess.Popen[bytes]":
    """Start the command."""
    call = ["features", "import", place.source("new"), "--format", "gfslt", "--language", "de"]
    return subprocess.Popen(
        [sys.executable, "-c", COMMAND, *map(str, call), "--out", str(place.store)],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdout=subprocess.DEVNULL,
    )


def reach(place: Place, phase: str, before: int, process: "subprocess.Popen[bytes]") -> float:
    """Wait for a part or a later one, or for the end; the seconds that it took."""
    began = time.monotonic()
    while process.poll() is None and PHASES.index(place.phase(before)) < PHASES.index(phase):
        time.sleep(0.001)
    return time.monotonic() - began


def kill_at_random(tally: Tally, kills: int, rng: random.Random) -> None:
    """Kill the command at random moments; each sixth start lives, and the next round begins."""
    place = tally.place
    place.begin(is_new=True)
    process = start(place)
    pace = {phase: reach(place, phase, 0, process) for phase in PHASES[1:]}
    whole = sum(pace.values())
    if process.wait():
        raise RuntimeError("an import failed without being killed")
    spans = {"any time": whole, "writing": whole - pace["writing"], "sealing": SEALING_S}
    print(f"an import takes {whole:.2f} s, of which writing and sealing {spans['writing']:.2f} s")
    for number in range(100 * kills):
        if tally.phases.total() >= kills and number % 6 == 0:
            return
        if number % 6 == 0:
            place.begin(is_new=number % 12 == 0)
        before, process, aim = inode(place.store), start(place), rng.choice(AIMS)
        if number % 6 < 5:
            if aim != "any time":
                reach(place, aim, before, process)
            try:
                process.wait(rng.uniform(0, spans[aim]))
            except subprocess.TimeoutExpired:
                process.kill()
        code = process.wait()
        if code not in (0, -signal.SIGKILL):
            raise RuntimeError(f"an import failed with {code} without being killed")
        tally.look(place.phase(before) if code else None)


def main() -> int:
    """Kill, look, tell."""
    parser = argparse.ArgumentParser(description="Kill features import at random moments.")
    parser.add_argument("--kills", type=int, default=50, help="kills at random; 0: none")
    parser.add_argument("--every", type=int, default=1, help="step by step: kill at each so many")
    parser.add_argument("--clips", type=int, default=800)
    parser.add_argument("--seed", type=int, default=0, help="of the moments")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        small = Tally(Place(Path(folder).resolve() / "small"), STEPPED)
        kill_at_each_step(small, options.every)
        print(f"step by step, {STEPPED} clips, {len(small.expected)} files")
        is_good = small.tell()
        if options.kills:
            large = Tally(Place(Path(folder).resolve() / "large"), options.clips)
            print(f"at random, {options.clips} clips, {len(large.expected)} files", flush=True)
            kill_at_random(large, options.kills, random.Random(options.seed))
            is_good &= large.tell()
    print("every store is whole, or the same" if is_good else "BROKEN")
    return 0 if is_good else 1


if __name__ == "__main__":
    sys.exit(main())
