"""Every rewrite found computes what the network computed, alone and with the others.

Tests models/vit/rewrites/*.py and models/_common/attention_rewrites.py, models/_common/linear.py,
models/_common/ort_attention.py, models/_common/fusable_gelu.py.
"""

from collections.abc import Iterable

import onnx
import pytest
import torch
from torch import nn

from segpp.export.models.layers import MergingAttention
from segpp.export.models.rewriting import apply_rewrites, select_rewrites
from segpp.export.models.vit.architecture import HEADS, Head, vit
from segpp.export.models.vit.family import FAMILY
from segpp.export.models.vit.loading.formats import FORMATS
from segpp.export.models.vit.network import ViT
from segpp.export.models.vit.rewrites import REWRITES
from segpp.export.onnx_graph.cleanup import clean
from segpp.export.onnx_graph.lint import lint
from segpp.export.reduction.config import ReductionChoice
from segpp.export.reduction.methods.token_pass import TokenPass
from segpp.export.reduction.sites import Site
from segpp.export.targets import ONNXRUNTIME, TARGETS
from segpp.ops.grid import Grid, Size
from tests.helpers.checkpoints import trace_network

SIZE = Size(50, 81)
MORE = {
    "mask-classification": {"queries": 4, "query_blocks": 1, "upscalings": 2},
    "setr-pup": {"upscalings": 2},
}


def network(
    head: Head,
    *,
    ffn: str = "gelu",
    scaled: bool = True,
    preset: str = "none",
    exits: tuple[int, ...] = (),
) -> ViT:
    """Return a network in which no weight, bias, scale or statistic is trivial."""
    architecture = vit(
        dim=128, depth=2, heads=2, patch=16, prefix=3, hidden=96, ffn=ffn,  # type: ignore[arg-type]
        head=head, decoder=64, head_blocks=2 if head == "mask-transformer" else 0, classes=5,
        channels=3, exits=exits, exit_channels=16 if exits else 0, **MORE.get(head, {}),
    )  # fmt: skip
    generator = torch.Generator().manual_seed(0)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        model = ViT(architecture, FORMATS["segmenter"].numerics, Grid(4, 6), scaled=scaled)
    for name, tensor in [*model.named_parameters(), *model.named_buffers()]:
        if tensor.is_floating_point() and tensor.ndim != 2:
            drawn = torch.rand(tensor.shape, generator=generator)
            positive = name.endswith(("weight", "running_var"))
            tensor.data = drawn + 0.5 if positive and tensor.ndim == 1 else drawn - 0.5
    config = FAMILY.reduction_config(ReductionChoice(preset=preset), architecture)
    return model.eval().requires_grad_(requires_grad=False).apply_reductions(config)


def rewritten(model: ViT, names: Iterable[str]) -> ViT:
    return apply_rewrites(model, [REWRITES[name] for name in names])


def names_for(target: str) -> tuple[str, ...]:
    return tuple(select_rewrites(REWRITES, target).on)


def relative_difference(model: ViT, names: Iterable[str], dtype: torch.dtype) -> float:
    """Return how far the network moves, computed and rewritten in ``dtype``."""
    model = model.to(dtype)
    x = torch.randn(2, 3, *SIZE, generator=torch.Generator().manual_seed(2)).to(dtype)
    with torch.inference_mode():
        expected, found = model(x), rewritten(model, names)(x)
    return float((expected - found).abs().max() / expected.abs().max())


EVERY = [(name,) for name in REWRITES] + [names_for(target) for target in TARGETS]
IDS = [*REWRITES, *(f"all for {target}" for target in TARGETS)]


@pytest.mark.parametrize("names", EVERY, ids=IDS)
@pytest.mark.parametrize("head", HEADS)
def test_a_rewrite_is_exact_in_real_arithmetic(head: Head, names: tuple[str, ...]) -> None:
    # Double precision rounds by 1e-16 and the longest chain is a few hundred products.
    assert relative_difference(network(head), names, torch.float64) < 1e-10


@pytest.mark.parametrize("preset", ["none", "even"])
def test_all_of_them_change_single_precision_by_rounding_only(preset: str) -> None:
    model = network("mask-transformer", ffn="swiglu", preset=preset)

    difference = relative_difference(model, names_for(ONNXRUNTIME), torch.float32)

    assert difference <= FAMILY.tolerance(model.architecture, SIZE)


def test_nothing_of_what_is_folded_is_left() -> None:
    model = network("bn-linear")

    folded = rewritten(model, names_for(ONNXRUNTIME))

    kinds = {type(module) for module in folded.modules()}
    assert nn.BatchNorm1d not in kinds
    assert "LayerScale" not in {kind.__name__ for kind in kinds}
    attentions = [one for one in folded.modules() if isinstance(one, MergingAttention)]
    assert len(attentions) == 2
    assert all(one.scale == 1 and one.kv is not None for one in attentions)


@pytest.mark.parametrize("head", ["linear", "setr-naive"])
def test_auxiliary_heads_judge_the_same_without_their_norm(head: Head) -> None:
    leaving = {Site(2, "tokens"): TokenPass(by="confidence")}
    model = network(head, exits=(2,)).apply_reductions(leaving)

    assert relative_difference(model, ("fold-batch-norm",), torch.float64) < 1e-10

    x = torch.randn(2, 24, 128, generator=torch.Generator().manual_seed(4)).double()
    folded = rewritten(model, ("fold-batch-norm",))
    assert torch.allclose(folded.exits[0](x), model.exits[0](x), atol=1e-10)
    assert nn.BatchNorm1d not in {type(module) for module in folded.modules()}


def test_no_gelu_is_left_that_engines_do_not_know() -> None:
    folded = rewritten(network("mask-classification"), ("gelu-for-fusion",))

    kinds = [type(module).__name__ for module in folded.modules()]
    # Of two blocks, two upscalings and the queries' layers.
    assert ("GELU" in kinds, kinds.count("FusableGelu")) == (False, 5)


def test_a_rewritten_network_passes_the_lint_with_every_attention_as_one_node() -> None:
    model = rewritten(network("mask-transformer"), names_for(ONNXRUNTIME))

    graph = clean(trace_network(model, SIZE), ONNXRUNTIME)

    onnx.checker.check_model(graph)
    operators = [node.op_type for node in graph.graph.node]
    assert operators.count("MultiHeadAttention") == model.architecture.attentions == 4
    assert lint(graph, ONNXRUNTIME) == []
