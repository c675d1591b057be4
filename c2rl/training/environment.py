"""Environment variables that change speed alone."""

import os


def number(name: str, *, what: str) -> int | None:
    """Read a number.

    Args:
        name: Of the variable.
        what: What it counts, for the message.

    Returns:
        The number; None where the variable is empty or not set.

    Raises:
        ValueError: If it is no number.
    """
    text = os.environ.get(name, "")
    if not text:
        return None
    if not text.isdecimal():
        raise ValueError(f"{name} is '{text}', expected {what}, 0 or more.")
    return int(text)
