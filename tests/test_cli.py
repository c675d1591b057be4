"""The command line answers at once, in one line where something is wrong."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


def cli(*arguments: str, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    call = [sys.executable, "-c", "from c2rl.cli import main; main()", *arguments]
    return subprocess.run(call, capture_output=True, text=True, cwd=cwd, check=False)


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys; from c2rl.cli import app; import c2rl;"
        "heavy = ('torch', 'zarr', 'transformers', 'cv2', 'av', 'pydantic');"
        "print([m for m in heavy if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_every_stage_is_a_command() -> None:
    text = cli("--help").stdout
    for word in ("prepare", "pretrain", "extract", "translate", "retrieve", "report"):
        assert word in text


def test_wrong_use_exits_with_2() -> None:
    assert cli("extract", "a.mp4").returncode == 2


def test_an_unknown_preset_is_one_line() -> None:
    done = cli("params", "use", "papr")
    assert done.returncode == 1
    assert done.stderr.strip() == "c2rl: preset 'papr' is unknown. Known: paper."


def test_a_preset_is_put_in_place(tmp_path) -> None:
    (tmp_path / "pipeline/presets").mkdir(parents=True)
    preset = (ROOT / "pipeline/presets/paper.yaml").read_text()
    (tmp_path / "pipeline/presets/paper.yaml").write_text(preset)
    assert cli("params", "use", "paper", cwd=tmp_path).returncode == 0
    assert (tmp_path / "params.yaml").read_text() == preset


@pytest.fixture
def checkout(tmp_path) -> Path:
    (tmp_path / "tests/benchmarks").mkdir(parents=True)
    script = "import sys; print(sys.argv[1:]); sys.exit(7 if '--fail' in sys.argv else 0)"
    (tmp_path / "tests/benchmarks/echo.py").write_text(script)
    (tmp_path / "tests/benchmarks/other.py").write_text("")
    return tmp_path


def test_a_benchmark_gets_its_arguments_and_gives_its_exit_code(checkout: Path) -> None:
    done = cli("bench", "echo", "--rounds", "3", "--help", "x", cwd=checkout)
    assert (done.stdout.strip(), done.returncode) == ("['--rounds', '3', '--help', 'x']", 0)
    assert cli("bench", "echo", "--fail", cwd=checkout).returncode == 7


@pytest.mark.parametrize("name", ["ecko", "../benchmarks/echo", "echo.py"])
def test_an_unknown_benchmark_is_named_with_the_known(checkout: Path, name: str) -> None:
    done = cli("bench", name, cwd=checkout)
    assert done.returncode == 1
    assert done.stderr.strip() == f"c2rl: benchmark '{name}' is unknown. Known: echo, other."


def test_outside_a_checkout_a_benchmark_says_so_in_one_line(tmp_path) -> None:
    done = cli("bench", "pretrain", cwd=tmp_path)
    assert done.returncode == 1
    assert done.stderr.strip() == (
        f"c2rl: tests/benchmarks is missing in {tmp_path}: benchmarks are not installed with the"
        " package. Run `c2rl bench pretrain` in a checkout of the repository."
    )


def test_a_benchmark_without_a_name_is_wrong_use() -> None:
    assert cli("bench").returncode == 2


@pytest.mark.parametrize("name", ["load", "FeatureStore", "SignEncoder", "Translator", "Retriever"])
def test_the_public_names_are_there(name: str) -> None:
    import c2rl

    assert getattr(c2rl, name).__doc__


def test_an_unknown_name_is_an_attribute_error() -> None:
    import c2rl

    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = c2rl.nothing


@pytest.mark.parametrize(
    "call",
    [
        ("predict", "a.mp4", "translator"),
        ("search", "der mann tanzt", "retriever"),
        ("index", "build", "x", "f.zarr", "retriever"),
    ],
    ids=lambda call: call[0],
)
def test_the_projects_own_models_are_the_default(tmp_path, call: tuple[str, ...]) -> None:
    *words, kind = call
    (tmp_path / "params.yaml").write_text("dataset: table\n")
    done = cli(*words, cwd=tmp_path)
    assert done.returncode == 1
    assert done.stderr.startswith(f"c2rl: data/{kind}s/table does not exist.")


def test_outside_a_project_a_model_is_asked_for_in_one_line(tmp_path) -> None:
    done = cli("predict", "a.mp4", cwd=tmp_path)
    assert done.returncode == 1
    assert done.stderr.strip() == (
        f"c2rl: params.yaml is missing in {tmp_path}, so the encoder is not known. Give --encoder,"
        " or run this in the project's folder."
    )
    assert "Give --retriever, or" in cli("search", "ich", cwd=tmp_path).stderr


def test_params_without_a_dataset_say_so_in_one_line(tmp_path) -> None:
    (tmp_path / "params.yaml").write_text("[1, 2]\n")
    done = cli("demo", cwd=tmp_path)
    assert done.stderr.startswith("c2rl: params.yaml names no dataset.")
