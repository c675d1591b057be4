"""Loss and gradients of 64 ragged clips, in float64, as this process or several compute them.

python tests/sixty_four.py FILE MICRO_BATCH ROOM      (C2RL_DEVICES processes)
"""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from c2rl.objectives.contrastive import info_nce
from c2rl.objectives.packed import clcl_packed
from c2rl.objectives.similarity import Similarity
from c2rl.training import distributed, launch
from c2rl.training.batching import Whole, share
from c2rl.training.gradient_cache import Embedded, Losses, RunningStatistics, backward

CLIPS, WIDTH = 64, 6
FRAMES = [1 + i * 7 % 11 for i in range(CLIPS)]
TOKENS = [1 + i * 5 % 8 for i in range(CLIPS)]


def rows(lengths: list[int], clip: int, offset: float) -> Tensor:
    size = lengths[clip] * WIDTH
    values = torch.arange(size, dtype=torch.float64) * 1.7 + 13.1 * clip + offset
    return torch.sin(values).reshape(-1, WIDTH)


class Clips(NamedTuple):
    """A micro-batch; frames and tokens are packed."""

    ids: list[str]
    frames: Tensor
    tokens: Tensor
    mask: Tensor


def batch(numbers: list[int]) -> Clips:
    frames = torch.cat([rows(FRAMES, n, 0.0) for n in numbers])
    tokens = torch.cat([rows(TOKENS, n, 5.0) for n in numbers])
    return Clips([str(n) for n in numbers], frames, tokens, torch.ones(len(frames), 1))


class Towers(nn.Module):
    """Signs, text, and the temperature between them."""

    def __init__(self) -> None:
        super().__init__()
        grid = torch.arange(WIDTH * WIDTH, dtype=torch.float64).reshape(WIDTH, WIDTH)
        self.signs = nn.Parameter(torch.cos(grid))
        self.text = nn.Parameter(torch.sin(grid * 2))
        self.log_scale = nn.Parameter(torch.tensor(2.0, dtype=torch.float64))


def losses(net: Towers, whole: Whole) -> Losses[Clips]:
    def embed(clips: Clips) -> Embedded:
        return (clips.frames @ net.signs).tanh(), (clips.tokens @ net.text).tanh()

    def joint(embedded: list[Embedded]) -> Tensor:
        signs, text = (torch.cat(parts) for parts in zip(*embedded, strict=True))
        text = distributed.gather(text, whole.of_rank(whole.token_lengths))
        strips = clcl_packed(signs, whole.own(whole.feature_lengths), text, whole.token_lengths)
        similarity = Similarity(*(distributed.gather(z, whole.shares) for z in strips))
        ids = whole.sentence_ids
        return info_nce(similarity, net.log_scale.exp(), sentence_ids=ids) / distributed.size()

    def own(clips: Clips, embedded: Embedded) -> Tensor:
        return embedded[0].square().sum() / CLIPS

    return Losses(embed, joint, own, (0.7, 0.3))


def micro_batches(size: int) -> Iterator[list[int]]:
    """Consecutive, so that the order of the batch is the same for every size."""
    return (list(range(a, min(a + size, CLIPS))) for a in range(0, CLIPS, size))


def work(file: Path, size: int, room: float) -> None:
    own, whole = share(list(micro_batches(size)), FRAMES, TOKENS, range(CLIPS))
    net = Towers()
    found = backward(
        [batch(numbers) for numbers in own],
        losses(net, whole),
        room=room,
        statistics=RunningStatistics(net),
        seed=(0, 0),
        first=whole.first_micro_batch,
    )
    distributed.sum_gradients(net)
    loss = distributed.total([float(found.joint), float(found.own)])
    if distributed.is_first():
        gradients = {n: p.grad for n, p in net.named_parameters() if p.grad is not None}
        save_file({**gradients, "loss": torch.tensor(loss, dtype=torch.float64)}, file)


if __name__ == "__main__":
    launch.run(work, Path(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]))
