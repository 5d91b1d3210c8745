"""Labels of a lower precision beside those of FP32, on a network that runs in FP32."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from segpp.errors import CheckError, InputError
from segpp.runtime.backends.base import BACKENDS, Backend, BackendConfig
from segpp.runtime.inference.precision_check import MIN_AGREEMENT, PrecisionCheck

Network = Callable[..., Path]

FEEDS = {"image": np.random.default_rng(0).standard_normal((1, 3, 32, 64), np.float32)}


def labels_of(raw: NDArray[Any]) -> tuple[NDArray[Any], ...]:
    return (raw[0].argmax(axis=0),)


def opened(path: Path) -> Backend:
    return BACKENDS["onnxruntime"].open(path, BackendConfig(threads=1))


def exact_labels(path: Path) -> NDArray[Any]:
    backend = opened(path)
    [raw] = backend.run(FEEDS, ["out"])
    backend.close()
    return labels_of(raw)[0].copy()


def test_equal_labels_agree_wholly(network: Network) -> None:
    path = network()
    check = PrecisionCheck(partial(opened, path), "bf16", 1.0)

    assert check.check(FEEDS, "out", labels_of, (exact_labels(path),)) == 1.0


@pytest.mark.parametrize(("wrong", "passes"), [(2, True), (3, False)])
def test_the_share_of_equal_pixels_decides(network: Network, *, wrong: int, passes: bool) -> None:
    path = network()
    labels = exact_labels(path)
    labels.reshape(-1)[:wrong] = 9
    # Of 128 pixels 2 may differ: 126 / 128 = 0.984, 125 / 128 = 0.977.
    check = PrecisionCheck(partial(opened, path), "bf16", MIN_AGREEMENT)

    if passes:
        assert check.check(FEEDS, "out", labels_of, (labels,)) == 126 / 128
    else:
        with pytest.raises(CheckError, match=r"in bf16 the labels agree .* 0\.97656 of the pixels"):
            check.check(FEEDS, "out", labels_of, (labels,))


@pytest.mark.parametrize("share", [-0.1, 1.5, float("nan")])
def test_what_is_no_share_is_refused(network: Network, share: float) -> None:
    with pytest.raises(InputError, match="the agreement asked for is"):
        PrecisionCheck(partial(opened, network()), "bf16", share)
