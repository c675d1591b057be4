"""Several processes that train as one: their shares add up to what one process computes.

One rule holds everywhere: each process computes its share of the loss, and the loss is the sum of
the shares. So gradients are summed, never averaged.
"""

import os
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any, Literal, TypeVar

import numpy as np
import torch
import torch.distributed as dist
from torch import Tensor, nn

Item = TypeVar("Item")
Nested = TypeVar("Nested")


def rank() -> int:
    """Number this process, from 0; the first one writes and speaks."""
    return dist.get_rank() if dist.is_initialized() else 0


def size() -> int:
    """Count the processes of this training."""
    return dist.get_world_size() if dist.is_initialized() else 1


def is_first() -> bool:
    """Tell whether this process writes and speaks."""
    return rank() == 0


def device() -> torch.device:
    """Choose this process's device: a GPU of its own, or the CPU."""
    if not torch.cuda.is_available() or os.environ.get("C2RL_DEVICE") == "cpu":
        return torch.device("cpu")
    return torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))


def to_device(value: Nested) -> Nested:
    """Send the tensors of a record to this process's device, without waiting for it.

    Args:
        value: A tensor, or a NamedTuple of tensors, of other records and of anything else.

    Returns:
        The same on the device; from pinned memory, so that the copy runs beside the computing.
    """
    where = device()
    if where.type == "cpu":
        return value
    if isinstance(value, Tensor):
        return value.pin_memory().to(where, non_blocking=True)  # type: ignore[return-value]
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return type(value)(*map(to_device, value))
    return value


def autocast(precision: Literal["float32", "bfloat16"]) -> torch.autocast:
    """Run networks in the precision of training.

    Args:
        precision: `bfloat16` computes matrix products and convolutions in it; weights stay float32.

    Returns:
        A context for the way forward.
    """
    return torch.autocast(device().type, torch.bfloat16, enabled=precision == "bfloat16")


def deal(items: Sequence[Item]) -> list[list[Item]]:
    """Cut a list into consecutive shares, one a process, as equal as can be.

    Args:
        items: In an order that all processes agree on.

    Returns:
        The share of each process; none is empty unless there are fewer items than processes.
    """
    ends = np.linspace(0, len(items), size() + 1).round().astype(int).tolist()
    return [list(items[a:b]) for a, b in pairwise(ends)]


class _Gather(torch.autograd.Function):
    """Concatenation over processes; its adjoint is the sum over processes of the own rows."""

    @staticmethod
    def forward(ctx: Any, own: Tensor, counts: list[int]) -> Tensor:
        ctx.start = sum(counts[: rank()])
        ctx.stop = ctx.start + counts[rank()]
        whole = own.new_zeros(sum(counts), *own.shape[1:])
        whole[ctx.start : ctx.stop] = own
        dist.all_reduce(whole)  # the others' rows are zero here, so nothing is rounded
        return whole

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None]:
        whole = grads[0].clone(memory_format=torch.contiguous_format)
        dist.all_reduce(whole)
        return whole[ctx.start : ctx.stop], None


def gather(own: Tensor, counts: Sequence[int]) -> Tensor:
    """Concatenate every process's rows, with true gradients.

    Args:
        own: (rows of this process, ...) float.
        counts: Rows of each process.

    Returns:
        (all rows, ...) float, the same in every process.
    """
    if size() == 1:
        return own
    gathered: Tensor = _Gather.apply(own, list(counts))
    return gathered


def total(values: Sequence[float]) -> list[float]:
    """Add numbers up over all processes.

    Args:
        values: As many in each process.

    Returns:
        The sums, the same in every process.
    """
    if size() == 1:
        return list(values)
    summed = torch.tensor(values, dtype=torch.float64, device=device())
    dist.all_reduce(summed)
    return [float(value) for value in summed.tolist()]


def sum_gradients(model: nn.Module) -> None:
    """Add every parameter's gradient up over all processes, once a step, in one message.

    Args:
        model: After the backward passes of all micro-batches. A parameter that no process has a
            gradient for keeps none.
    """
    if size() == 1:
        return
    parameters = [p for p in model.parameters() if p.requires_grad]
    used = total([float(p.grad is not None) for p in parameters])
    present = [p for p, count in zip(parameters, used, strict=True) if count]
    for parameter in present:
        if parameter.grad is None:
            parameter.grad = torch.zeros_like(parameter)
    if not present:
        return
    grads = [p.grad for p in present if p.grad is not None]
    flat = torch.cat([g.reshape(-1) for g in grads])
    dist.all_reduce(flat)
    for grad, part in zip(grads, torch.split(flat, [g.numel() for g in grads]), strict=True):
        grad.copy_(part.view_as(grad))  # in place: the layout in memory stays the parameter's


def sum_tensors(tensors: Sequence[Tensor]) -> None:
    """Add tensors up over all processes, in place.

    Args:
        tensors: Of the same shapes in each process.
    """
    if size() == 1 or not tensors:
        return
    flat = torch.cat([t.reshape(-1) for t in tensors])
    dist.all_reduce(flat)
    for tensor, part in zip(tensors, torch.split(flat, [t.numel() for t in tensors]), strict=True):
        tensor.copy_(part.view_as(tensor))


def as_first_says(value: Item) -> Item:
    """Give what the first process has.

    Args:
        value: Anything that can be sent; the others' is dropped.

    Returns:
        The first process's value in every process.
    """
    if size() == 1:
        return value
    box = [value]
    dist.broadcast_object_list(box, src=0, device=device())
    return box[0]


def synchronise_batch_norm(model: nn.Module) -> None:
    """Let batch norms take their statistics over all processes (SyncBN), where there are several.

    Args:
        model: Changed in place.

    Raises:
        ValueError: On CPUs, where torch has no such layer.
    """
    if size() == 1:
        return
    if device().type == "cpu":
        raise ValueError(
            "pretrain.batch_norm global over several processes needs GPUs (torch's SyncBatchNorm):"
            " set it to a number of clips, or C2RL_DEVICES to 1"
        )
    for name, child in model.named_children():
        convert: Callable[[nn.Module], nn.Module] = nn.SyncBatchNorm.convert_sync_batchnorm
        setattr(model, name, convert(child))
