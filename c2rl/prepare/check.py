"""What a release holds and what it lacks, told before anything is decoded.

Quick: annotations are read and files are looked at from outside. Deep: every clip is probed too, in
killable workers, which finds segments beyond their recordings, damaged files and frame rates.
"""

import os
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from c2rl import provenance
from c2rl.corpora.clip import SPLITS, Annotations, Choice, Clip, Facts
from c2rl.corpora.files import is_page
from c2rl.corpora.find import corpus
from c2rl.prepare import look, release
from c2rl.prepare.look import Probed
from c2rl.progress import progress
from c2rl.store.manifest import OK
from c2rl.video import pool

TOLERATED = (OK, "known_defect", "no_sentence", "bad_segment", "too_short")
"""The release is complete even so: the annotations themselves are to blame."""
UNUSABLE = ("known_defect", "no_sentence", "no_annotation")
"""Annotated clips that no copy of the release can give."""
ASSUMED_FPS = 25.0
"""For the projected size, where only the seconds of a segment are known."""

_ARCHIVES = (".zip", ".tar", ".gz", ".tgz", ".7z", ".rar")


def check(
    name: str,
    root: Path | None,
    choice: Choice,
    *,
    target: Path,
    deep: bool = False,
    size: int = 256,
) -> dict[str, Any]:
    """Examine a release and write the fingerprint that stage `prepare` depends on.

    Args:
        name: Value of the parameter `dataset`.
        root: Folder of the release; None: where `prepare` looks.
        choice: How it is read.
        target: `data/corpora/<dataset>.json`.
        deep: Whether every clip is probed.
        size: Side of the stored frames in pixels, for the projected size.

    Returns:
        The report of `examine`.

    Raises:
        FileNotFoundError: If the release is not there.
        ValueError: If its annotations are wrong.
    """
    if name == "synthsign":
        raise ValueError("synthsign has no release to check: stage prepare draws it.")
    home = release.find_root(name)
    with progress("probing", 0) as bar:
        report, fingerprint = examine(
            name,
            root or home,
            choice,
            deep=deep,
            size=size,
            workers=pool.num_workers(),
            report=bar.reach,
        )
    provenance.write_json(target, fingerprint)
    if root is not None and root.resolve() != home.resolve():
        report["notes"].append(f"stage prepare looks in {home}: set C2RL_DATA to {root}")
    return report


