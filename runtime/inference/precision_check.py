"""A lower precision must give nearly the labels of FP32, or it does not run."""

from collections.abc import Callable, Mapping
from contextlib import closing
from typing import Any

import numpy as np
from numpy.typing import NDArray

from segpp.errors import CheckError, InputError
from segpp.runtime.backends.base import Backend

__all__ = ["MIN_AGREEMENT", "PrecisionCheck"]

# BF16 has 8 significant bits: on trained networks about one pixel in a hundred changes, nearly
# all at the seams between classes. A network that it breaks falls far below.
MIN_AGREEMENT = 0.98

Labels = tuple[NDArray[Any], ...]


class PrecisionCheck:
    """Compares the first labels with those of FP32.

    Args:
        open_exact: Loads the same network in FP32; called once, at the first comparison.
        precision: What is compared, for the message.
        min_agreement: Share of the pixels that must have the same label, 0 to 1.

    Raises:
        InputError: ``min_agreement`` is no share.
    """

    def __init__(
        self, open_exact: Callable[[], Backend], precision: str, min_agreement: float
    ) -> None:
        if not 0.0 <= min_agreement <= 1.0:
            raise InputError(f"the agreement asked for is {min_agreement:g}", "allowed: 0 to 1")
        self._open_exact = open_exact
        self._precision = precision
        self._min_agreement = min_agreement

    def check(
        self,
        feeds: Mapping[str, NDArray[Any]],
        output: str,
        labels_of: Callable[[NDArray[Any]], Labels],
        labels: Labels,
    ) -> float:
        """Compare labels with those of FP32 for the same input.

        Args:
            feeds: The input tensor, by its name.
            output: The name of the output that ``labels`` were made of.
            labels_of: Makes the labels (H, W) of each image from that output.
            labels: Those to check.

        Returns:
            The share of the pixels, over all images together, that have the label of FP32.

        Raises:
            CheckError: It is less than was asked for.
        """
        with closing(self._open_exact()) as exact:
            [raw] = exact.run(feeds, [output])
        expected = labels_of(raw)
        equal = sum(int((a == b).sum()) for a, b in zip(expected, labels, strict=True))
        agreement = equal / sum(np.size(one) for one in expected)
        if agreement < self._min_agreement:
            raise CheckError(
                f"in {self._precision} the labels agree with FP32 on {agreement:.5f} of the pixels",
                f"asked for: {self._min_agreement:g}",
                hint="see `min_agreement`; segpp-eval measures what it costs in mIoU",
            )
        return agreement
