"""Tokens leave DINOv3 with their turns: an oracle over the layers of transformers.

Tests models/vit/network/passing.py and models/vit/network/rotation.py together.
"""

from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

from segpp.export.models.base import family_of
from segpp.export.models.loading import load_checkpoint
from segpp.export.reduction.config import ReductionChoice
from segpp.ops.grid import Size
from tests.export.models.vit.dino.networks import Joined, joined, save_folder

SIZE, LEAVING = Size(64, 96), 7
PREFIX = 3


def passed(network: Joined, image: Tensor, leaving: int) -> Tensor:
    """Logits (1, K, h, w) where the tokens that the first layer changed least miss the second."""
    encoder = network.backbone
    cos, sin = encoder.rope_embeddings(image)
    first, second, third = encoder.model.layer
    before = encoder.embeddings(image)
    x = first(before, position_embeddings=(cos, sin))
    sure = F.cosine_similarity(before[0, PREFIX:], x[0, PREFIX:], dim=1)
    stays = torch.ones(len(sure), dtype=torch.bool)
    stays[sure.topk(leaving).indices] = False
    kept = torch.cat((x[:, :PREFIX], x[:, PREFIX:][:, stays]), 1)
    for layer in (second, third):
        kept = layer(kept, position_embeddings=(cos[stays], sin[stays]))
    x[:, PREFIX:][:, stays] = kept[:, PREFIX:]
    patches = encoder.norm(x)[:, PREFIX:]
    grid = [side // network.config.patch_size for side in image.shape[2:]]
    logits: Tensor = network.classifier(patches.transpose(1, 2).unflatten(2, grid))
    return logits


def test_what_stays_turns_by_where_it_lies(tmp_path: Path) -> None:
    changes = {"patch_size": 16, "image_size": 64, "num_hidden_layers": 3}
    network = joined("dinov3", **changes)
    checkpoint = load_checkpoint(save_folder(tmp_path / "folder", network)).at(SIZE)
    family = family_of(checkpoint.architecture)
    reduce = f"2.tokens=pass:count={LEAVING},cls=same"
    config = family.reduction_config(ReductionChoice(reduce=(reduce,)), checkpoint.architecture)
    images = torch.randn(2, 3, *SIZE, generator=torch.Generator().manual_seed(5))

    with torch.inference_mode():
        found = checkpoint.build().apply_reductions(config)(images)
        expected = torch.cat([passed(network, image[None], LEAVING) for image in images])

    allowed = family.tolerance(checkpoint.architecture, SIZE) * float(expected.abs().max())
    assert float((found - expected).abs().max()) <= allowed
