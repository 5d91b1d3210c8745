"""What is loaded computes what timm and the papers compute, at every size.

Tests models/vit/network/*.py and models/vit/loading/convert.py, models/vit/loading/positions.py.
"""

from pathlib import Path
from typing import Any, Literal

import pytest
import torch
from torch import Tensor

from segpp.export.models.base import family_of
from segpp.export.models.loading import load_checkpoint
from segpp.export.models.vit.architecture import Numerics, vit
from segpp.export.models.vit.network import ViT
from segpp.ops.grid import Grid, Size
from tests.export.models.vit.checkpoints import (
    mmsegmentation,
    save_mmsegmentation,
    save_segmenter,
)
from tests.export.models.vit.references import Reference, reference

pytest.importorskip("timm", reason="needs timm, which the oracle's encoder is of")

# The size of the positions, another grid of the same form and of another, and one that is no
# multiple of the patch.
SIZES = [Size(64, 96), Size(32, 48), Size(96, 80), Size(50, 75)]


def image(size: Size) -> Tensor:
    return torch.randn(2, 3, *size, generator=torch.Generator().manual_seed(5))


def check_same(path: Path, network: Reference, size: Size) -> None:
    checkpoint = load_checkpoint(path)
    x = image(size)

    with torch.inference_mode():
        expected = network(x)
        ready, resizing = checkpoint.at(size).build()(x), checkpoint.build()(x)

    # Both compute in FP32, in orders of their own.
    derived = family_of(checkpoint.architecture).tolerance(checkpoint.architecture, size)
    allowed = min(derived, 1e-4)
    for logits in (ready, resizing):
        assert logits.shape == expected.shape
        assert float((logits - expected).abs().max() / expected.abs().max()) <= allowed
        assert torch.equal(logits.argmax(1), expected.argmax(1))
    assert expected.argmax(1).unique().numel() > 1


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize(
    "choices",
    [{"head": "mask"}, {"head": "linear"}, {"head": "mask", "distilled": True}],
    ids=["mask", "linear", "distilled"],
)
def test_a_segmenter_computes_as_its_own_code(
    tmp_path: Path, choices: dict[str, Any], size: Size
) -> None:
    network = reference(**choices)

    check_same(save_segmenter(tmp_path, network), network, size)


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("head", ["mask", "linear", "setr", "pup"])
def test_a_network_of_mmsegmentation_computes_as_its_code(
    tmp_path: Path, head: str, size: Size
) -> None:
    network = mmsegmentation(head=head)

    check_same(save_mmsegmentation(tmp_path / "mm.pth", network), network, size)


@pytest.mark.parametrize(
    "published",
    [
        {"dim": 192, "heads": 3, "depth": 12, "distilled": True},
        {"dim": 384, "heads": 6, "depth": 12},
    ],
    ids=["Ti/16 distilled", "S/16"],
)
def test_a_published_size_computes_the_same(tmp_path: Path, published: dict[str, Any]) -> None:
    network = reference(size=(128, 128), classes=19, **published)
    path = save_segmenter(tmp_path, network)

    check_same(path, network, Size(128, 128))

    assert (
        load_checkpoint(path).architecture.name
        == f"vit-{'ti' if 'distilled' in published else 's'}16"
    )


def built(tmp_path: Path, **choices: Any) -> tuple[Reference, ViT]:
    network = reference(**choices)
    checkpoint = load_checkpoint(save_segmenter(tmp_path, network))
    model = checkpoint.build()
    assert isinstance(model, ViT)
    return network, model


def test_an_epsilon_of_another_codebase_shows(tmp_path: Path) -> None:
    """The comparisons above would tell it: weights must not be taken for another codebase's."""
    # Small tokens, where an epsilon counts.
    network, model = built(tmp_path, head="linear")
    x = image(SIZES[0])
    other = reference(head="linear", eps=1e-3)

    with torch.inference_mode():
        mine, theirs, wrong = model(x), network(x), other(x)

    assert float((mine - theirs).abs().max()) < 1e-3 * float((wrong - theirs).abs().max())


def test_the_grid_of_positions_is_made_for_the_size_of_the_export(tmp_path: Path) -> None:
    checkpoint = load_checkpoint(save_segmenter(tmp_path, reference()))

    ready = checkpoint.at(Size(50, 75)).state["patch_embed.positions"]

    assert tuple(checkpoint.state["patch_embed.positions"].shape) == (1, 4, 6, 128)
    assert tuple(ready.shape) == (1, 4, 5, 128)


