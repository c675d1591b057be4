"""Any videos as clips to extract: files, folders and tables that no stage has prepared."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from c2rl import provenance
from c2rl.corpora.clip import SPLITS
from c2rl.corpora.table import read_table
from c2rl.extract.plan import START_S, Part, Plan, in_shards
from c2rl.extract.trained import Trained
from c2rl.extract.windows import Windows, cut
from c2rl.extract.work import Work
from c2rl.store.features import VIEWED
from c2rl.video.decode import Task, timeout_s
from c2rl.video.files import find_clips

TABLES = (".csv", ".tsv", ".jsonl")


def plan(sources: Sequence[Path], trained: Trained, *, views: int, windows: Windows) -> Plan:
    """Plan the extraction of videos that no stage has prepared.

    Args:
        sources: Video files, folders of videos, folders of frames, and tables with the columns id
            and path, and where wanted start, end, sentence, split, ...
        trained: The encoder.
        views: Phases of the sampling that are stored of the clips of train.
        windows: How videos of more than a minute are cut, which have no sentence.

    Returns:
        Every clip, split by split.

    Raises:
        FileNotFoundError: If a source does not exist or holds no video.
        ValueError: If a table is wrong, or two clips have one id.
    """
    tasks: list[Task] = []
    tables = [path for path in sources if path.suffix.lower() in TABLES]
    for table in tables:
        tasks += [
            trained.task(table.parent.resolve(), clip)
            for clip in read_table(table, required=("id", "path"))
        ]
    others = [path for path in sources if path not in tables]
    for clip in find_clips(others):
        # An absolute path below "/" is a path below a root, as annotations' paths are.
        below = Path(clip.source).resolve().relative_to("/").as_posix()
        tasks.append(trained.task(Path("/"), clip._replace(source=below)))
    tasks = cut(tasks, windows)
    _refuse_twins(tasks)
    names = [*SPLITS, *sorted({task.clip.split for task in tasks} - set(SPLITS))]
    parts = []
    for split in names:
        wanted = views if split == VIEWED else 1
        own = [t._replace(choose=trained.choose(wanted)) for t in tasks if t.clip.split == split]
        for group in in_shards(own):
            seconds = START_S + sum(map(timeout_s, group))
            parts.append(Part([task.clip for task in group], Work(group, wanted), seconds))
    identity = [[task.clip._asdict(), _state(task)] for task in tasks]
    key = provenance.fingerprint(identity)
    return Plan(parts, None, {"profile": None, "windows": windows._asdict()}, key)


def _refuse_twins(tasks: Sequence[Task]) -> None:
    seen: dict[str, Task] = {}
    for task in tasks:
        other = seen.setdefault(task.clip.id, task)
        if other is not task:
            raise ValueError(
                f"two clips have the id '{task.clip.id}': {other.clip.source} and"
                f" {task.clip.source}. Give each its own, in a table."
            )


def _state(task: Task) -> list[Any]:
    """Tell which version of a file it is."""
    path = task.root / task.clip.source
    try:
        found = path.stat()
    except OSError:
        return [str(path)]
    return [str(path), found.st_size, found.st_mtime_ns]
