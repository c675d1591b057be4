"""Weights on disk: safetensors, strict about names and shapes."""

from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

Weights = dict[str, Tensor]


def copy_weights(model: nn.Module) -> Weights:
    """Copy a model's weights to memory that training does not change.

    Args:
        model: Any module.

    Returns:
        Name to tensor, on the CPU.
    """
    return {k: v.detach().cpu().clone().contiguous() for k, v in model.state_dict().items()}


def save_weights(file: Path, weights: Weights) -> None:
    """Write weights.

    Args:
        file: Ends in .safetensors; lies inside an artefact that is being built.
        weights: Name to tensor.
    """
    save_file(weights, file)


def load_weights(file: Path) -> Weights:
    """Read weights.

    Args:
        file: Written by `save_weights`.

    Returns:
        Name to tensor, on the CPU.

    Raises:
        ValueError: If the file is no safetensors file.
    """
    try:
        return load_file(file)
    except (SafetensorError, OSError) as error:
        raise ValueError(f"{file} is not a readable safetensors file: {error}") from None


def fill(model: nn.Module, weights: Weights, *, prefix: str = "", source: Path | str = "") -> None:
    """Put weights into a model; every name must fit.

    Args:
        model: Built with the configuration that was saved beside the weights.
        weights: Name to tensor.
        prefix: Only names that begin so are taken, without it.
        source: Where the weights come from, for the message.

    Raises:
        ValueError: If a name is missing or too many, or a shape differs.
    """
    own = {k.removeprefix(prefix): v for k, v in weights.items() if k.startswith(prefix)}
    try:
        model.load_state_dict(own, strict=True)
    except RuntimeError as error:
        detail = " ".join(str(error).split())[:300]
        raise ValueError(
            f"the weights of {source} do not fit their configuration: {detail}"
        ) from None
