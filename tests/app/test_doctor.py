"""A healthy installation is told to be one; of a broken one it is told what mends it."""

import json
import os
import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from c2rl.app.doctor import clips, examine, findings, libraries, media, packages, places, weights
from c2rl.app.doctor.findings import Finding
from c2rl.app.doctor.libraries import Probe
from c2rl.cli import app


def named(found, name: str) -> Finding:
    (one,) = [finding for finding in found if finding.name == name]
    return one


def looked(area: str, name: str) -> Finding:
    (found,) = libraries.look([Probe(area, name)])
    return found


def install(folder: Path, name: str, version: str, *requires: str) -> None:
    """Let a package be found by what it says of itself."""
    told = folder / f"{name.replace('-', '_')}-{version}.dist-info"
    told.mkdir()
    lines = [f"Name: {name}", f"Version: {version}", *(f"Requires-Dist: {r}" for r in requires)]
    (told / "METADATA").write_text("Metadata-Version: 2.1\n" + "\n".join(lines) + "\n")


@pytest.fixture
def first(tmp_path, monkeypatch) -> Path:
    """A folder whose packages hide those that are installed."""
    folder = tmp_path / "site"
    folder.mkdir()
    monkeypatch.syspath_prepend(str(folder))
    return folder


@pytest.fixture
def absent(monkeypatch):
    """Lets packages be absent."""
    real = packages.version

    def hide(*names: str) -> None:
        monkeypatch.setattr(packages, "version", lambda n: None if n in names else real(n))

    return hide


def test_this_installation_is_healthy(monkeypatch) -> None:
    for name in [name for name in os.environ if name.startswith("C2RL_")]:
        monkeypatch.delenv(name)
    found = list(examine.examine())
    broken = [finding for finding in found if finding.status == "broken"]
    assert broken == []
    assert {finding.area for finding in found} >= {"packages", "libraries", "video", "gpu"}
    assert named(found, "vp9.webm by PyAV").status == "ok"
    assert "everything that is needed works" in findings.told(found)[-1]


def test_a_package_that_is_missing_is_installed_by_the_command_that_is_told(absent) -> None:
    absent("faiss-gpu", "faiss-cpu", "decord")
    found = packages.look()
    faiss = next(f for f in found if f.name.startswith("faiss"))
    assert (faiss.status, faiss.found) == ("broken", "is not installed")
    assert faiss.mend.startswith(f"pip install '{faiss.name}>=")
    assert named(found, "decord").mend == "pip install 'decord>=0.6'"
    assert findings.verdict(found).startswith("broken: decord, faiss")


def test_another_package_of_the_family_will_do(absent, first) -> None:
    absent("opencv-python-headless")
    install(first, "opencv-python", "4.11.0")
    found = packages.look()
    assert named(found, "opencv-python") == Finding("packages", "opencv-python", "ok", "4.11.0")
    assert "opencv-python-headless" not in {finding.name for finding in found}


def test_a_package_that_is_too_old_is_upgraded(first) -> None:
    install(first, "zarr", "2.18.0")
    one = named(packages.look(), "zarr")
    assert (one.status, one.mend) == ("broken", "pip install --upgrade 'zarr>=3.1.6'")
    assert one.found.startswith("2.18.0 is installed")


def test_opencv_twice_is_told_with_what_leaves_one(first) -> None:
    install(first, "opencv-python", "4.11.0")
    one = named(packages.look(), "opencv-python-headless and opencv-python")
    assert one.status == "warning"
    assert one.mend == (
        "pip uninstall --yes opencv-python-headless opencv-python"
        " && pip install 'opencv-python-headless>=4.10'"
    )


def test_a_torchvision_of_another_torch_is_seen_before_it_is_loaded(first) -> None:
    install(first, "torchvision", "0.25.0", "torch==1.0")
    found = [f for f in packages.look() if f.name == "torchvision" and f.status == "broken"]
    assert "is made for torch==1.0, installed is torch" in found[0].found
    assert "--force-reinstall torch torchvision" in found[0].mend


