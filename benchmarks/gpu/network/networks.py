"""The networks that are compared: transformers' SegFormer, and ours with the same weights."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from benchmarks.gpu.kernels.operators import KernelMatching
from benchmarks.gpu.kernels.plain_torch import TorchMatching
from segpp.export.models.layers import AttentionCore, LayerNorm
from segpp.export.models.segformer.architecture import HEADS, SIZES, segformer
from segpp.export.models.segformer.loading.formats import FORMATS, to_segpp
from segpp.export.models.segformer.model import SegFormer
from segpp.export.models.segformer.presets import PRESETS
from segpp.export.reduction.assignments.cell_means import CellMeans
from segpp.export.reduction.assignments.cells import cells_of
from segpp.export.reduction.base import TokenReduction
from segpp.export.reduction.methods.bsm import BipartiteSoftMatching
from segpp.export.reduction.methods.n2d import Neighbor2d
from segpp.export.reduction.sites import Site
from segpp.images import sample_image
from segpp.images.preprocess import load_image
from segpp.ops.grid import Grid

__all__ = ["Form", "Variant", "Weights", "hugging_face", "image", "ours"]

CLASSES = 19
_FORMAT = "huggingface-v5"
# B0 and B1 have a smaller head.
_DECODERS = {"b0": 256, "b1": 256}
_DECODER = 768

Weights = Mapping[str, Tensor]
_Old = TypeVar("_Old", bound=nn.Module)


@dataclass(frozen=True)
class Variant:
    """How our network merges.

    Attributes:
        by: Who computes bsm: ``kernels``, ``torch`` (matching with topk), or ``reference`` (the
            torch form that exports are checked against).
        match_interval: In how many consecutive blocks of a stage one match serves.
    """

    preset: str
    by: str = "kernels"
    window: int = 0
    match_interval: int = 1

    @property
    def reductions(self) -> Mapping[Site, TokenReduction]:
        """The reduction at each site."""
        return {site: self._reduction(one) for site, one in PRESETS[self.preset].items()}

    def _reduction(self, reduction: TokenReduction) -> TokenReduction:
        if isinstance(reduction, Neighbor2d):
            return ConstantCells(reduction.rows, reduction.cols)
        if not isinstance(reduction, BipartiteSoftMatching):
            return reduction
        if self.by == "reference":
            return replace(reduction, window=self.window)
        kind = KernelMatching if self.by == "kernels" else TorchMatching
        return kind(reduction.ratio, reduction.sy, reduction.sx, self.window)


@dataclass(frozen=True)
class Form:
    """Type of numbers, and whether attention is one fused operator."""

    dtype: torch.dtype
    fused: bool


@dataclass(frozen=True)
class ConstantCells(Neighbor2d):
    """n2d whose indices are computed once, as in an exported file, and not by every call."""

    def match(self, x: Tensor, grid: Grid) -> "_Cells":  # noqa: ARG002 - the grid alone decides
        """Return the cells."""
        return _Cells(CellMeans(grid, self.rows, self.cols))


@dataclass(frozen=True)
class _Cells:
    means: CellMeans

    def merge(self, x: Tensor) -> Tensor:
        return self.means.merge(x)

    def unmerge(self, y: Tensor) -> Tensor:
        return y[:, _cell_of_each(self.means, y.device)]


@cache
def _cell_of_each(means: CellMeans, device: torch.device) -> Tensor:
    cells = cells_of(means.grid, means.rows, means.cols).tokens
    return means.unmerge(torch.arange(cells, device=device)[None, :, None]).flatten()


class FusedAttention(nn.Module):
    """Attention as one operator of PyTorch, the scale of the queries included."""

    def __init__(self, heads: int) -> None:
        super().__init__()
        self.heads = heads

    def forward(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """Attend from q (B, N, C) to k and v (B, M, C); return (B, N, C)."""
        q, k, v = (x.reshape(*x.shape[:2], self.heads, -1).transpose(1, 2) for x in (q, k, v))
        return F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2)


def hugging_face(size: str, *, attention: str = "sdpa") -> nn.Module:
    """Return transformers' network with random weights, in FP32 on the CPU."""
    from transformers import (  # noqa: PLC0415 - a second that only some stages need
        SegformerConfig,
        SegformerForSemanticSegmentation,
    )

    dims, depths = SIZES[size]
    config = SegformerConfig(
        depths=list(depths),
        hidden_sizes=list(dims),
        num_attention_heads=list(HEADS),
        decoder_hidden_size=_DECODERS.get(size, _DECODER),
        num_labels=CLASSES,
        attn_implementation=attention,
    )
    torch.manual_seed(0)
    model: nn.Module = SegformerForSemanticSegmentation(config).eval()
    for module in model.modules():
        if isinstance(module, (nn.Linear, nn.Conv2d)):
            # Theirs are so small that all tokens of a deep stage are nearly alike.
            module.reset_parameters()
    return model


def ours(size: str, weights: Weights, variant: Variant, form: Form) -> SegFormer:
    """Return our network with the weights of ``hugging_face``, on the CPU.

    In fused form everything is one of PyTorch's fastest operators: its LayerNorm has FP32
    statistics for any type, which the exported one spells out.
    """
    decoder = _DECODERS.get(size, _DECODER)
    architecture = segformer(size, classes=CLASSES, head="linear", decoder=decoder)
    fmt = FORMATS[_FORMAT]
    with torch.device("meta"):
        model = SegFormer(architecture, fmt.numerics)
    counted = "num_batches_tracked"  # a number, by which inference does not go
    floats = {name: one for name, one in weights.items() if not name.endswith(counted)}
    state = to_segpp(fmt, floats) | {f"head.fuse.norm.{counted}": torch.tensor(0)}
    model.load_state_dict(state, assign=True)
    model.apply_reductions(variant.reductions, match_interval=variant.match_interval)
    if form.fused:
        _replace(model, AttentionCore, lambda old: FusedAttention(old.heads))
        _replace(model, LayerNorm, _native_norm)
        for stage in model.stages:
            for block in stage.blocks:  # type: ignore[union-attr]  # nn.Module hides it
                block.attention.scale = 1
    return model.eval()


def image(height: int, width: int) -> Tensor:
    """Return the bundled street (1, 3, height, width) in FP32, normalised."""
    pixels = torch.from_numpy(load_image(sample_image()).copy()).permute(2, 0, 1)[None].float()
    resized = F.interpolate(pixels, (height, width), mode="bilinear", align_corners=False)
    return (resized - resized.mean()) / resized.std()


def _native_norm(old: LayerNorm) -> nn.LayerNorm:
    norm = nn.LayerNorm(old.normalized_shape, old.eps)
    norm.weight, norm.bias = old.weight, old.bias
    return norm


def _replace(model: nn.Module, kind: type[_Old], by: Callable[[_Old], nn.Module]) -> None:
    for module in list(model.modules()):
        for name, child in module.named_children():
            if type(child) is kind:
                setattr(module, name, by(child))
