"""What would stop the training of a translator late: sentences longer than its positions."""

from c2rl.language.backbones import Backbone


def require_length(backbone: Backbone, *, longest: int, max_length: int) -> None:
    """Refuse sentences that are longer than the backbone's positions, or may become so.

    Args:
        backbone: Whose positions may be counted.
        longest: Tokens of the longest training sentence.
        max_length: Most tokens of a hypothesis.

    Raises:
        ValueError: If there are any.
    """
    most = backbone.max_positions
    if most and max(longest, max_length) > most:
        raise ValueError(
            f"the longest sentence of train has {longest} tokens and translate.max_length"
            f" is {max_length}, the backbone has {most} positions: lower translate.max_length, or"
            " take a tokenizer with longer pieces"
        )