def test_a_package_that_is_not_installed_itself_says_so(monkeypatch) -> None:
    def gone(name: str) -> None:
        raise packages.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(packages.metadata, "requires", gone)
    assert packages.look()[-1].mend == "in the checkout: pip install -e . -c constraints.txt"


def test_a_library_that_does_not_load_is_told_with_its_reason(first) -> None:
    vision = "raise RuntimeError('operator torchvision::nms does not exist')"
    (first / "torchvision.py").write_text(vision)
    one = looked("libraries", "torchvision")
    assert one.status == "broken"
    assert one.found == "RuntimeError: operator torchvision::nms does not exist"
    assert "--force-reinstall torch torchvision" in one.mend


def test_opencv_without_its_system_libraries_is_replaced_by_the_headless_one(first) -> None:
    (first / "cv2.py").write_text("raise ImportError('libGL.so.1: cannot open shared object file')")
    assert looked("libraries", "cv2").mend.endswith("pip install opencv-python-headless")


@pytest.mark.parametrize(
    ("code", "told"),
    [("import os; os.abort()", "crashes"), ("import sys; sys.exit(3)", "SystemExit: 3")],
)
def test_a_library_that_ends_the_process_is_told_and_the_next_is_tried(first, code, told) -> None:
    (first / "faiss.py").write_text(code)
    tried = [Probe("libraries", "faiss"), Probe("libraries", "jinja2")]
    broken, fine = libraries.look(tried)
    assert broken.status == "broken"
    assert told in broken.found
    assert broken.mend == "pip install --force-reinstall --no-deps faiss-gpu"
    assert fine.status == "ok"


def test_a_library_that_hangs_is_given_up(first, monkeypatch) -> None:
    (first / "sacrebleu.py").write_text("import time; time.sleep(60)")
    monkeypatch.setattr(libraries, "PATIENCE_S", 1.0)
    assert looked("libraries", "sacrebleu").found == "did not answer within 1 s"


@pytest.mark.parametrize("name", media.NAMES)
def test_every_built_in_clip_decodes(name) -> None:
    one = media.attempt(name)
    if "av1" in name and one.status == "warning":
        pytest.skip("this PyAV has no AV1")
    assert one.status == "ok", one


def test_a_reader_that_swaps_red_and_blue_is_noticed(monkeypatch) -> None:
    monkeypatch.setattr(clips, "RED", (40, 40, 200))
    one = media.attempt("h264.mp4 by PyAV")
    assert one.status == "broken"
    assert one.found.startswith("gives colours that are off by 1")


