"""Our network computes what the codebases that trained the weights compute.

Tests models/segformer/model.py and models/segformer/decode_head.py.
"""

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from segpp.export.models.loading import load_checkpoint

transformers = pytest.importorskip("transformers")
smp = pytest.importorskip("segmentation_models_pytorch")

SIZES = {"b0": ((32, 64, 160, 256), (2, 2, 2, 2)), "b2": ((64, 128, 320, 512), (3, 4, 6, 3))}

# Two orders of the same FP32 sums. An activation is a sum of up to 2048 products, each rounded to
# 2**-24, so about 3e-6 when the errors add up like a random walk; layers and residuals average it.
RELATIVE = 1e-5

# What writes into the norms: patch embeddings, spatial reduction, the two ends of a residual.
QUIET = re.compile(
    r"patch_embed|attention\.o_proj|sequence_reduction\.sequence_reduction|attn\.(sr|proj)|fc2"
)


def spread(model: nn.Module) -> nn.Module:
    """Give every weight and statistic a value that its initialisation does not have.

    Fresh norms have weight 1, bias 0, mean 0 and variance 1: exchanged or lost, they would go
    unnoticed. The norms of the encoder get inputs of a variance near 1e-4, where an epsilon of
    1e-5 in place of 1e-6 changes them by 4 %.
    """
    generator = torch.Generator().manual_seed(7)
    for name, tensor in model.state_dict().items():
        if not tensor.is_floating_point():
            continue
        noise = torch.randn(tensor.shape, generator=generator)
        if name.endswith("running_var"):
            tensor.copy_(0.5 + noise.abs())
        elif tensor.ndim == 1:
            tensor.copy_(("weight" in name) + 0.2 * noise)
        else:
            tensor.copy_(noise * tensor[0].numel() ** -0.5)
        if QUIET.search(name):
            tensor.mul_(0.01)
    return model.eval()


@pytest.fixture
def image() -> Tensor:
    return torch.randn(2, 3, 64, 128, generator=torch.Generator().manual_seed(1))


@pytest.fixture(autouse=True)
def no_gradients() -> Iterator[None]:
    with torch.no_grad():
        yield


def hugging_face(size: str) -> nn.Module:
    dims, depths = SIZES[size]
    config = transformers.SegformerConfig(
        hidden_sizes=list(dims),
        depths=list(depths),
        decoder_hidden_size=256 if size == "b0" else 768,
        num_labels=7,
    )
    return spread(transformers.SegformerForSemanticSegmentation(config))


def to_folder(model: nn.Module, folder: Path) -> Path:
    model.save_pretrained(folder / "hf")  # type: ignore[operator]  # a PreTrainedModel
    return folder / "hf"


def to_state_dict(model: nn.Module, folder: Path) -> Path:
    torch.save(model.state_dict(), folder / "x.pth")
    return folder / "x.pth"


def relative_difference(ours: Tensor, theirs: Tensor) -> float:
    return float((ours - theirs).abs().max() / theirs.abs().max())


@pytest.mark.parametrize(
    ("write", "layout"), [(to_folder, "huggingface"), (to_state_dict, "huggingface-v5")]
)
@pytest.mark.parametrize("size", SIZES)
def test_logits_equal_those_of_transformers(
    size: str,
    write: Callable[[nn.Module, Path], Path],
    layout: str,
    tmp_path: Path,
    image: Tensor,
) -> None:
    model = hugging_face(size)
    checkpoint = load_checkpoint(write(model, tmp_path))

    logits = checkpoint.build()(image)

    assert checkpoint.format == layout
    assert checkpoint.architecture.name == f"segformer-{size}"
    assert relative_difference(logits, model(image).logits) < RELATIVE


@pytest.mark.parametrize("size", [(33, 47), (90, 160), (101, 131)])
def test_logits_equal_those_of_transformers_at_sizes_that_nothing_divides(
    tmp_path: Path, size: tuple[int, int]
) -> None:
    image = torch.randn(1, 3, *size, generator=torch.Generator().manual_seed(1))
    model = hugging_face("b0")

    logits = load_checkpoint(to_folder(model, tmp_path)).build()(image)

    assert logits.shape == model(image).logits.shape
    assert relative_difference(logits, model(image).logits) < RELATIVE


@pytest.mark.parametrize("size", SIZES)
def test_logits_equal_those_of_smp(size: str, tmp_path: Path, image: Tensor) -> None:
    model = spread(smp.Segformer(f"mit_{size}", encoder_weights=None, classes=7))
    checkpoint = load_checkpoint(to_state_dict(model, tmp_path))

    logits = checkpoint.build()(image)

    # Theirs are at the image's size, resized as the layout says.
    assert (checkpoint.format, checkpoint.numerics.align_corners) == ("smp", True)
    resized = F.interpolate(logits, image.shape[2:], mode="bilinear", align_corners=True)
    assert relative_difference(resized, model(image)) < RELATIVE
