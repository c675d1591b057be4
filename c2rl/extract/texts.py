"""Sentences for features that came without: from a corpus, or from a table of the user's."""

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

from c2rl import provenance
from c2rl.corpora import files
from c2rl.corpora.clip import Choice, Clip
from c2rl.corpora.find import corpus
from c2rl.extract.peers.records import NATIVE

_OPTIONAL = ("split", "language", "signer", "group")
_START = re.compile(r"_\d+(\.\d+)?$")
"""What SpaMo puts after the name of a clip that is a part of its recording: the second."""


class Texts(NamedTuple):
    """Clips that are known beside the files of features."""

    clips: dict[str, Clip]
    aliases: dict[str, str]
    """Other names of clips to their ids."""
    refused: dict[str, str]
    """Clips that the corpus itself leaves out, and why."""
    profile: str | None
    """Metric profile of the corpus."""
    made_from: dict[str, Any]
    """What identifies it."""

    def find(self, name: str, postfix: str = "") -> Clip | None:
        """Find a clip by what a project calls its features.

        Args:
            name: Its id, CiCo's name, or SpaMo's with a second after it.
            postfix: What follows the name in every file.

        Returns:
            The clip; None if there is none.
        """
        plain = name.removesuffix(postfix)
        for tried in (name, plain, _START.sub("", plain)):
            id_ = self.aliases.get(tried, tried)
            if id_ in self.clips:
                return self.clips[id_]
        return None


NONE = Texts({}, {}, {}, None, {})


def of_corpus(name: str, root: Path, *, labels: str = "release") -> Texts:
    """Take them from a corpus.

    Args:
        name: Value of the parameter `dataset`.
        root: Folder of the release; videos need not be there.
        labels: Whose annotation files are read.

    Returns:
        Its clips.

    Raises:
        FileNotFoundError: If it is not there.
        ValueError: If there is no such corpus, or it is not as expected.
    """
    found = corpus(name)
    if labels not in found.facts.labels:
        raise ValueError(
            f"labels are '{labels}', but {name} can be read from {', '.join(found.facts.labels)}."
        )
    if not root.is_dir():
        raise FileNotFoundError(f"{root} does not exist. {found.facts.obtain}")
    read = found.read(root, Choice(labels))
    clips = [entry.clip for entry in read.entries]
    return Texts(
        {clip.id: clip for clip in clips},
        _numbered(clips),
        {e.clip.id: f"{e.status}: {e.reason}" for e in read.entries if e.status},
        found.facts.profile,
        {"dataset": name, "labels": labels, "annotations": _hashes(read.files)},
    )


def _numbered(clips: Iterable[Clip]) -> dict[str, str]:
    """Give each part of a recording CiCo's name: its place in the order of time, from 0."""
    counts: dict[str, int] = {}
    aliases = {}
    parts = [clip for clip in clips if clip.start_s is not None or clip.end_s is not None]
    for clip in sorted(parts, key=lambda clip: clip.start_s or 0.0):
        recording = Path(clip.source).stem
        number = counts.get(clip.source, 0)
        counts[clip.source] = number + 1
        aliases[f"{recording}_clip{number}"] = clip.id
    return aliases


def of_table(path: Path) -> Texts:
    """Take them from a table: `id` and `sentence`, and where wanted split, language, signer, group.

    Args:
        path: `.csv` with commas, anything else with tabs; a header line.

    Returns:
        Its clips.

    Raises:
        ValueError: If a column is missing, or a clip is there twice.
    """
    delimiter = "," if path.suffix == ".csv" else "\t"
    clips: dict[str, Clip] = {}
    lines = files.read_table(path, delimiter=delimiter, columns=("id", "sentence"), quoted=True)
    for line in lines:
        id_ = line.values["id"]
        if not id_ or id_ in clips:
            told = "is already in the table" if id_ else "is empty"
            raise ValueError(f"{path}: line {line.number}: id '{id_}' {told}; expected one a clip.")
        own = {name: line.values.get(name, "") for name in _OPTIONAL}
        clips[id_] = Clip(
            id=id_,
            split=NATIVE.get(own["split"], own["split"]),
            sentence=line.values["sentence"],
            language=own["language"],
            source="",
            signer=own["signer"] or None,
            group=own["group"] or None,
        )
    return Texts(clips, {}, {}, None, {"table": _hashes([path])})


def _hashes(paths: Iterable[Path]) -> dict[str, str]:
    return {path.name: provenance.hash_file(path) for path in paths}