@pytest.mark.parametrize("ffn", ["gelu", "swiglu"])
def test_registers_layer_scale_and_swiglu_are_those_of_transformers(
    ffn: Literal["gelu", "swiglu"],
) -> None:
    """No format with these is read yet; DINOv2's encoder (arXiv:2304.07193) has them all."""
    transformers = pytest.importorskip("transformers", reason="the oracle's encoder is of it")
    config = transformers.Dinov2WithRegistersConfig(
        hidden_size=128, num_hidden_layers=2, num_attention_heads=2, image_size=64, patch_size=16,
        num_register_tokens=4, use_swiglu_ffn=ffn == "swiglu",
    )  # fmt: skip
    encoder = transformers.Dinov2WithRegistersModel(config).eval().requires_grad_(False)
    generator = torch.Generator().manual_seed(0)
    for tensor in encoder.parameters():
        tensor.copy_(torch.randn(tensor.shape, generator=generator) * 0.1)
    theirs: dict[str, Tensor] = encoder.state_dict()
    up = "fc1" if ffn == "gelu" else "gate_proj"
    hidden = theirs[f"encoder.layer.0.mlp.{up}.weight"].shape[0]
    architecture = vit(
        dim=128, depth=2, heads=2, patch=16, prefix=5, hidden=hidden, ffn=ffn, head="linear",
        decoder=128, head_blocks=0, classes=128, channels=3,
    )  # fmt: skip
    model = ViT(architecture, Numerics(1e-6, 1e-6, "bicubic"), Grid(4, 4), scaled=True)
    model.load_state_dict({**_of_dinov2(theirs), **_identity(128)})
    x = image(Size(64, 64))

    with torch.inference_mode():
        logits = model.eval()(x)
        features = encoder(x).last_hidden_state[:, 5:]

    expected = features.transpose(1, 2).reshape(2, 128, 4, 4)
    allowed = family_of(architecture).tolerance(architecture, Size(64, 64))
    assert float((logits - expected).abs().max() / expected.abs().max()) <= allowed


def _identity(dim: int) -> dict[str, Tensor]:
    """A head whose logits are the features."""
    return {"head.classifier.weight": torch.eye(dim), "head.classifier.bias": torch.zeros(dim)}


_DINOV2 = {
    "norm1": "norm1",
    "attention.q": "attention.q_proj",
    "attention.k": "attention.k_proj",
    "attention.v": "attention.v_proj",
    "attention.out": "attention.o_proj",
    "norm2": "norm2",
    "ffn.fc2": "mlp.fc2",
}


def _of_dinov2(theirs: dict[str, Tensor]) -> dict[str, Tensor]:
    positions, tokens = theirs["embeddings.position_embeddings"], theirs["embeddings.cls_token"]
    # The class token has a position, registers have none.
    prefix = torch.cat((tokens + positions[:, :1], theirs["embeddings.register_tokens"]), 1)
    ours = {
        "patch_embed.prefix": prefix,
        "patch_embed.positions": positions[:, 1:].reshape(1, 4, 4, 128),
    }
    for leaf in ("weight", "bias"):
        ours[f"patch_embed.conv.{leaf}"] = theirs[f"embeddings.patch_embeddings.projection.{leaf}"]
        ours[f"norm.{leaf}"] = theirs[f"layernorm.{leaf}"]
        for block in range(2):
            mine, its = f"stages.{block}.blocks.0", f"encoder.layer.{block}"
            gated = f"{its}.mlp.gate_proj.{leaf}" in theirs
            names = {**_DINOV2, "ffn.fc2": "mlp.down_proj"} if gated else _DINOV2
            ours |= {f"{mine}.{a}.{leaf}": theirs[f"{its}.{b}.{leaf}"] for a, b in names.items()}
            ups = ("gate_proj", "up_proj") if gated else ("fc1",)
            parts = [theirs[f"{its}.mlp.{up}.{leaf}"] for up in ups]
            ours[f"{mine}.ffn.fc1.{leaf}"] = torch.cat(parts)
            for part in ("1", "2"):
                scale = theirs[f"{its}.layer_scale{part}.lambda1"]
                ours[f"{mine}.scale{part}.gamma"] = scale
    return ours
