"""What the pipeline has made in the project's folder: defaults of the commands that use it."""

from pathlib import Path
from typing import Literal


def dataset() -> str:
    """Give the corpus that params.yaml names.

    Raises:
        FileNotFoundError: If there is no params.yaml here.
        ValueError: If it names none.
    """
    from c2rl import config

    content = config.read_yaml(Path("params.yaml"))
    name = content.get("dataset") if isinstance(content, dict) else None
    if not isinstance(name, str):
        raise ValueError("params.yaml names no dataset. `c2rl params check` tells what is wrong.")
    return name


def model(kind: Literal["encoder", "translator", "retriever"]) -> Path:
    """Give the folder of the model that the pipeline makes here.

    Args:
        kind: Which of them.

    Returns:
        Its folder, whether or not it is there.

    Raises:
        FileNotFoundError: If this is no project's folder.
        ValueError: If params.yaml names no dataset.
    """
    try:
        return Path("data", f"{kind}s", dataset())
    except FileNotFoundError:
        raise FileNotFoundError(
            f"params.yaml is missing in {Path.cwd()}, so the {kind} is not known. Give --{kind}, or"
            " run this in the project's folder."
        ) from None
