"""A small training with dropout, batch norm, a joint and an own loss, run by the real fit().

Run as a script it trains in `folder`, prints the SHA-256 of the final weights, and may be killed:

    python tests/tiny_training.py FOLDER [kill|term] [STEP]
"""

import hashlib
import os
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from c2rl.training import distributed, launch, optim
from c2rl.training.batching import Step, cut, plan, share
from c2rl.training.gradient_cache import Embedded, Losses
from c2rl.training.loop import Fitted, Task, fit

CLIPS, STEPS, EPOCHS = 24, 3, 4
X = torch.sin(torch.arange(CLIPS * 6.0)).reshape(CLIPS, 6)
Y = X[:, :3] @ torch.tensor([[2.0], [-1.0], [0.5]])


class Rows(NamedTuple):
    """A micro-batch."""

    ids: list[str]
    x: Tensor
    y: Tensor
    mask: Tensor


class Net(nn.Module):
    """Two towers that are compared, and a regression.

    No bias that a norm or a softmax cancels: its gradient is rounding, which Adam makes large.
    """

    def __init__(self) -> None:
        super().__init__()
        self.left = nn.Sequential(nn.Linear(3, 8, bias=False), nn.BatchNorm1d(8), nn.Dropout(0.3))
        self.right, self.head = nn.Linear(3, 8, bias=False), nn.Linear(8, 1)


def network() -> Net:
    torch.manual_seed(0)
    return Net()


def batches(epoch: int, start: int) -> Iterator[Step[Rows]]:
    lengths = [1] * CLIPS
    for batch in plan(CLIPS, CLIPS // STEPS, seed=0, epoch=epoch)[start:]:
        own, whole = share(cut(batch, lengths, 4), lengths, lengths, range(CLIPS))
        micro = [Rows([f"clip{i}" for i in m], X[m], Y[m], torch.ones(len(m), 1)) for m in own]
        yield Step(micro, whole)


def losses(net: Net) -> Callable[..., Losses[Rows]]:
    def of(whole) -> Losses[Rows]:
        def embed(batch: Rows) -> Embedded:
            return net.left(batch.x[:, :3]), net.right(batch.x[:, 3:])

        def joint(embedded: list[Embedded]) -> Tensor:
            left, right = (torch.cat(parts) for parts in zip(*embedded, strict=True))
            strip = left @ distributed.gather(right, whole.shares).T
            table = distributed.gather(strip, whole.shares)
            return F.cross_entropy(table, torch.arange(len(table))) / distributed.size()

        def own(batch: Rows, embedded: Embedded) -> Tensor:
            return ((net.head(embedded[0]) - batch.y) ** 2).sum() / len(whole.token_lengths)

        return Losses(embed, joint, own, (0.5, 1.0))

    return of


def train(folder: Path, *, before_step: Callable[[int], None] = lambda n: None) -> Fitted:
    folder.mkdir(parents=True, exist_ok=True)
    net = network()

    def watched(epoch: int, start: int) -> Iterator[Step[Rows]]:
        for number, step in enumerate(batches(epoch, start), start):
            before_step(epoch * STEPS + number)
            yield step

    task = Task(
        net,
        watched,
        STEPS,
        losses(net),
        ("contrastive", "regression"),
        evaluate=lambda: {"error": float(((net.head(net.left(X[:, :3])) - Y) ** 2).mean())},
        better=("error", "min"),
    )
    groups = optim.parameter_groups(net, lr=0.05, weight_decay=0.01)
    return fit(
        task,
        optimizer=optim.build("adamw", groups, momentum=0.9, nesterov=False),
        epochs=EPOCHS,
        warmup=0.1,
        clip_norm=1.0,
        evaluate_every=1,
        precision="float32",
        seed=0,
        folder=folder,
    )


def sha256(fitted: Fitted) -> str:
    whole = hashlib.sha256()
    for name, tensor in sorted(fitted.last.items()):
        whole.update(name.encode() + tensor.numpy().tobytes())
    return whole.hexdigest()


def work(folder: Path, how: str, at: int) -> None:
    def hit(number: int) -> None:
        if how and number == at:
            os.kill(os.getpid(), signal.SIGKILL if how == "kill" else signal.SIGTERM)

    fitted = train(folder, before_step=hit)
    if distributed.is_first():
        print(sha256(fitted), fitted.history[-1]["loss"])


if __name__ == "__main__":
    torch.set_num_threads(1)
    how, at = (sys.argv[2], int(sys.argv[3])) if len(sys.argv) > 2 else ("", -1)
    launch.run(work, Path(sys.argv[1]), how, at)
