"""Indexes of any clips: sign features in, a searchable folder out."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from torch import Tensor

from c2rl.app.embedder import Embedder
from c2rl.progress import progress
from c2rl.retrieve import audit, folder, parts
from c2rl.retrieve.folder import State
from c2rl.store.features import FeatureSplit, FeatureStore
from c2rl.training.batching import by_length

_READ = 512
"""Clips that are read at once, and encoded by length."""
_TOGETHER = 64
_SEED = 32


def add(path: Path, stores: Sequence[Path | str], retriever: Path, *, is_new: bool) -> State:
    """Add the clips of feature stores to an index.

    Args:
        path: The index.
        stores: Feature stores (`c2rl extract`), or their URLs, of the retriever's encoder.
        retriever: Folder written by stage `retrieve`.
        is_new: Whether the index is to be made; otherwise it must be there.

    Returns:
        What the index is now.

    Raises:
        FileExistsError: If it is to be made and is there.
        FileNotFoundError: If something is absent.
        ValueError: If features are another encoder's, or a clip is in the index already.
    """
    model = Embedder(retriever)
    opened = [FeatureStore(store) for store in stores]
    for store in opened:
        _require(store, model)
    return folder.add(
        path, lambda new: _write(new, opened, model), made_from=model.made_from, is_new=is_new
    )


def _require(store: FeatureStore, model: Embedder) -> None:
    """Refuse features that the retriever was not trained on."""
    made_by, wanted = store.meta.made_from.get("encoder"), model.config["encoder"]
    if made_by != wanted:
        raise ValueError(
            f"{store.path} holds features of encoder {made_by}, but {model.path} was trained on"
            f" those of {wanted}. Extract them with that encoder."
        )
    _require_form(store, model)
    width = model.network.projection.in_features
    if store.meta.counts["width"] != width:
        raise ValueError(
            f"{store.path} has features of {store.meta.counts['width']} numbers, {model.path}"
            f" was trained on {width}. Extract them as those were."
        )


def _require_form(store: FeatureStore, model: Embedder) -> None:
    """Refuse features that were taken from another place of the same encoder."""
    made, wanted = store.meta.made_from.get("extract"), model.config.get("extract")
    if not made or not wanted:  # features that somebody imported
        return
    for option in ("point", "which"):
        if made[option] != wanted[option]:
            raise ValueError(
                f"{store.path} holds features of {option} {made[option]}, but {model.path} was"
                f" trained on {wanted[option]}. Extract them with --{option} {wanted[option]}."
            )


def _write(new: Path, stores: Sequence[FeatureStore], model: Embedder) -> None:
    names = dict.fromkeys(name for store in stores for name in store)
    splits = [store[name] for name in names for store in stores if name in store.splits]
    parts.write_part(
        new,
        [row for split in splits for row in split.rows],
        _embedded(splits, model),
        lengths=[length for split in splits for length in split.lengths],
        width=model.own.clips.width,
        made_from={**model.made_from, "features": [store.meta.fingerprint for store in stores]},
        queries=_queries(model),
        **model.scoring,
    )


def _embedded(splits: Sequence[FeatureSplit], model: Embedder) -> Iterator[npt.NDArray[np.float16]]:
    with progress("embed", sum(map(len, splits))) as bar:
        for split in splits:
            lengths = split.lengths
            for start in range(0, len(split), _READ):
                numbers = range(start, min(start + _READ, len(split)))
                found: dict[int, Tensor] = {}
                for chosen in by_length([lengths[n] for n in numbers], _TOGETHER):
                    own = [numbers[i] for i in chosen]
                    vectors = model.clips([split[n] for n in own])
                    found |= dict(zip(own, vectors, strict=True))
                for number in numbers:
                    bar.count(0)
                    yield found[number].half().numpy()


def _queries(model: Embedder) -> list[Tensor]:
    """Draw sentences of the retriever's corpus, which are what people ask for."""
    items = model.own.items
    order = np.random.default_rng(_SEED).permutation(len(items))
    chosen: dict[str, None] = {}
    for number in order:
        if len(chosen) == audit.QUERIES:
            break
        chosen[items[int(number)].sentence] = None
    chosen.pop("", None)
    return model.texts([*chosen]) if chosen else []
