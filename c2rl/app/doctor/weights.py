"""Which pretrained weights are at hand; nothing is downloaded. Runs in a worker."""

import os
from collections.abc import Callable
from pathlib import Path

from c2rl.app.doctor.findings import Finding


def _imagenet() -> str:
    from c2rl.nn import sign_encoder

    sign_encoder.resnet18(64, "imagenet")
    return "loads"


def _detector() -> str:
    from c2rl.video import detect

    return str(detect.find(detect.TORCHVISION))


def _hub(name: str) -> str:
    from c2rl.language import hub

    return str(hub.find(name, weights=True))


_KNOWN: dict[str, tuple[Callable[[], str | Path], str]] = {
    "encoder.weights imagenet": (
        _imagenet,
        "python -c \"import torchvision; torchvision.models.resnet18(weights='IMAGENET1K_V1')\"",
    ),
    "crop.weights torchvision": (
        _detector,
        'python -c "from torchvision.models import detection;'
        " detection.fasterrcnn_resnet50_fpn_v2(weights='DEFAULT')\"",
    ),
    "translate.weights facebook/mbart-large-cc25": (
        lambda: _hub("facebook/mbart-large-cc25"),
        "hf download facebook/mbart-large-cc25",
    ),
}
"""Those of `pipeline/presets/paper.yaml`: how to find them, and the command that fetches them."""

NAMES = tuple(_KNOWN)


def attempt(name: str) -> Finding:
    """Look for weights.

    Args:
        name: One of `NAMES`.

    Returns:
        Where they are; what fetches them where they are not.
    """
    os.environ["HF_HUB_OFFLINE"] = "1"  # every one of these would be fetched otherwise
    find, fetch = _KNOWN[name]
    try:
        return Finding("weights", name, "ok", str(find()))
    except FileNotFoundError:
        return Finding("weights", name, "note", "not here; the preset paper needs them", fetch)
