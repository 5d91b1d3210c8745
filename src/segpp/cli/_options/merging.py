"""Options on what merges."""

import argparse
from typing import Literal

__all__ = ["match_interval"]


def match_interval(text: str) -> "int | Literal['auto']":
    """Return a number of blocks, or ``auto``, as ``--match-interval`` takes it.

    Raises:
        argparse.ArgumentTypeError: It is something else.
    """
    if text == "auto":
        return "auto"
    try:
        return int(text)
    except ValueError:
        problem = f"{text!r:.80} is neither a number of blocks nor auto"
        raise argparse.ArgumentTypeError(problem) from None
