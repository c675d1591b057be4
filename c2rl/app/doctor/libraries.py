"""Does each library load, and does it do a little of what it is there for?

What is here runs in processes that can be killed: a broken library crashes or hangs where it loads.
"""

import importlib
import shutil
import subprocess
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from c2rl.app.doctor import media, packages, weights
from c2rl.app.doctor.findings import Finding
from c2rl.video import pool
from c2rl.video.pool import Outcome

MODULES = {
    **{"numpy": "numpy", "torch": "torch", "torchvision": "torchvision"},
    **{"transformers": "transformers", "tokenizers": "tokenizers"},
    **{"sentencepiece": "sentencepiece", "safetensors": "safetensors", "av": "av"},
    **{"decord": "decord", "cv2": "opencv-python-headless", "zarr": "zarr"},
    **{"numcodecs": "numcodecs", "google_crc32c": "google-crc32c", "fsspec": "fsspec"},
    **{"dvc": "dvc", "sacrebleu": "sacrebleu", "faiss": "faiss-gpu", "pydantic": "pydantic"},
    **{"ruamel.yaml": "ruamel.yaml", "rich": "rich", "matplotlib": "matplotlib"},
    **{"jinja2": "jinja2", "typer": "typer"},
}
"""Modules that are needed, and the packages that they come with."""

PATIENCE_S = 180.0
"""For a library on a cold network disk."""

_NO_GL = "libGL.so"
_OTHER_TORCH = ("torchvision::nms", "undefined symbol", "torchvision.extension")


class Probe(NamedTuple):
    """What a process is to try."""

    area: str
    """libraries, video, gpu or weights."""
    name: str


def probes(modules: Sequence[str]) -> list[Probe]:
    """List everything that could take the process with it that tries it.

    Args:
        modules: To load, of `MODULES`.

    Returns:
        What to try, area by area.
    """
    return [
        *(Probe("libraries", name) for name in modules),
        *(Probe("video", name) for name in media.NAMES),
        Probe("gpu", "GPU"),
        *(Probe("weights", name) for name in weights.NAMES),
    ]


def look(probes: Sequence[Probe]) -> Iterator[Finding]:
    """Try things in processes of their own.

    Args:
        probes: What.

    Yields:
        A finding for each, in their order.
    """
    found: dict[int, Finding] = {}
    tried = pool.run(
        attempt, probes, workers=2, timeout_s=lambda _: PATIENCE_S, memory_bytes=float("inf")
    )
    try:
        for outcome in tried:
            found[outcome.number] = _of(outcome, probes)
    except RuntimeError as error:
        told = f"cannot be started: {error}"
        yield Finding("libraries", "worker processes", "broken", told)
    yield from (found[number] for number in sorted(found))


def _of(outcome: Outcome, probes: Sequence[Probe]) -> Finding:
    if not outcome.failure:
        finding: Finding = outcome.value
        return finding
    probe = probes[outcome.number]
    told = "crashes the process that loads it"
    if outcome.failure == "timeout":
        told = f"did not answer within {PATIENCE_S:.0f} s"
    return Finding(probe.area, probe.name, "broken", told, _reinstall(probe.name))


def attempt(probe: Probe) -> Finding:
    """Try one thing; runs in a worker.

    Args:
        probe: What.

    Returns:
        What was found; nothing is raised.
    """
    functions: dict[str, Callable[[str], Finding]] = {
        "libraries": _library,
        "video": media.attempt,
        "gpu": _gpu,
        "weights": weights.attempt,
    }
    try:
        return functions[probe.area](probe.name)
    except BaseException as error:  # a library may raise anything, SystemExit included
        told = f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
        return Finding(probe.area, probe.name, "broken", told, _mend(probe.name, told))


def _library(name: str) -> Finding:
    module = importlib.import_module(name)
    if name == "torchvision":
        import torch

        boxes = torch.tensor([[0.0, 0.0, 2.0, 2.0], [0.0, 0.0, 2.0, 1.9]])
        kept = module.ops.nms(boxes, torch.tensor([0.9, 0.8]), 0.5)
        if kept.tolist() != [0]:
            raise RuntimeError(f"torchvision::nms keeps {kept.tolist()}, expected [0]")
    installed = packages.version(MODULES[name]) or getattr(module, "__version__", "loads")
    return Finding("libraries", name, "ok", str(installed))


def _mend(name: str, told: str) -> str:
    if name == "cv2" and _NO_GL in told:
        family = " ".join(packages.FAMILIES[0])
        return f"pip uninstall --yes {family}; pip install opencv-python-headless"
    if name == "torchvision" and any(sign in told for sign in _OTHER_TORCH):
        return "pip install --upgrade --force-reinstall torch torchvision -c constraints.txt"
    return _reinstall(name)


def _reinstall(name: str) -> str:
    if name not in MODULES:
        return "mend what is broken above first"
    family = next((f for f in packages.FAMILIES if MODULES[name] in f), (MODULES[name],))
    there = [package for package in family if packages.version(package) is not None]
    return f"pip install --force-reinstall --no-deps {(there or family)[0]}"


def _gpu(name: str) -> Finding:
    """Multiply on each GPU that PyTorch sees."""
    import torch

    if not torch.cuda.is_available():
        return _no_gpu(name)
    seen = []
    for number in range(torch.cuda.device_count()):
        properties = torch.cuda.get_device_properties(number)
        ones = torch.ones(64, 64, device=f"cuda:{number}")
        if float((ones @ ones).sum()) != 64.0**3:
            raise RuntimeError(f"{properties.name} multiplies wrongly")
        seen.append(f"{properties.name}, {properties.total_memory / 1e9:.0f} GB")
    return Finding("gpu", name, "ok", "; ".join(seen))


def _no_gpu(name: str) -> Finding:
    """Tell whether there is a GPU that PyTorch does not see, and why."""
    import torch

    driver = _driver()
    if not driver:
        return Finding("gpu", name, "note", "none; everything runs on the CPU, trainings slowly")
    if torch.version.cuda is None:
        told = f"{driver} is there, but torch {torch.__version__} is the build for CPUs"
        mend = (
            "pip install --force-reinstall torch torchvision"
            " --index-url https://download.pytorch.org/whl/cu128"
        )
    else:
        told = f"{driver} is there, but torch (CUDA {torch.version.cuda}) cannot use it"
        mend = "update the NVIDIA driver, or look at CUDA_VISIBLE_DEVICES"
    return Finding("gpu", name, "warning", told, mend)


def _driver() -> str:
    """Name the GPUs that the driver sees; empty where there are none."""
    program = shutil.which("nvidia-smi")
    if program is None:
        return ""
    call = [program, "--query-gpu=name", "--format=csv,noheader"]
    try:
        done = subprocess.run(call, capture_output=True, text=True, timeout=30, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return ", ".join(done.stdout.strip().splitlines()) if done.returncode == 0 else ""
