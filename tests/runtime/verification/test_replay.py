"""A certificate's pictures through a session."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from segpp.certificate.sealed import read_certificate
from segpp.errors import CheckError
from segpp.runtime.inference.open_session import open_session
from segpp.runtime.verification.replay import Replayed, replay
from tests.runtime.verification.forgery import certified

Network = Callable[..., Path]


def replayed(path: Path, precision: str = "fp32") -> tuple[Replayed, ...]:
    _, proof, probes = read_certificate(path)
    with open_session(path) as session:
        return replay(session, proof, probes, precision=precision)


@pytest.mark.parametrize("kind", ["logits", "labels", "uint8", "nine"])
def test_every_kind_of_file_gives_its_own_masks_again(network: Network, kind: str) -> None:
    for one in replayed(certified(network(kind))):
        assert one.passed
        assert one.agreement == one.agreement_then == 1.0
        assert one.mask.shape == tuple(one.size)
        assert [c.agreeing for c in one.classes] == [c.expected for c in one.classes]


def test_a_batch_of_three_gives_them_too(network: Network) -> None:
    assert all(one.passed for one in replayed(certified(network(batch=3))))


def test_a_lower_precision_may_move_more_pixels(network: Network) -> None:
    path = certified(network())

    exact, halves = replayed(path), replayed(path, "bf16")

    assert [one.min_agreement for one in exact] == [0.999, 0.999]
    assert [one.min_agreement for one in halves] == pytest.approx([0.979, 0.979])


def test_infinities_are_an_error(network: Network) -> None:
    path = certified(network())
    _, proof, probes = read_certificate(path)

    with open_session(network("nan")) as session, pytest.raises(CheckError, match="not a number"):
        replay(session, proof, probes)


def test_a_mask_of_another_size_is_an_error(network: Network) -> None:
    path = certified(network())
    _, proof, probes = read_certificate(path)

    class Sideways:
        """A session whose masks lie on their side."""

        def __init__(self) -> None:
            self._inner = open_session(path)

        def __call__(self, image: np.ndarray) -> object:
            return self._inner(image, sizes=[image.shape[1::-1]])

    with pytest.raises(CheckError, match=r"the mask of street is \(1024, 512\)"):
        replay(Sideways(), proof, probes)  # type: ignore[arg-type]  # it does what is asked
