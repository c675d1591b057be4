"""Find a corpus by its name. There is no registry: a data set's name is its module's name."""

import importlib
import pkgutil
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple, cast

from c2rl.corpora.clip import Annotations, Choice, Facts

_NO_CORPUS = ("clip", "files", "find", "labels", "unpickle")


class Corpus(NamedTuple):
    """A corpus module's two names, typed."""

    name: str
    facts: Facts
    read: Callable[[Path, Choice], Annotations]


def names() -> list[str]:
    """List the data sets this version can read.

    Returns:
        Sorted module names; each is a valid value of the parameter `dataset`.
    """
    package = importlib.import_module("c2rl.corpora")
    return sorted(
        m.name for m in pkgutil.iter_modules(package.__path__) if m.name not in _NO_CORPUS
    )


def corpus(name: str) -> Corpus:
    """Find the corpus of that name.

    Args:
        name: Value of the parameter `dataset`.

    Returns:
        Its facts and its reader.

    Raises:
        ValueError: If there is no such corpus; the message lists the known ones.
    """
    if name not in names():
        raise ValueError(f"corpus '{name}' is unknown. Known: {', '.join(names())}.")
    module = importlib.import_module(f"c2rl.corpora.{name}")
    read = cast("Callable[[Path, Choice], Annotations]", module.read)
    return Corpus(name, cast("Facts", module.FACTS), read)
