"""1 x 64, 8 x 8 gathered over processes, and 64 by gradient cache are one and the same."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import sixty_four
import torch
from safetensors.torch import load_file
from torch import Tensor

from c2rl.objectives.contrastive import info_nce
from c2rl.objectives.similarity import clcl
from c2rl.training.gradient_cache import RunningStatistics

ROOT = Path(__file__).parent.parent.parent


def found(file: Path, size: int, room: float, processes: int = 1) -> dict[str, Tensor]:
    if processes == 1:
        sixty_four.work(file, size, room)
        return load_file(file)
    paths = f"{ROOT}:{ROOT / 'tests'}"
    env = {**os.environ, "PYTHONPATH": paths, "C2RL_DEVICES": str(processes)}
    script = ROOT / "tests/sixty_four.py"
    done = subprocess.run(
        [sys.executable, script, file, str(size), str(room)],
        env={**env, "OMP_NUM_THREADS": "1"}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return load_file(file)


@pytest.fixture(scope="module")
def plain() -> dict[str, Tensor]:
    """The padded form on the whole batch, by autograd alone."""
    net = sixty_four.Towers()
    clips = sixty_four.batch(list(range(64)))

    def padded(packed: Tensor, lengths: list[int]) -> tuple[Tensor, Tensor]:
        mask = torch.arange(max(lengths)) < torch.tensor(lengths)[:, None]
        spread = packed.new_zeros(*mask.shape, packed.shape[1])
        return spread.masked_scatter(mask[..., None], packed), mask

    signs = (clips.frames @ net.signs).tanh()
    text = (clips.tokens @ net.text).tanh()
    similarity = clcl(*padded(signs, sixty_four.FRAMES), *padded(text, sixty_four.TOKENS))
    joint = info_nce(similarity, net.log_scale.exp(), sentence_ids=torch.arange(64))
    own = signs.square().sum() / 64
    (0.7 * joint + 0.3 * own).backward()
    gradients = {n: p.grad for n, p in net.named_parameters() if p.grad is not None}
    return {**gradients, "loss": torch.stack([joint, own]).detach()}


@pytest.mark.parametrize(
    ("size", "room", "processes"),
    [
        (64, 1e9, 1),
        (8, 1e9, 1),
        (8, 0, 1),
        (8, 100, 1),
        (5, 0, 1),
        (8, 0, 2),
        pytest.param(8, 1e9, 8, marks=pytest.mark.processes),
    ],
    ids=["1x64", "8 kept", "8 cached", "some cached", "uneven", "2 processes", "8x8 gathered"],
)
def test_loss_and_gradients_do_not_depend_on_how_a_batch_is_computed(
    plain, tmp_path: Path, size: int, room: float, processes: int
) -> None:
    got = found(tmp_path / "found", size, room, processes)
    assert got.keys() == plain.keys()
    for name, tensor in plain.items():
        torch.testing.assert_close(got[name], tensor, rtol=1e-10, atol=1e-12, msg=name)


def test_statistics_can_be_taken_back() -> None:
    norm = torch.nn.BatchNorm1d(2)
    norm(torch.arange(8.0).reshape(4, 2))
    before = norm.running_mean.clone()
    statistics = RunningStatistics(norm)
    norm(torch.full((4, 2), 50.0))
    statistics.rewind()
    assert torch.equal(norm.running_mean, before)
    assert int(norm.num_batches_tracked) == 1
