"""`params.yaml` <-> types: one schema a stage, which holds exactly what DVC hashes for it.

`tests/test_architecture.py` proves that. What each key means stands in `c2rl/sections.py`.
"""

from pathlib import Path
from typing import Annotated, Any, TypeVar, get_args

from pydantic import Field, ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from c2rl.sections import (
    ContrastiveLoss,
    Crop,
    Encoder,
    Extract,
    Frames,
    Loss,
    Prepare,
    Pretrain,
    Report,
    Retrieve,
    SampledFrames,
    Section,
    StoredFrames,
    SynthSign,
    Tokenizer,
    Translate,
)


class PrepareParams(Section):
    """What stage `prepare` may read."""

    dataset: str
    synthsign: SynthSign
    prepare: Prepare
    crop: Crop
    frames: StoredFrames


class PretrainParams(Section):
    """What stage `pretrain` may read."""

    seed: Annotated[int, Field(ge=0)]
    frames: SampledFrames
    tokenizer: Tokenizer
    encoder: Encoder
    loss: Loss
    pretrain: Pretrain


class ExtractParams(Section):
    """What stage `extract` may read: the encoder itself remembers the rest."""

    extract: Extract


class TranslateParams(Section):
    """What stage `translate` may read."""

    seed: Annotated[int, Field(ge=0)]
    tokenizer: Tokenizer
    translate: Translate


class RetrieveParams(Section):
    """What stage `retrieve` may read."""

    seed: Annotated[int, Field(ge=0)]
    tokenizer: Tokenizer
    loss: ContrastiveLoss
    retrieve: Retrieve


class ReportParams(Section):
    """What stage `report` may read."""

    report: Report


class Params(Section):
    """All of `params.yaml`, in the order of the pipeline."""

    dataset: str
    """A module of `c2rl/corpora`."""
    seed: Annotated[int, Field(ge=0)]
    """Of pretrain, translate and retrieve."""
    synthsign: SynthSign
    prepare: Prepare
    crop: Crop
    frames: Frames
    tokenizer: Tokenizer
    encoder: Encoder
    loss: Loss
    pretrain: Pretrain
    extract: Extract
    translate: Translate
    retrieve: Retrieve
    report: Report


Stage = TypeVar("Stage", bound=Section)


def load(schema: type[Stage], path: Path = Path("params.yaml")) -> Stage:
    """Read and check the whole file, then hand out what one stage may see.

    Args:
        schema: A stage's schema, or `Params` for everything.
        path: A YAML 1.2 file, so that `2e-05` is a number.

    Returns:
        The stage's parameters, frozen.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If anything in it is wrong; the message lists every wrong key at once.
    """
    content = read_yaml(path)
    try:
        whole = check(content)
    except ValueError as error:
        raise ValueError(f"{path} is not valid:\n{error}") from None
    return schema.model_validate(_narrow(schema, whole.model_dump()))


def read_yaml(path: Path) -> Any:
    """Read a YAML 1.2 file.

    Args:
        path: The file.

    Returns:
        What it holds.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is not YAML, or has a key twice; one line.
    """
    if not path.is_file():
        raise FileNotFoundError(f"{path} is missing. Run this in the project's folder.")
    try:
        return YAML(typ="safe", pure=True).load(path)
    except YAMLError as error:
        raise ValueError(f"{path} is not YAML: {' '.join(str(error).split())}") from None


def check(content: Any) -> Params:
    """Check all parameters.

    Args:
        content: Of params.yaml.

    Returns:
        The same, typed and frozen.

    Raises:
        ValueError: If anything is wrong; the message has a line for each wrong key.
    """
    try:
        return Params.model_validate(content)
    except ValidationError as error:
        raise ValueError(_explain(error)) from None


def _explain(error: ValidationError) -> str:
    lines = []
    for problem in error.errors():
        where = ".".join(str(part) for part in problem["loc"]) or "file"
        got = "" if isinstance(problem["input"], dict | None) else f" (got {problem['input']!r})"
        lines.append(f"  {where}: {problem['msg'].removeprefix('Value error, ')}{got}")
    return "\n".join(lines)


def _narrow(schema: type[Section], values: dict[str, Any]) -> dict[str, Any]:
    kept = {}
    for name, field in schema.model_fields.items():
        kind = field.annotation
        inner = isinstance(kind, type) and issubclass(kind, Section)
        kept[name] = _narrow(kind, values[name]) if inner else values[name]  # type: ignore[arg-type]
    return kept


def leaves(schema: type[Section], prefix: str = "") -> set[str]:
    """List a schema's parameters by their dotted names.

    Args:
        schema: Any section.
        prefix: Dotted name of the section itself.

    Returns:
        For instance {"dataset", "frames.size"}.
    """
    found = set()
    for name, field in schema.model_fields.items():
        sections = [
            kind
            for kind in (field.annotation, *get_args(field.annotation))
            if isinstance(kind, type) and issubclass(kind, Section)
        ]
        found |= leaves(sections[0], f"{prefix}{name}.") if sections else {prefix + name}
    return found
