"""Which SegFormer a state dict is, by names and shapes.

Tests models/segformer/architecture.py too.
"""

from pathlib import Path

import pytest
import torch

from segpp.errors import CheckpointError
from segpp.export.models.loading import load_checkpoint
from segpp.export.models.segformer.architecture import HEADS, SIZES, segformer
from segpp.export.models.segformer.loading.formats import FORMATS
from segpp.export.models.segformer.loading.infer_architecture import architecture_of, expected_by
from tests.helpers.checkpoints import Write, theirs


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("layout", FORMATS)
def test_every_published_size_is_told_from_names_and_shapes(layout: str, size: str) -> None:
    decoder = 768 if FORMATS[layout].head == "linear" and size > "b1" else 256
    expected = segformer(size, classes=19, head=FORMATS[layout].head, decoder=decoder)
    tensors = expected_by(FORMATS[layout], expected)

    assert architecture_of(FORMATS[layout], tensors, HEADS, Path("x")) == expected


def test_a_block_with_an_absurd_number_does_not_make_a_network_of_its_size(write: Write) -> None:
    state = theirs() | {"backbone.layers.0.1.9999.norm1.weight": torch.zeros(8)}

    with pytest.raises(CheckpointError, match=r"lacks \d{1,4} tensors"):
        load_checkpoint(write(state))
