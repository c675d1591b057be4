"""Gradients of a loss over a large batch, one micro-batch at a time (gradient cache).

A contrastive loss compares all clips of a batch, so it cannot be summed over micro-batches as a
language-model loss can. But it needs the clips' embeddings alone: once those of all micro-batches
are there, its gradient for each embedding is known, and each micro-batch can be run through the
networks and back by itself. Micro-batches whose graphs fit into memory are kept from the first run,
the others are run a second time; the gradients are the same.

Source: gradient caching, Gao et al., 2021 (arXiv 2101.06983).
"""

from collections.abc import Callable, Sequence
from typing import Generic, NamedTuple, Protocol, TypeVar

import torch
from torch import Tensor, nn

from c2rl.provenance import fingerprint
from c2rl.training import distributed

Embedded = tuple[Tensor, ...]


class Batch(Protocol):
    """What training must know of a micro-batch, whatever it holds."""

    @property
    def ids(self) -> list[str]:
        """Clips' ids."""
        ...

    @property
    def mask(self) -> Tensor:
        """(B, T) bool, True where a feature row is real."""
        ...


MicroBatch = TypeVar("MicroBatch", bound=Batch)


class Share(NamedTuple):
    """This process's shares of the losses of a batch, without gradients."""

    joint: Tensor
    """() float: of the loss over the whole batch."""
    own: Tensor
    """() float: sum of the losses of the micro-batches alone."""


class RunningStatistics:
    """Lets batch norm's running statistics take one step a batch, whatever its micro-batches.

    Each micro-batch moves them from where they stood before the batch; their mean over the
    micro-batches of all processes is where they stand after it.
    """

    def __init__(self, model: nn.Module) -> None:
        """Find the batch norms of a model, and remember where they stand."""
        norms = [m for m in model.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)]
        self._places = [(norm, n) for norm in norms for n in ("running_mean", "running_var")]
        self._before = [norm.get_buffer(name).clone() for norm, name in self._places]
        self._counts = [(norm, norm.get_buffer("num_batches_tracked").clone()) for norm in norms]
        self._sums = [torch.zeros_like(before) for before in self._before]
        self._seen: set[int] = set()

    def rewind(self) -> None:
        """Go back to where the statistics stood before the batch."""
        self._put([before.clone() for before in self._before], 0)

    def _put(self, values: list[Tensor], batches: int) -> None:
        # Other tensors, not other values: graphs on their way back still need the old ones.
        for (norm, name), value in zip(self._places, values, strict=True):
            norm.register_buffer(name, value)
        for norm, count in self._counts:
            norm.register_buffer("num_batches_tracked", count + batches)

    def collect(self, number: int) -> None:
        """Count what a micro-batch has made of them; a second run of it counts no more."""
        if number not in self._seen:
            self._seen.add(number)
            for total, (norm, name) in zip(self._sums, self._places, strict=True):
                total += norm.get_buffer(name)

    def commit(self) -> None:
        """Move on to the mean over the micro-batches of all processes."""
        distributed.sum_tensors(self._sums)
        seen = int(distributed.total([len(self._seen)])[0])
        self._put([total / seen for total in self._sums], 1)


def seeded(*key: int | str) -> None:
    """Make what is drawn next (dropout) a pure function of the key.

    Args:
        key: Seed, step, number of the micro-batch in its batch, and what is run.
    """
    torch.manual_seed(int(fingerprint(key), 16) % 2**63)


class Losses(NamedTuple, Generic[MicroBatch]):
    """What a step minimises: weights[0] * joint + weights[1] * own."""

    embed: Callable[[MicroBatch], Embedded]
    """Runs the networks up to what the joint loss compares."""
    joint: Callable[[list[Embedded]], Tensor] | None
    """This process's share of the loss over the embeddings of the whole batch; every process calls
    it once, with the detached embeddings of its micro-batches. None: there is no such loss."""
    own: Callable[[MicroBatch, Embedded], Tensor] | None
    """A micro-batch's share of the other loss, given its embeddings. None: there is none."""
    weights: tuple[float, float]


def backward(
    micro_batches: Sequence[MicroBatch],
    losses: Losses[MicroBatch],
    *,
    room: float,
    statistics: RunningStatistics,
    seed: tuple[int, int],
    first: int,
) -> Share:
    """Add the gradients of a batch to the parameters'.

    Args:
        micro_batches: This process's share of the batch, at least one.
        losses: What is minimised.
        room: Feature rows whose graphs may be held at once; micro-batches beyond are run twice.
        statistics: Of the model's batch norms.
        seed: Seed and step; with them and its number a micro-batch draws the same dropout in
            whichever process and however often it is run.
        first: Number of the first of these micro-batches in the batch.

    Returns:
        The unweighted losses.
    """

    def embed(number: int, *, keep: bool) -> Embedded:
        statistics.rewind()
        seeded(*seed, first + number, "embed")
        with torch.set_grad_enabled(keep):
            # bfloat16 is for networks; what is compared, and its gradient, is at least float32.
            found = tuple(
                t.to(torch.promote_types(t.dtype, torch.float32))
                for t in losses.embed(micro_batches[number])
            )
        statistics.collect(first + number)
        return found

    def back(number: int, embedded: Embedded, grads: Sequence[Tensor | None]) -> Tensor:
        seeded(*seed, first + number, "own")
        ends = [(t, g) for t, g in zip(embedded, grads, strict=True) if g is not None]
        own = embedded[0].new_zeros(())
        if losses.own is not None:
            own = losses.own(micro_batches[number], embedded)
            ends.append((own, torch.full_like(own, losses.weights[1])))
        torch.autograd.backward([t for t, _ in ends], [g for _, g in ends])
        return own.detach()

    numbers = range(len(micro_batches))
    if losses.joint is None:  # nothing compares micro-batches: each graph is used up at once
        shares = [back(n, e := embed(n, keep=True), [None] * len(e)) for n in numbers]
        return Share(shares[0].new_zeros(()), torch.stack(shares).sum())
    held: list[Embedded | None] = []
    leaves: list[Embedded] = []
    taken = 0
    for number in numbers:
        taken += micro_batches[number].mask.numel()
        found = embed(number, keep=taken <= room)
        held.append(found if taken <= room else None)
        leaves.append(tuple(t.detach().requires_grad_() for t in found))
    joint = losses.joint(leaves)
    (joint * losses.weights[0]).backward()  # type: ignore[no-untyped-call]
    shares = []
    for number in numbers:
        graph = held[number] or embed(number, keep=True)
        held[number] = None
        shares.append(back(number, graph, [leaf.grad for leaf in leaves[number]]))
    return Share(joint.detach(), torch.stack(shares).sum())
