"""Where the page comes from: fingerprints, parameters, library versions."""

from typing import Any

from c2rl.provenance import Meta
from c2rl.report.tables import ABSENT, Table

PARENTS = ("frames", "encoder", "features")
"""Artefacts that others are made from."""

KEY_PARAMETERS = {
    "frames": ("frames.size", "frames.codec", "synthsign.size", "synthsign.language"),
    "encoder": (
        "frames.crop", "frames.keep", "encoder.width", "loss.alpha", "loss.beta",
        "pretrain.epochs", "pretrain.batch_size", "pretrain.optimizer", "pretrain.lr", "seed",
    ),
    "translator": (
        "translate.backbone", "translate.epochs", "translate.batch_size", "translate.lr",
        "translate.beams", "seed",
    ),
    "retriever": (
        "retrieve.backbone", "retrieve.epochs", "retrieve.batch_size", "retrieve.lr",
        "retrieve.mix", "seed",
    ),
}  # fmt: skip


def origins(metas: dict[str, Meta]) -> Table:
    """Show what the page was made from.

    Args:
        metas: Artefact's name to its meta data.

    Returns:
        One row an artefact, with its key parameters.
    """
    rows = []
    for name, meta in metas.items():
        parents = [f"{k} {v}" for k in PARENTS if isinstance(v := meta.made_from.get(k), str)]
        known = flat(meta.made_from)
        chosen = [f"{key} = {known[key]}" for key in KEY_PARAMETERS[name] if key in known]
        rows.append(
            [name, meta.fingerprint, ", ".join(parents) or ABSENT, ", ".join(chosen) or ABSENT]
        )
    return Table(
        "Fingerprints and key parameters",
        ["Artefact", "Fingerprint", "Made from", "Key parameters"],
        rows,
        texts=4,
    )


def parameters(metas: dict[str, Meta]) -> list[Table]:
    """Show every parameter of every artefact.

    Args:
        metas: Artefact's name to its meta data.

    Returns:
        One table an artefact.
    """
    return [
        Table(name, ["Parameter", "Value"], [[k, v] for k, v in flat(meta.made_from).items()], 2)
        for name, meta in metas.items()
    ]


def flat(value: dict[str, Any], prefix: str = "") -> dict[str, str]:
    """Spread nested parameters.

    Args:
        value: What an artefact was made from.
        prefix: Dotted name of the dictionary itself.

    Returns:
        Dotted name to text; `params.` is left out.

    Example:
        >>> flat({"params": {"loss": {"alpha": 1.0}}})
        {'loss.alpha': '1.0'}
    """
    found: dict[str, str] = {}
    for key, inner in value.items():
        if isinstance(inner, dict):
            found |= flat(inner, prefix if key == "params" else f"{prefix}{key}.")
        else:
            found[prefix + key] = "none" if inner is None else str(inner)
    return found


def versions(metas: dict[str, Meta]) -> Table:
    """Show the libraries that each artefact was made with.

    Args:
        metas: Artefact's name to its meta data.

    Returns:
        One row a library.
    """
    libraries = sorted({name for meta in metas.values() for name in meta.versions})
    rows = [[n, *(meta.versions.get(n, ABSENT) for meta in metas.values())] for n in libraries]
    return Table("Library versions", ["Library", *metas], rows, texts=1 + len(metas))
