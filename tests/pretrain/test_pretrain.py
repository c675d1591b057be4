"""Pretraining: eq. (3), purity of batches, padding, and one line for what is wrong."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch

from c2rl.language import tokenizer as language
from c2rl.pretrain.batches import FrameBatches
from c2rl.pretrain.model import Pretrainer, objective
from c2rl.store.frames import FrameStore

ROOT = Path(__file__).parent.parent.parent
SIZES = {"channels": 8, "width": 16, "layers": 1, "heads": 2, "feedforward": 32, "dropout": 0.0}
LOSS = {
    "sharpness": 0.07,
    "directions": "sum",
    "dual_mix": 1.0,
    "duplicate_text": "ignore",
    "negatives": "global",
    "smoothing": 0.2,
    "lm_reduction": "token_mean",
}


def batches(world, **changes) -> FrameBatches:
    store = FrameStore(world.path("frames"))
    sentences = [row.clip.sentence for row in store.rows if row.clip.split == "train"]
    options = {"crop": 28, "keep": 0.25, "target_fps": None, "cap": None, "augment": "gfslt"}
    return FrameBatches(
        store, "train", language.build("corpus", 300, sentences), **options | changes,
        batch_size=6, seed=0,
    )  # fmt: skip


def model() -> Pretrainer:
    torch.manual_seed(0)
    return Pretrainer(vocabulary=300, weights="none", temperature=0.07, max_scale=100.0, **SIZES)


def test_the_loss_is_eq_3(world) -> None:
    batch, net = next(batches(world).inference()), model().eval()
    parts = objective(net, batch, alpha=2.0, beta=0.5, **LOSS)
    expected = 2.0 * parts["contrastive"] + 0.5 * parts["language"]
    torch.testing.assert_close(parts["loss"], expected)


def test_a_weight_of_zero_leaves_its_network_alone(world) -> None:
    batch, net = next(batches(world).inference()), model()
    objective(net, batch, alpha=0.0, beta=1.0, **LOSS)["loss"].backward()
    assert all(p.grad is None for p in net.text_encoder.parameters())
    assert all(p.grad is not None for p in net.text_decoder.parameters())


def test_frames_are_packed_and_none_is_padding(world) -> None:
    batch = next(batches(world).inference())
    assert len(batch.frames) == int(batch.mask.sum())


def test_an_epoch_is_a_pure_function_of_seed_and_epoch(world) -> None:
    first, again, other = (next(batches(world).epoch(e)) for e in (3, 3, 4))
    assert torch.equal(first.frames, again.frames)
    assert torch.equal(first.matrices, again.matrices)
    assert first.frames.shape != other.frames.shape or not torch.equal(first.frames, other.frames)


def test_batch_mates_do_not_change_the_losses_of_a_clip(world) -> None:
    net = model().eval()
    whole = next(batches(world).inference())
    features = net.encode_signs(whole)
    count = int(whole.mask[0].sum())
    alone = whole._replace(frames=whole.frames[:count], mask=whole.mask[:1, :count])
    torch.testing.assert_close(net.encode_signs(alone)[0], features[0, :count], atol=1e-5, rtol=0)


def test_the_scale_is_bounded() -> None:
    net = model()
    net.log_scale.data.fill_(20.0)
    assert net.scale.item() == 100.0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("lr: fast", "pretrain.lr: Input should be a valid number (got 'fast')"),
        ("lrr: 1.0", "pretrain.lrr: Extra inputs are not permitted (got 1.0)"),
    ],
)
def test_a_wrong_parameter_is_told_and_nothing_is_written(tmp_path, change, message) -> None:
    text = (ROOT / "params.yaml").read_text()
    start = text.index("pretrain:")
    line = next(x for x in text[start:].splitlines() if x.strip().startswith("lr:"))
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
