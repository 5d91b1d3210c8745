"""An EoMT as its own code saves it is the same network as transformers' form of it.

Tests models/vit/loading/formats/eomt.py and models/vit/loading/read_settings.py.
"""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor

from segpp.errors import CheckpointError
from segpp.export.models.loading import load_checkpoint
from segpp.images.preprocess import IMAGENET_MEAN, IMAGENET_STD
from tests.export.models.vit.eomt.folders import eomt, original_state, semantic
from tests.export.models.vit.eomt.test_eomt import check_same, images

State = dict[str, Tensor]


def saved(tmp_path: Path, state: State) -> Path:
    torch.save(state, tmp_path / "pytorch_model.bin")
    return tmp_path / "pytorch_model.bin"


# One head of 64 channels, which nothing in such a file tells.
SMALL = {"num_attention_heads": 1, "num_register_tokens": 4}


def test_its_labels_are_those_of_transformers(tmp_path: Path) -> None:
    network, x = eomt(**SMALL), images()
    state = original_state(network, "network.") | {"criterion.empty_weight": torch.ones(6)}

    checkpoint = load_checkpoint(saved(tmp_path, state))

    assert checkpoint.format == "eomt"
    assert checkpoint.architecture.vit is not None
    assert checkpoint.architecture.vit.query_blocks == 2
    assert (checkpoint.mean, checkpoint.std) == (IMAGENET_MEAN, IMAGENET_STD)
    assert "attention heads of 64 channels are assumed: --heads 1" in checkpoint.notes
    check_same(checkpoint, x, *semantic(network, x))


STATES: dict[str, tuple[Callable[[State], object], str]] = {
    "masked attention": (
        lambda s: s["attn_mask_probs"].fill_(1), r"masks its attention: attn_mask_probs is 1, 1",
    ),
    "no probabilities": (
        lambda s: s.pop("attn_mask_probs"), r"does not hold attn_mask_probs, one number for each",
    ),
    "more probabilities than blocks": (
        lambda s: s.update(attn_mask_probs=torch.zeros(4)), r"query_blocks of 4\n.*0 to 3",
    ),
    "no registers": (
        lambda s: s.pop("encoder.backbone.reg_token"), r"missing: encoder.backbone.reg_token",
    ),
    "another norm": (
        lambda s: s.update({"encoder.backbone.blocks.0.attn.q_norm.weight": torch.ones(64)}),
        r"has 1 tensor that the network has no place for\n(.*\n)*.*attn.q_norm.weight",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", STATES)
def test_weights_that_are_no_whole_eomt_are_refused(tmp_path: Path, case: str) -> None:
    change, message = STATES[case]
    state = original_state(eomt(**SMALL))
    change(state)

    with pytest.raises(CheckpointError, match=message):
        load_checkpoint(saved(tmp_path, state))
