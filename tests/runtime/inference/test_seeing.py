"""What is shown of images: labels, and what single looks need besides."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from segpp.errors import InputError
from segpp.runtime.inference.open_session import open_session
from segpp.runtime.inference.seeing import Seeing, check_comparable

Network = Callable[..., Path]
Stripes = Callable[[int, int], np.ndarray]


def test_without_more_wanted_there_are_labels_alone(network: Network, stripes: Stripes) -> None:
    with open_session(network(), threads=1) as session:
        [shown], timing = Seeing(session)([stripes(48, 90)])

    assert shown.labels.shape == (48, 90)
    assert shown.confidence is None
    assert shown.others is None
    assert timing.total_ms > 0


def test_confidence_and_a_second_network_are_at_the_images_size(
    network: Network, stripes: Stripes
) -> None:
    with open_session(network(), threads=1) as session:
        shown, _ = Seeing(session, session, confidence=True)([stripes(48, 90), stripes(30, 60)])

    for one, size in zip(shown, [(48, 90), (30, 60)], strict=True):
        assert one.confidence is not None
        assert one.others is not None
        assert one.confidence.shape == one.labels.shape == size
        assert (one.others == one.labels).all()
        # The winner of three classes has a third at least, and a stripe's middle is sure.
        assert 1 / 3 <= one.confidence.min() < 0.9 < one.confidence.max() <= 1


def test_a_network_of_labels_tells_no_confidence(network: Network) -> None:
    with (
        open_session(network("labels"), threads=1) as session,
        pytest.raises(InputError, match="does not tell how sure it is"),
    ):
        Seeing(session, confidence=True).check_can_show(["overlay", "confidence"])


def test_a_comparison_needs_a_second_network_of_the_same_classes(network: Network) -> None:
    with (
        open_session(network(), threads=1) as three,
        open_session(network("nine"), threads=1) as nine,
    ):
        with pytest.raises(InputError, match="--compare OTHER"):
            Seeing(three).check_can_show(["compare"])
        with pytest.raises(InputError, match="one network has 3 classes, the other 9"):
            check_comparable(three, nine)
