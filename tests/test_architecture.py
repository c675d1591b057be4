"""The shape of the house: layers, doors, sizes, and a cache key that is provably complete."""

import ast
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from c2rl import config

ROOT = Path(__file__).parent.parent
STAGES = ("prepare", "pretrain", "extract", "translate", "retrieve", "report")
FREE = {
    "c2rl/__init__.py",
    "c2rl/command.py",
    "c2rl/config.py",
    "c2rl/lock.py",
    "c2rl/progress.py",
    "c2rl/provenance.py",
    "c2rl/resumable.py",
    "c2rl/sections.py",
    "c2rl/store/listed.py",
    "c2rl/store/remote.py",
}
"""Modules that cannot change a result, so they are no deps."""

KEEPING = {"lock", "progress", "provenance", "resumable"}
MAY_IMPORT = {
    "corpora": {"provenance"},
    "video": {"corpora", "store"},
    "store": {"corpora", *KEEPING},
    "nn": set(),
    "objectives": set(),
    "language": {"nn"},
    "training": {"nn", "video", "store", *KEEPING},
}
GROUND = {*MAY_IMPORT, *KEEPING}
for _stage in STAGES:
    MAY_IMPORT[_stage] = GROUND
MAY_IMPORT["app"] = GROUND | set(STAGES)
MAY_IMPORT["suites"] = {*GROUND, *STAGES, "config"}
MAY_IMPORT["cli"] = {*GROUND, *STAGES, "app", "config", "command"}

DOORS = {
    "decord": {"c2rl/video/source.py"},
    "av": {"c2rl/video/source.py", "c2rl/video/probe.py", "c2rl/corpora/synthsign/film.py"},
    "zarr": {"c2rl/store/ragged.py"},
    "google_crc32c": {"c2rl/store/integrity.py"},
    "numcodecs": {"c2rl/store/ragged.py"},
    "transformers": {"c2rl/language/"},
    "tokenizers": {"c2rl/language/"},
    "sentencepiece": {"c2rl/language/"},
    "huggingface_hub": {"c2rl/language/"},
    "sacrebleu": {"c2rl/translate/score.py", "c2rl/translate/significance.py"},
    "bleurt": {"c2rl/translate/bleurt.py"},
    "faiss": {"c2rl/retrieve/candidates.py"},
    "pydantic": {"c2rl/config.py", "c2rl/sections.py"},
    "ruamel": {"c2rl/config.py"},
    "typer": {"c2rl/cli/", "c2rl/command.py"},
    "matplotlib": {"c2rl/report", "c2rl/suites/chart.py"},
    "jinja2": {"c2rl/report", "c2rl/app"},
    "gradio": {"c2rl/app/demo/page.py"},
    "fastapi": {"c2rl/app/demo/page.py"},
    "uvicorn": {"c2rl/app/demo/page.py"},
    "markupsafe": {"c2rl/app"},
    "ray": {"c2rl/extract"},
    "fsspec": {"c2rl/store/remote.py"},
    "dvc": set(),
    "onnxruntime": {"c2rl/video/onnx.py"},
    "pickle": {"c2rl/corpora/unpickle.py"},
}


def modules() -> list[Path]:
    return sorted((ROOT / "c2rl").rglob("*.py"))


