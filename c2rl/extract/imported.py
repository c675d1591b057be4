"""Another project's features in place of the encoder's own: the rows of the paper's Fig. 3."""

import os
import shutil
from pathlib import Path

from c2rl import provenance
from c2rl.store.features import FeatureStore
from c2rl.store.frames import FrameStore


def take(named: str, *, frames: Path, features: Path) -> FeatureStore:
    """Copy an imported store to where translate and retrieve look for features.

    Args:
        named: Feature store, written by `c2rl features import`; its place below environment
            variable `C2RL_DATA`, or below `data/raw`, unless it is absolute.
        frames: Frame store of the corpus, which says what clips there must be.
        features: Feature store to write.

    Returns:
        The copy.

    Raises:
        FileNotFoundError: If a store is absent or incomplete.
        ValueError: If the store is no import, is damaged, or lacks a clip of the corpus.
    """
    source = Path(os.environ.get("C2RL_DATA") or "data/raw") / named
    store = FeatureStore(source)
    if "imported" not in store.meta.made_from:
        raise ValueError(
            f"extract.imported: {source} holds features of a c2rl encoder, expected some made by"
            " `c2rl features import`. Set it to null and give stage extract that encoder."
        )
    _require_clips(store, FrameStore(frames))
    told = {"made_from": store.meta.made_from, "counts": store.meta.counts}
    with provenance.artefact(features, "features", **told) as folder:
        shutil.copytree(
            source, folder, ignore=shutil.ignore_patterns("meta.json"), dirs_exist_ok=True
        )
    return FeatureStore(features)


def _require_clips(store: FeatureStore, frames: FrameStore) -> None:
    """Refuse an import that lacks clips which the encoder's own features have."""
    wanted: dict[str, set[str]] = {}
    for row in frames.rows:
        wanted.setdefault(row.clip.split, set()).add(row.clip.id)
    for split, ids in wanted.items():
        found = set(store[split].ids) if split in store.splits else set()
        if absent := sorted(ids - found):
            raise ValueError(
                f"extract.imported: {store.path} lacks {len(absent)} of {len(ids)} clips of {split}"
                f" ({', '.join(absent[:3])}{', ...' if len(absent) > 3 else ''}): numbers on other"
                " clips cannot be compared. Import features of the whole corpus."
            )
