"""Stands where `pip` stands in a page: what it is told to install is what the project has."""

import sys
import tomllib
from pathlib import Path


def check(verb: str, *rest: str) -> None:
    """Refuse what the project here could not install."""
    assert verb == "install", verb
    content = tomllib.loads(Path("pyproject.toml").read_text())
    extras = {*content["project"]["optional-dependencies"]}
    for flag, value in zip(rest[::2], rest[1::2], strict=True):
        if flag == "-c":
            assert Path(value).is_file(), value
            continue
        place, _, named = value.partition("[")
        assert (flag, place) == ("-e", "."), (flag, place)
        assert {*filter(None, named.rstrip("]").split(","))} <= extras, value


if __name__ == "__main__":
    check(*sys.argv[1:])