def examine(
    name: str,
    root: Path,
    choice: Choice,
    *,
    deep: bool = False,
    size: int = 256,
    workers: int = 1,
    report: Callable[[int, int], None] = lambda _done, _total: None,
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Compare a release with what its annotations and its owners promise.

    Args:
        name: Value of the parameter `dataset`.
        root: Folder of the release.
        choice: How it is read.
        deep: Whether every clip is probed.
        size: Side of the stored frames in pixels, for the projected size.
        workers: Processes that probe.
        report: Told the clips probed and all clips.

    Returns:
        The report, JSON-able; and the fingerprint for `data/corpora/<dataset>.json`.

    Raises:
        FileNotFoundError: If the release is not there.
        ValueError: If its annotations are wrong.
    """
    facts = corpus(name).facts
    found = release.read(name, root, choice)
    seen = release.media(root, found)
    probed = look.from_outside(root, found, seen, is_gapless=facts.is_gapless)
    if deep:
        least = facts.least_frames
        probed = look.inside(
            root, found, probed, least_frames=least, workers=workers, report=report
        )
    told: dict[str, Any] = {"dataset": name, "root": str(root), "labels": choice.labels}
    told |= {"deep": deep} | _report(facts, found, probed, size)
    told["notes"] += _archives(root)
    told["complete"] = not told["missing"]
    told["strict"] = told["complete"] and not (
        told["left_out"] or told["notes"] or any(s["difference"] for s in told["splits"].values())
    )
    return told, release.describe(name, root, choice, found, seen)


def _report(
    facts: Facts, found: Annotations, probed: Sequence[Probed], size: int
) -> dict[str, Any]:
    clips = [entry.clip for entry in found.entries]
    left_out = [
        {"id": c.id, "split": c.split, "status": p.status, "reason": p.reason}
        for c, p in zip(clips, probed, strict=True)
        if p.status != OK
    ]
    lacking = Counter(row["status"] for row in left_out if row["status"] not in TOLERATED)
    missing = [f"annotations of {split}" for split in found.absent]
    missing += [f"{n} clips: {status}" for status, n in sorted(lacking.items())]
    rates = Counter(f"{p.fps:g}" for p in probed if p.status == OK and p.fps)
    frames, unknown = _frames(clips, probed)
    return {
        "splits": {split: _split(facts, split, clips, probed) for split in SPLITS},
        "left_out": left_out,
        "shared_sentences": _shared(clips),
        "fps": dict(sorted(rates.items(), key=lambda pair: float(pair[0]))),
        "frames": frames,
        "clips_of_unknown_length": unknown,
        "store_megabytes": round(frames * bytes_of_frame(size) / 1e6, 1),
        "store_size": size,
        "missing": missing,
        "obtain": facts.obtain,
        "licence": facts.licence,
        "citation": facts.citation,
        "notes": found.notes + _other_lengths(found, probed),
    }


def _other_lengths(found: Annotations, probed: Sequence[Probed]) -> list[str]:
    other = [
        f"{entry.clip.id} has {p.num_frames} frames, annotated {found.lengths[entry.clip.id]}"
        for entry, p in zip(found.entries, probed, strict=True)
        if p.num_frames not in (None, found.lengths.get(entry.clip.id, p.num_frames))
    ]
    first = "".join(other[:1])
    return [f"{len(other)} clips have other numbers of frames: {first}"] * bool(other)


def _split(
    facts: Facts, split: str, clips: Sequence[Clip], probed: Sequence[Probed]
) -> dict[str, Any]:
    own = [(c, p) for c, p in zip(clips, probed, strict=True) if c.split == split]
    published = facts.counts.get(split)
    seconds = [_seconds(clip, p) for clip, p in own if p.status == OK]
    usable = [clip for clip, p in own if p.status == OK]
    return {
        "clips": len(own),
        "published": published,
        "difference": None if published is None else len(own) - published,
        "paper": facts.paper.get(split),
        "valid": sum(p.status not in UNUSABLE for _, p in own),
        "status": dict(sorted(Counter(p.status for _, p in own).items())),
        "sentences": len({clip.sentence for clip, _ in own}),
        "groups": len({clip.group or clip.id for clip, p in own if p.status != "known_defect"}),
        "signers": len({clip.signer for clip, _ in own if clip.signer}),
        "usable": len(usable),
        "hours": round(sum(s for s in seconds if s) / 3600, 3),
    }


def _seconds(clip: Clip, probed: Probed) -> float | None:
    if probed.num_frames is not None and probed.fps:
        return probed.num_frames / probed.fps
    return None if clip.end_s is None else max(0.0, clip.end_s - (clip.start_s or 0.0))


def _frames(clips: Sequence[Clip], probed: Sequence[Probed]) -> tuple[int, int]:
    """Sum up the frames of readable clips, and count those whose length nobody knows."""
    total = unknown = 0
    for clip, found in zip(clips, probed, strict=True):
        if found.status != OK:
            continue
        seconds = _seconds(clip, found)
        if found.num_frames is not None:
            total += found.num_frames
        elif seconds is not None:
            total += round(seconds * ASSUMED_FPS)
        else:
            unknown += 1
    return total, unknown


def bytes_of_frame(size: int) -> float:
    """Estimate a stored frame: 0.3 bytes a pixel at 256 pixels, as JPEG 95 of signers takes.

    Args:
        size: Side in pixels; smaller pictures take more a pixel.

    Returns:
        Bytes.
    """
    return 0.3 * size**2 * float((256 / size) ** 0.65)


def _shared(clips: Sequence[Clip]) -> list[dict[str, Any]]:
    """Find sentences that stand in two splits: what leaks from the first to the second."""
    texts = {s: Counter(c.sentence for c in clips if c.split == s) for s in SPLITS}
    pairs = (("train", "dev"), ("train", "test"), ("dev", "test"))
    return [
        {
            "from": a,
            "to": b,
            "sentences": len(texts[a].keys() & texts[b].keys()),
            "clips": sum(n for sentence, n in texts[b].items() if sentence in texts[a]),
        }
        for a, b in pairs
    ]


def _archives(root: Path) -> list[str]:
    """Tell of archives that were not unpacked, or that are web pages in truth."""
    notes = []
    for folder in (root, *sorted(p for p in root.iterdir() if p.is_dir())):
        with os.scandir(folder) as entries:
            names = sorted(e.name for e in entries if e.name.endswith(_ARCHIVES) and e.is_file())
        for path in (folder / name for name in names):
            with path.open("rb") as file:
                head = file.read(64)
            what = "is a web page: its download failed" if is_page(head) else "is not unpacked"
            notes.append(f"{path.relative_to(root)} {what}")
    return notes
