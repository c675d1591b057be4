"""Stage pretrain: one line for what is wrong, and nothing is written."""

import subprocess
import sys
from pathlib import Path

import pytest
from small import small_params

from c2rl import config
from c2rl.pretrain.run import pretrain

ROOT = Path(__file__).parent.parent.parent


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("lr: fast", "pretrain.lr: Input should be a valid number (got 'fast')"),
        ("lrr: 1.0", "pretrain.lrr: Extra inputs are not permitted (got 1.0)"),
        (
            "batch_size: 1",
            "pretrain.batch_size: Input should be greater than or equal to 2 (got 1)",
        ),
    ],
)
def test_a_wrong_parameter_is_told_and_nothing_is_written(tmp_path, change, message) -> None:
    text = (ROOT / "params.yaml").read_text()
    start = text.index("pretrain:\n")
    key = "batch_size:" if change.startswith("batch") else "lr:"
    line = next(x for x in text[start:].splitlines() if x.strip().startswith(key))
    (tmp_path / "params.yaml").write_text(
        text[:start] + text[start:].replace(line, f"  {change}", 1)
    )
    done = subprocess.run(
        [sys.executable, ROOT / "pipeline/pretrain.py", "frames", "encoder", "metrics.json"],
        cwd=tmp_path, capture_output=True, text=True, env={"PYTHONPATH": str(ROOT), "PATH": ""},
    )  # fmt: skip
    assert done.returncode == 1
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert [p.name for p in tmp_path.iterdir()] == ["params.yaml"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"pretrain": {"batch_size": 64}},
            "split train has 24 clips, fewer than pretrain.batch_size 64: lower it to 24 or less",
        ),
        ({"loss": {"alpha": 0, "beta": 0}}, "loss: alpha and beta are both 0"),
        ({"encoder": {"weights": "none.pth", "channels": 64}}, "none.pth does not exist"),
    ],
)
def test_what_cannot_be_trained_is_refused(world, tmp_path, changes, message) -> None:
    target = tmp_path / "encoder"
    with pytest.raises((ValueError, FileNotFoundError), match=message):
        pretrain(
            config.load(config.PretrainParams, small_params(tmp_path / "params.yaml", **changes)),
            frames=world.path("frames"),
            encoder=target,
            metrics=tmp_path / "m.json",
        )
    assert not target.exists()


def test_metrics_tell_the_losses_and_the_alignment(world) -> None:
    import json

    found = json.loads((world.folder / "metrics/pretrain.json").read_text())
    assert found["train"]["skipped"] == 0
    assert {"contrastive", "language", "recall", "alignment", "alignment_chance"} <= set(
        found["dev"]
    )
