"""What would stop a training on features after hours is told before its first step."""

from collections.abc import Sequence

from c2rl.store.features import FeatureStore


def require_splits(store: FeatureStore, *, at_least: int = 1) -> None:
    """Refuse a store that cannot be trained on: without train or dev, or with too few clips.

    Args:
        store: Its splits are looked at.
        at_least: Clips of train.

    Raises:
        ValueError: If a split is missing or too small.
    """
    absent = [name for name in ("train", "dev") if name not in store.splits]
    if absent:
        raise ValueError(
            f"{store.path} has no split {' and no '.join(absent)}, only {', '.join(store.splits)}:"
            " weights are learned from train and the best epoch is chosen by dev. Name the splits"
            " in the corpus and run prepare again"
        )
    if len(store["train"]) < at_least:
        raise ValueError(
            f"train of {store.path} has {len(store['train'])} clip, expected {at_least} or more:"
            " there is nothing to compare it with"
        )


def require_sentences(store: FeatureStore) -> None:
    """Refuse clips without a sentence: nothing can be learned from them, or scored.

    Args:
        store: Its splits are looked at.

    Raises:
        ValueError: If there are any.
    """
    for name in store:
        empty = [row.clip.id for row in store[name].rows if not row.clip.sentence.strip()]
        if empty:
            raise ValueError(
                f"{some(empty)} of {name} without a sentence: every clip needs one. Give them in"
                " the corpus and run prepare again"
            )


def require_groups(store: FeatureStore) -> None:
    """Refuse groups of a blank name: their clips would pass for clips of one sentence.

    Args:
        store: Its splits are looked at.

    Raises:
        ValueError: If there are any.
    """
    for name in store:
        split = store[name]
        blank = [i for i, group in zip(split.ids, split.groups, strict=True) if not group.strip()]
        if blank:
            raise ValueError(
                f"{some(blank)} of {name} with an empty group name: name the group, or leave the"
                " column out, which makes each clip its own group; then run prepare again"
            )


def require_room(store: FeatureStore, most: int | None, *, key: str) -> None:
    """Refuse clips with more features than a model has positions, and clips with none.

    Args:
        store: Its splits are looked at.
        most: Positions; None: any number.
        key: Parameter that chooses the model, for the message.

    Raises:
        ValueError: If there are any.
    """
    for name in store:
        split = store[name]
        lengths = dict(zip(split.ids, split.lengths, strict=True))
        empty = [id_ for id_, length in lengths.items() if length < 1]
        if empty:
            raise ValueError(f"{some(empty)} of {name} without a single feature: extract again")
        long = [id_ for id_, length in lengths.items() if most and length > most]
        if long:
            raise ValueError(
                f"{some(long)} of {name} with more features than the {most} positions of the"
                f" backbone, up to {max(lengths.values())}: lower frames.keep or set frames.cap,"
                f" or choose {key}: mt5, which has no limit"
            )


def some(ids: Sequence[str]) -> str:
    """Count clips and name the first of them.

    Args:
        ids: At least one.

    Returns:
        For a message.

    Example:
        >>> some(["a"]), some(["a", "b", "c", "d"])
        ('1 clip (a)', '4 clips (a, b, c, ...)')
    """
    shown = ", ".join(ids[:3]) + (", ..." if len(ids) > 3 else "")
    return f"{len(ids)} clip{'s' if len(ids) > 1 else ''} ({shown})"