def name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def imports(path: Path) -> set[str]:
    """Dotted names that a file imports, lazy ones included; `if TYPE_CHECKING` aside."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    skipped = {
        inner
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and getattr(node.test, "id", "") == "TYPE_CHECKING"
        for inner in ast.walk(node)
    }
    found = set()
    for node in ast.walk(tree):
        if node in skipped:
            continue
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def files(dotted: str) -> set[Path]:
    """Files of ours that importing a dotted name runs."""
    parts = dotted.split(".")
    if parts[0] != "c2rl":
        return set()
    found = set()
    for end in range(1, len(parts) + 1):
        base = ROOT.joinpath(*parts[:end])
        if base.with_suffix(".py").is_file():
            found.add(base.with_suffix(".py"))
        elif (base / "__init__.py").is_file():
            found.add(base / "__init__.py")
    return found


def closure(start: Path) -> set[str]:
    """Files of `c2rl` that a script can run, and so its cache key must know."""
    todo, seen = [start], set()
    while todo:
        path = todo.pop()
        if path in seen or name(path) in FREE:
            continue
        seen.add(path)
        todo += [file for dotted in imports(path) for file in files(dotted)]
        if name(path) == "c2rl/corpora/find.py":  # it imports corpora by name
            todo += (ROOT / "c2rl/corpora").rglob("*.py")
    return {name(path) for path in seen if path != start}


def layer(path: Path) -> str:
    return path.relative_to(ROOT / "c2rl").parts[0]


@pytest.mark.parametrize("path", modules(), ids=name)
def test_imports_point_downwards(path: Path) -> None:
    allowed = MAY_IMPORT.get(layer(path))
    if allowed is None:
        return  # the free modules: checked below
    allowed = allowed | {layer(path), "__init__.py"}
    if path.name == "run.py" and layer(path) in STAGES:
        allowed |= {"config"}
    used = {layer(file).removesuffix(".py") for dotted in imports(path) for file in files(dotted)}
    assert used <= {a.removesuffix(".py") for a in allowed}


def test_the_free_modules_import_nothing_of_ours_but_each_other() -> None:
    for path in FREE - {"c2rl/__init__.py"}:
        used = {name(file) for dotted in imports(ROOT / path) for file in files(dotted)}
        assert {file for file in used if not file.endswith("/__init__.py")} <= FREE, path


@pytest.mark.parametrize("path", modules(), ids=name)
def test_third_parties_have_one_door(path: Path) -> None:
    for dotted in imports(path):
        doors = DOORS.get(dotted.split(".")[0])
        if doors is not None:
            assert any(name(path).startswith(door) for door in doors), f"{dotted} has other doors"


@pytest.mark.parametrize("path", modules(), ids=name)
def test_modules_and_functions_are_small(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 320
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef) and node.end_lineno is not None:
            first = node.body[0]
            documented = isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant)
            body = node.body[1:] if documented else node.body
            length = node.end_lineno - body[0].lineno + 1 if body else 0
            assert length <= 50, f"{node.name} has {length} lines"


@pytest.mark.parametrize("stage", STAGES)
def test_the_cache_key_is_complete(stage: str) -> None:
    spec = YAML(typ="safe").load(ROOT / "dvc.yaml")["stages"][stage]
    code = {dep for dep in spec["deps"] if dep.startswith("c2rl")}
    covered = {
        name(f) for dep in code for f in [ROOT / dep, *(ROOT / dep).rglob("*.py")] if f.is_file()
    }
    needed = closure(ROOT / "pipeline" / f"{stage}.py")
    assert needed - covered == set(), f"dvc.yaml: add to {stage}.deps"
    idle = {dep for dep in code if not any(n == dep or n.startswith(dep + "/") for n in needed)}
    assert idle == set(), f"dvc.yaml: remove from {stage}.deps"
    schema = getattr(config, f"{stage.capitalize()}Params")
    listed = set()
    for key in spec["params"]:
        inside = {
            leaf
            for leaf in config.leaves(config.Params)
            if leaf == key or leaf.startswith(f"{key}.")
        }
        assert inside, f"dvc.yaml: {stage}.params names {key}, which does not exist"
        listed |= inside
    assert listed == config.leaves(schema)


@pytest.mark.parametrize("stage", STAGES)
def test_a_script_only_hands_over(stage: str) -> None:
    path = ROOT / "pipeline" / f"{stage}.py"
    tree = ast.parse(path.read_text(encoding="utf-8"))
    main = next(n for n in tree.body if isinstance(n, ast.FunctionDef))
    inside = [node for statement in main.body[1:] for node in ast.walk(statement)]
    assert not any(isinstance(node, ast.If | ast.For | ast.While) for node in inside)
    texts = [n.value for n in inside if isinstance(n, ast.Constant) and isinstance(n.value, str)]
    assert not any("/" in text for text in texts), "paths are written in dvc.yaml alone"
    assert main.args.defaults == []
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 22


def test_no_module_unpickles() -> None:
    for path in modules():
        text = path.read_text(encoding="utf-8")
        assert "allow_pickle=True" not in text, path
        assert "torch.load(" not in text or "weights_only=True" in text, path


def test_the_top_level_is_what_the_design_says() -> None:
    visible = {p.name for p in ROOT.iterdir() if not p.name.startswith(".")}
    generated = {"build", "dist", "venv", "c2rl.egg-info", "dvc.lock"}
    assert visible - generated <= {
        *("README.md", "pyproject.toml", "dvc.yaml", "params.yaml", "pipeline", "c2rl", "data"),
        *("tests", "LICENSE", "CHANGELOG.md", "CONTRIBUTING.md", "CITATION.cff", "constraints.txt"),
    }
