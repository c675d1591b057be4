"""Stands where `pip` stands in a page: what it is told to install is what the project has."""

import sys
import tomllib
from pathlib import Path

verb, *rest = sys.argv[1:]
assert verb == "install", sys.argv
root = Path.cwd()
extras = tomllib.loads((root / "pyproject.toml").read_text())["project"]["optional-dependencies"]
while rest:
    flag, value = rest.pop(0), rest.pop(0)
    if flag == "-c":
        assert (root / value).is_file(), value
        continue
    assert flag == "-e", flag
    place, _, named = value.partition("[")
    assert place == ".", place
    assert set(filter(None, named.rstrip("]").split(","))) <= set(extras), value
