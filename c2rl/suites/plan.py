"""What a suite runs: a file of a few lines, checked whole before anything runs.

title: What the rows differ in
paper: {table: where the paper has it, dataset: what it was measured on}
base: {parameter: value}, the same in every row
synthsign: {parameter: value}, on the embedded corpus only, where nothing is downloaded
seeds: [0, 1, 2]; each row runs once a seed, without this key once, under params.yaml's seed
imports: {name: the command that makes these features}
columns: {heading: "data/metrics/<stage>.json:split.key"}
rows:
  <row>:
    set: {parameter: value}
    synthsign: {parameter: value}, or null: not on the embedded corpus
    import: a name of `imports`; the row learns from these features
    paper: {heading: the paper's number}
"""

import copy
import functools
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from c2rl import config
from c2rl.suites import columns

Contents = dict[str, Any]

EMBEDDED = "synthsign"
"""Corpus of the repository itself."""
IMPORTS = "imports"
"""Folder of imported features, below that of the corpora."""

_KEYS = {"title", "paper", "base", "synthsign", "seeds", "imports", "columns", "rows"}
_ROW = {"set", "synthsign", "import", "paper"}


class Row(NamedTuple):
    """A line of the table."""

    name: str
    changes: Contents
    """Dotted parameter to value."""
    embedded: Contents | None
    """Further ones on the embedded corpus; None: the row is not for it."""
    imported: str | None
    """Name of the features that it learns from, unless they are the encoder's."""
    paper: dict[str, float]
    """Heading to number."""


class Suite(NamedTuple):
    """A file of `pipeline/suites`."""

    name: str
    title: str
    table: str
    """Where the paper has it; empty where it has none."""
    dataset: str
    """What the paper measured on; empty where each row has its own."""
    seeds: list[int]
    """Empty: the seed of params.yaml."""
    imports: dict[str, str]
    columns: dict[str, str]
    rows: list[Row]


class Run(NamedTuple):
    """A row under a seed."""

    name: str
    """Of its experiment."""
    row: str
    changes: Contents
    """Dotted parameter to value."""


def read(folder: Path, name: str) -> Suite:
    """Read a suite.

    Args:
        folder: Of the suites.
        name: A file in it, without suffix.

    Returns:
        Its content, whose parameters and columns exist.

    Raises:
        ValueError: If there is no such suite, two of that name, or one with an error in it.
    """
    files = sorted(path for path in folder.iterdir() if path.suffix in {".yaml", ".yml"})
    same = Counter(_spelt(path.stem) for path in files)
    for path in files:
        if same[_spelt(path.stem)] > 1:
            twins = ", ".join(p.name for p in files if _spelt(p.stem) == _spelt(path.stem))
            raise ValueError(f"two suites have one name: {twins}; rename one")
    known = {path.stem: path for path in files}
    if name not in known:
        raise ValueError(f"suite '{name}' is unknown. Known: {', '.join(known)}.")
    return _suite(name, known[name])


def _spelt(name: str) -> str:
    """Spell a name as DVC takes it."""
    return name.replace("_", "-")


def _suite(name: str, path: Path) -> Suite:
    content = config.read_yaml(path)
    _require_keys(path, "the suite", content, _KEYS, {"title", "columns", "rows"})
    for column in content["columns"].values():
        try:
            columns.require(column)
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from None
    base, embedded = content.get("base") or {}, content.get("synthsign") or {}
    imports, rows = content.get("imports") or {}, []
    for row, spec in content["rows"].items():
        spec = spec or {}
        _require_keys(path, f"row {row}", spec, _ROW, set())
        _require_paper(path, row, spec.get("paper") or {}, content["columns"])
        if spec.get("import") not in {None, *imports}:
            raise ValueError(f"{path}: row {row} imports '{spec['import']}', no key of `imports`")
        own = spec.get("synthsign", {})
        more = None if own is None else embedded | own
        changes = base | (spec.get("set") or {})
        _require_parameters(path, row, [*changes, *(more or {})])
        rows.append(Row(row, changes, more, spec.get("import"), spec.get("paper") or {}))
    twice = [row for row, count in Counter(_spelt(r.name) for r in rows).items() if count > 1]
    if twice:
        raise ValueError(f"{path}: two rows are named {twice[0]}; rename one")
    paper = content.get("paper") or {}
    told = (content["title"], paper.get("table", ""), paper.get("dataset", ""))
    return Suite(name, *told, content.get("seeds") or [], imports, content["columns"], rows)


