"""What would stop a training of a translator after hours is told before its first step."""

from c2rl.language.backbones import Backbone
from c2rl.store.features import FeatureStore


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
                f"{_some(empty)} of {name} without a sentence: a translator needs one for every"
                " clip. Give them in the corpus and run prepare again"
            )


def require_room(store: FeatureStore, backbone: Backbone, *, longest: int, max_length: int) -> None:
    """Refuse clips and sentences that are longer than the backbone's positions, and empty clips.

    Args:
        store: Its splits are looked at.
        backbone: Whose positions may be counted.
        longest: Tokens of the longest training sentence.
        max_length: Most tokens of a hypothesis.

    Raises:
        ValueError: If there are any.
    """
    most = backbone.max_positions
    for name in store:
        split = store[name]
        lengths = dict(zip(split.ids, split.lengths, strict=True))
        empty = [id_ for id_, length in lengths.items() if length < 1]
        if empty:
            raise ValueError(f"{_some(empty)} of {name} without a single feature: extract again")
        long = [id_ for id_, length in lengths.items() if most and length > most]
        if long:
            raise ValueError(
                f"{_some(long)} of {name} with more features than the {most} positions of the"
                f" backbone, up to {max(lengths.values())}: lower frames.keep or set frames.cap,"
                " or choose translate.backbone: mt5, which has no limit"
            )
    if most and max(longest, max_length) > most:
        raise ValueError(
            f"the longest sentence of train has {longest} tokens and translate.max_length"
            f" is {max_length}, the backbone has {most} positions: lower translate.max_length, or"
            " take a tokenizer with longer pieces"
        )


def _some(ids: list[str]) -> str:
    shown = ", ".join(ids[:3]) + (", ..." if len(ids) > 3 else "")
    return f"{len(ids)} clip{'s' if len(ids) > 1 else ''} ({shown})"
