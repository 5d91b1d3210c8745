"""A network of random weights is read as the one that its name says."""

from pathlib import Path

import pytest

from benchmarks.common.random_network import random_network
from segpp.export.models.loading import load_checkpoint
from segpp.ops.grid import Size


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("b1", ("linear", 512, 8)),
        ("segmenter-ti", ("mask-transformer", 192, 12)),
        ("eomt-s", ("mask-classification", 384, 12)),
    ],
)
def test_it_is_read_as_what_its_name_says(
    tmp_path: Path, name: str, expected: tuple[str, int, int]
) -> None:
    network = load_checkpoint(random_network(name, Size(64, 64), 64, tmp_path)).architecture

    assert (network.head, network.dims[-1], sum(network.depths)) == expected
    assert network.classes == 19