def _require_keys(path: Path, where: str, content: Any, known: set[str], needed: set[str]) -> None:
    if not isinstance(content, dict):
        raise ValueError(f"{path}: {where} is {content!r}, expected keys and values")
    if strange := sorted(map(str, content.keys() - known)):
        expected = ", ".join(sorted(known))
        raise ValueError(f"{path}: {where} has the unknown key {strange[0]}; known: {expected}")
    if missing := sorted(needed - content.keys()):
        raise ValueError(f"{path}: {where} lacks {missing[0]}")


def _require_paper(
    path: Path, row: str, paper: Mapping[str, float], headings: Mapping[str, str]
) -> None:
    if strange := sorted(paper.keys() - headings.keys()):
        raise ValueError(f"{path}: row {row} has the paper's {strange[0]}, which is no column")


def _require_parameters(path: Path, row: str, names: Sequence[str]) -> None:
    known = config.leaves(config.Params)
    for name in names:
        if name == "seed":
            raise ValueError(f"{path}: row {row} sets seed, which `seeds` is for")
        if name not in known:
            raise ValueError(f"{path}: row {row} sets {name}, which params.yaml does not have")


def seeds_of(suite: Suite, asked: str | None) -> list[int]:
    """Choose the seeds.

    Args:
        suite: Of `read`.
        asked: As on the command line; None: the suite's own.

    Returns:
        Different numbers; none: the seed of params.yaml.

    Raises:
        ValueError: If what was asked for is no list of different numbers.
    """
    if asked is None:
        return suite.seeds
    words = asked.split(",")
    if len(set(words)) < len(words) or not all(word.isdecimal() for word in words):
        raise ValueError(f"--seeds is '{asked}', expected different numbers, such as 0,1,2.")
    return [int(word) for word in words]


def plan(suite: Suite, params: Contents, asked: str | None = None) -> list[Run]:
    """List what a suite runs, seed by seed, so that all rows can be compared after one seed.

    Args:
        suite: Of `read`.
        params: Of params.yaml.
        asked: Seeds as on the command line; None: the suite's own.

    Returns:
        Every row that is for this corpus, under every seed.

    Raises:
        ValueError: If the seeds are wrong, or a row's parameters; the message names the row.
    """
    runs = []
    seeds: Sequence[int | None] = seeds_of(suite, asked) or [None]
    for seed in seeds:
        for row in suite.rows:
            changes = changes_of(row, params)
            if changes is None:
                continue
            name = _spelt(f"{suite.name}-{row.name}")
            if seed is not None:
                name, changes = f"{name}-s{seed}", changes | {"seed": seed}
            runs.append(Run(name, row.name, changes))
    for run in runs:
        try:
            config.check(changed(params, run.changes))
        except ValueError as error:
            raise ValueError(f"suite {suite.name}, row {run.row}: {error}") from None
    return runs


def changes_of(row: Row, params: Contents) -> Contents | None:
    """Tell what a row changes in params.yaml.

    Args:
        row: Of a suite.
        params: Of params.yaml.

    Returns:
        Dotted parameter to value; None: the row is not for this corpus.
    """
    dataset = row.changes.get("dataset", params["dataset"])
    changes = row.changes
    if dataset == EMBEDDED:
        if row.embedded is None:
            return None
        changes = changes | row.embedded
    if row.imported is not None:
        changes = changes | {"extract.imported": f"{IMPORTS}/{dataset}-{row.imported}.zarr"}
    return changes


def changed(params: Contents, changes: Contents) -> Contents:
    """Change parameters as `dvc exp run -S` does.

    Args:
        params: Of params.yaml; left as they are.
        changes: Dotted parameter to value.

    Returns:
        The new ones.
    """
    new = copy.deepcopy(params)
    for dotted, value in changes.items():
        *sections, key = dotted.split(".")
        functools.reduce(dict.__getitem__, sections, new)[key] = value
    return new
