"""What a feature store holds and where it comes from, for a person at a terminal."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from c2rl.store.features import FeatureStore

BAR = 40
"""Characters of the longest bar."""

_EIGHTHS = " ▏▎▍▌▋▊▉"
_STEPS = (1, 2, 5)
_MOST_BINS = 16
_MOST_NAMED = 8
"""Of a list, as of clips that an import left out; `--json` has all."""


def describe(path: Path) -> dict[str, Any]:
    """Look at a feature store; sentences and features are not read.

    Args:
        path: The store.

    Returns:
        store, fingerprint, width, dtype, profile, files, bytes, splits (clips, rows, bytes, and
        shortest, median and longest in rows), lengths (a histogram), made_from, versions.

    Raises:
        FileNotFoundError: If it is absent or incomplete.
        ValueError: If it is another kind of artefact, or damaged.
    """
    store = FeatureStore(path)
    files = {name: entry["bytes"] for name, entry in store.meta.files.items()}
    lengths = {name: np.diff(store[name].offsets) for name in store}
    return {
        "store": str(path),
        "fingerprint": store.meta.fingerprint,
        "width": store.meta.counts["width"],
        "dtype": "float16",
        "profile": next((store[name].profile for name in store), "none"),
        "files": len(files) + 1,
        "bytes": sum(files.values()) + (path / "meta.json").stat().st_size,
        "splits": {
            name: {
                "clips": len(found),
                "rows": int(found.sum()),
                "bytes": sum(n for file, n in files.items() if file.startswith(f"{name}/")),
                **_spread(found),
            }
            for name, found in lengths.items()
        },
        "lengths": histogram(np.concatenate([*lengths.values(), np.empty(0, np.int64)])),
        "made_from": store.meta.made_from,
        "versions": store.meta.versions,
    }


def _spread(lengths: npt.NDArray[np.int64]) -> dict[str, float]:
    if not len(lengths):
        return {"shortest": 0, "median": 0.0, "longest": 0}
    return {
        "shortest": int(lengths.min()),
        "median": float(np.median(lengths)),
        "longest": int(lengths.max()),
    }


def histogram(lengths: npt.NDArray[np.int64]) -> list[dict[str, int]]:
    """Count clips by length, in bins of a round width that suits all but the longest hundredth.

    Args:
        lengths: (N,) rows of each clip.

    Returns:
        Bins from the shortest clip to the longest: first, last (both inclusive), clips. The last
        one is wider where a few clips are far longer than the rest.
    """
    if not len(lengths):
        return []
    low, longest = int(lengths.min()), int(lengths.max())
    usual = int(np.quantile(lengths, 0.99, method="higher"))
    steps = (base * 10**power for power in range(19) for base in _STEPS)
    step = next(s for s in steps if usual // s - low // s < _MOST_BINS)
    numbers = np.minimum(lengths // step - low // step, _MOST_BINS - 1).astype(np.int64)
    bins = np.bincount(numbers).tolist()
    starts = [(number + low // step) * step for number in range(len(bins))]
    lasts = [start + step - 1 for start in starts]
    lasts[-1] = max(lasts[-1], longest)
    return [
        {"first": first, "last": last, "clips": clips}
        for first, last, clips in zip(starts, lasts, bins, strict=True)
    ]


def told(report: Mapping[str, Any]) -> Iterator[str]:
    """Put a description in lines.

    Args:
        report: Of `describe`.

    Yields:
        Lines for a terminal.
    """
    kept = {"none": "memory-mapped", "zstd": "archive, unpacked into memory"}[report["profile"]]
    yield f"{report['store']}  {report['fingerprint']}"
    yield (
        f"{report['width']} columns of {report['dtype']}, {report['files']} files,"
        f" {size(report['bytes'])}, profile {report['profile']} ({kept})"
    )
    yield ""
    yield from _table(report["splits"])
    yield ""
    yield from _picture(report["lengths"])
    yield ""
    yield from _origin(report)


def _table(splits: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    width = max([5, *map(len, splits)])
    head = ("clips", "rows", "shortest", "median", "longest", "size")
    yield f"{'split':<{width}}" + "".join(f"{word:>12}" for word in head)
    for name, of in splits.items():
        cells = (
            *(f"{of['clips']:,}", f"{of['rows']:,}", f"{of['shortest']:,}"),
            *(f"{of['median']:,.1f}", f"{of['longest']:,}", size(of["bytes"])),
        )
        yield f"{name:<{width}}" + "".join(f"{cell:>12}" for cell in cells)


def _picture(bins: list[dict[str, int]]) -> Iterator[str]:
    """Draw a histogram: a bar a bin, to an eighth of a character."""
    names = [
        f"{b['first']:,}" if b["first"] == b["last"] else f"{b['first']:,}–{b['last']:,}"
        for b in bins
    ]
    width = max([4, *map(len, names)])
    most = max([1, *(b["clips"] for b in bins)])
    yield f"{'rows':>{width}}   clips"
    for name, b in zip(names, bins, strict=True):
        # a bin that holds anything is seen
        eighths = max(round(8 * BAR * b["clips"] / most), 1 if b["clips"] else 0)
        bar = "█" * (eighths // 8) + _EIGHTHS[eighths % 8].strip()
        count = f" {b['clips']:,}" if b["clips"] else ""
        yield f"{name:>{width}} │ {bar}{count}".rstrip()


def _origin(report: Mapping[str, Any]) -> Iterator[str]:
    told = {**report["made_from"], "versions": report["versions"]}
    width = max(map(len, told))
    for name, value in told.items():
        yield f"{name:<{width}}  {_words(value)}".rstrip()


def _words(value: Any) -> str:
    if isinstance(value, Mapping) and value:
        return ", ".join(f"{key} {_words(inner)}" for key, inner in value.items())
    if isinstance(value, list) and value:
        more = len(value) - _MOST_NAMED
        return " ".join(map(_words, value[:_MOST_NAMED])) + (f" and {more} more" * (more > 0))
    return "-" if value in (None, [], {}, "") else str(value)


def size(num_bytes: int) -> str:
    """Put a number of bytes in words.

    Args:
        num_bytes: Not negative.

    Returns:
        In GB, MB or kB, of powers of ten.
    """
    for unit, size in (("GB", 1e9), ("MB", 1e6)):
        if num_bytes >= size:
            return f"{num_bytes / size:.1f} {unit}"
    return f"{num_bytes / 1e3:.1f} kB"