@pytest.mark.parametrize(
    ("name", "status"), [("h264.mp4 by PyAV", "broken"), ("vp9.webm by PyAV", "warning")]
)
def test_a_clip_that_does_not_decode_is_told(monkeypatch, name, status) -> None:
    whole = clips.content(name.split(" by ")[0])
    monkeypatch.setattr(clips, "content", lambda _: whole[: len(whole) // 3])
    one = media.attempt(name)
    assert one.status == status
    assert "decode_error" in one.found
    assert one.mend == "pip install --force-reinstall --no-deps av"


def test_frames_of_another_number_are_noticed(monkeypatch) -> None:
    monkeypatch.setattr(clips, "NUM_FRAMES", 5)
    assert media.attempt("vp8.webm by PyAV").found.startswith("gives (4, 48, 64, 3)")


@pytest.fixture
def driver(tmp_path, monkeypatch) -> None:
    """A GPU by its driver's word."""
    program = tmp_path / "bin/nvidia-smi"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\necho NVIDIA H100\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)


@pytest.mark.usefixtures("driver")
def test_torch_for_cpus_beside_a_gpu_is_told_with_what_mends_it(monkeypatch) -> None:
    monkeypatch.setattr("torch.version.cuda", None)
    one = libraries.attempt(Probe("gpu", "GPU"))
    assert one.status == "warning"
    assert one.found.startswith("NVIDIA H100 is there, but torch ")
    assert "--index-url https://download.pytorch.org/whl/" in one.mend


@pytest.mark.usefixtures("driver")
def test_a_gpu_that_torch_cannot_use_is_told(monkeypatch) -> None:
    monkeypatch.setattr("torch.version.cuda", "13.0")
    assert "(CUDA 13.0) cannot use it" in libraries.attempt(Probe("gpu", "GPU")).found


def test_no_gpu_is_no_fault(monkeypatch, tmp_path) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert libraries.attempt(Probe("gpu", "GPU")).status == "note"


def test_weights_are_looked_for_and_never_fetched(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")  # put back after the test
    for name in weights.NAMES[:2]:
        one = weights.attempt(name)
        assert one.status == "note"
        assert one.mend.startswith("python -c ")
    assert list(tmp_path.rglob("*.pth")) == []


def test_a_folder_that_cannot_be_written_to_is_broken(tmp_path, monkeypatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("C2RL_SCRATCH", str(tmp_path / "file/runs"))
    one = named(places.look(), "work in progress (C2RL_SCRATCH)")
    assert one.status == "broken"
    assert one.mend.startswith("export C2RL_SCRATCH=")


def test_a_full_disk_is_worth_a_look(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("C2RL_CACHE", str(tmp_path / "not/yet"))
    monkeypatch.setattr(places, "_LITTLE", 1e30)
    one = named(places.look(), "stores from elsewhere (C2RL_CACHE)")
    assert one.status == "warning"
    assert one.found.startswith(f"{tmp_path / 'not/yet'}, ")


def test_variables_that_are_wrong_or_mistyped_are_told(monkeypatch) -> None:
    monkeypatch.setenv("C2RL_WORKER", "4")
    monkeypatch.setenv("C2RL_WORKERS", "four")
    monkeypatch.setenv("C2RL_DECODE_MEMORY", "lots")
    monkeypatch.setenv("C2RL_DECODE_TIMEOUT", "30")
    found = list(places.environment())
    mistyped = named(found, "C2RL_WORKER")
    assert (mistyped.status, mistyped.mend) == (
        "warning",
        "unset C2RL_WORKER && export C2RL_WORKERS=4",
    )
    assert named(found, "C2RL_WORKERS").found == "is 'four', expected a number"
    assert named(found, "C2RL_DECODE_MEMORY").status == "broken"
    assert named(found, "C2RL_DECODE_TIMEOUT") == Finding(
        "environment", "C2RL_DECODE_TIMEOUT", "ok", "30"
    )


def test_every_variable_that_the_code_reads_is_known() -> None:
    root = Path(places.__file__).parents[2]
    others = [path for path in root.rglob("*.py") if path != Path(places.__file__)]
    text = "".join(path.read_text(encoding="utf-8") for path in others)
    named_in_code = set(re.findall(r"C2RL_[A-Z]+(?:_[A-Z]+)*", text))
    assert named_in_code | {"C2RL_REALDATA"} == places.VARIABLES


def test_without_git_a_checkout_is_broken(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    assert named(places.environment(), "git").status == "warning"
    (tmp_path / ".dvc").mkdir()
    assert named(places.environment(), "git").status == "broken"


FINE = Finding("packages", "zarr", "ok", "3.2")
BROKEN = Finding("libraries", "faiss", "broken", "does not load", "pip install faiss")


@pytest.mark.parametrize(("found", "code"), [([FINE], 0), ([FINE, BROKEN], 1)])
def test_the_exit_code_tells_whether_what_is_needed_works(monkeypatch, found, code) -> None:
    monkeypatch.setattr(examine, "examine", lambda: iter(found))
    done = CliRunner().invoke(app, ["doctor", "--json"])
    assert done.exit_code == code
    told = json.loads(done.stdout)
    assert told["healthy"] == (code == 0)
    assert told["findings"][0] == FINE._asdict()


def test_the_command_tells_area_by_area_with_what_mends(monkeypatch) -> None:
    monkeypatch.setattr(examine, "examine", lambda: iter([FINE, BROKEN]))
    done = CliRunner().invoke(app, ["doctor"])
    assert done.stdout.splitlines() == [
        "packages",
        "  ok      zarr: 3.2",
        "libraries",
        "  broken  faiss: does not load",
        "          pip install faiss",
        "broken: faiss",
    ]
