"""Every rewrite found computes what the network computed, alone and with the others.

Tests models/segformer/rewrites/*.py and models/segformer/rewrites/_replacements/*.py, and
models/_common/attention_rewrites.py, models/_common/fusable_gelu.py, models/_common/linear.py and
models/_common/ort_attention.py.
"""

import re
from collections import Counter
from collections.abc import Iterable

import onnx
import onnx.inliner
import onnxruntime
import pytest
import torch
from torch import Tensor, nn

from segpp.export.models.rewriting import apply_rewrites, select_rewrites
from segpp.export.models.segformer.model import SegFormer
from segpp.export.models.segformer.rewrites import REWRITES
from segpp.export.models.segformer.tolerance import relative_tolerance
from segpp.export.onnx_graph.cleanup import clean
from segpp.export.onnx_graph.lint import lint
from segpp.export.targets import ONNXRUNTIME, PORTABLE, TARGETS, TENSORRT
from segpp.ops.grid import Size
from tests.helpers.checkpoints import trace_network
from tests.helpers.random_segformer import HEADS, Head, network

# Grids of 33x42, 17x21, 9x11 and 5x6: no reduction of keys divides its own.
SIZE = Size(132, 168)
KEYS = 4 * 5


def images(model: SegFormer) -> Tensor:
    shape = (2, model.architecture.channels, *SIZE)
    return torch.randn(shape, generator=torch.Generator().manual_seed(2))


def rewritten(model: SegFormer, names: Iterable[str]) -> SegFormer:
    return apply_rewrites(model, [REWRITES[name] for name in names])


def names_for(target: str, *, off: Iterable[str] = ()) -> tuple[str, ...]:
    return tuple(select_rewrites(REWRITES, target, off=off).on)


def relative_difference(model: SegFormer, names: Iterable[str], dtype: torch.dtype) -> float:
    """Return how far the network moves, computed and rewritten in ``dtype``."""
    model, x = model.to(dtype), images(model).to(dtype)
    with torch.inference_mode():
        expected, found = model(x), rewritten(model, names)(x)
    return float((expected - found).abs().max() / expected.abs().max())


EVERY = [(name,) for name in REWRITES] + [names_for(target) for target in TARGETS]
IDS = [*REWRITES, *(f"all for {target}" for target in TARGETS)]


@pytest.mark.parametrize("names", EVERY, ids=IDS)
@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize("size", ["b0", "like b2"])
def test_a_rewrite_is_exact_in_real_arithmetic(
    size: str, head: Head, names: tuple[str, ...]
) -> None:
    model = network(size, head)

    # Double precision rounds by 1e-16 and the longest chain is a few hundred products.
    assert relative_difference(model, names, torch.float64) < 1e-10


@pytest.mark.parametrize("names", EVERY, ids=IDS)
@pytest.mark.parametrize("head", HEADS)
def test_a_rewrite_changes_single_precision_by_rounding_only(
    head: Head, names: tuple[str, ...]
) -> None:
    model = network("b0", head)

    difference = relative_difference(model, names, torch.float32)

    assert difference <= relative_tolerance(model.architecture, KEYS)


@pytest.mark.parametrize("preset", ["hq", "fast", "2x2"])
@pytest.mark.parametrize("names", EVERY[-len(TARGETS) :], ids=IDS[-len(TARGETS) :])
def test_all_rewrites_are_exact_with_merged_tokens(preset: str, names: tuple[str, ...]) -> None:
    model = network("b0", "linear", preset)

    assert relative_difference(model, names, torch.float64) < 1e-10


def test_the_tanh_gelu_stays_what_it_is() -> None:
    model = network("b0", "linear")
    for block in model.stages[0].blocks:
        block.ffn.activation = nn.GELU("tanh")

    assert relative_difference(model, ["gelu-for-fusion"], torch.float64) < 1e-10


@pytest.mark.parametrize("name", list(REWRITES))
def test_a_rewrite_says_what_it_does_and_what_comes_first(name: str) -> None:
    rewrite = REWRITES[name]

    assert re.fullmatch(r"[a-z]+(-[a-z0-9]+)*", name)
    assert rewrite.meaning
    assert not rewrite.meaning.endswith(".")
    assert set(rewrite.after) <= set(REWRITES) - {name}
    assert set(rewrite.targets) <= set(TARGETS)
    assert rewrite.targets


@pytest.fixture(scope="module")
def graphs() -> dict[str, onnx.ModelProto]:
    """The graph of one network without rewrites and in each dialect."""
    model = network("b0", "conv-bn", "hq")
    size = Size(128, 256)
    made = {"off": clean(trace_network(model, size))}
    # A plain file is a portable one made flat: see test_flatten.py.
    for target in (PORTABLE, ONNXRUNTIME, TENSORRT):
        traced = trace_network(rewritten(model, names_for(target)), size)
        made[target] = clean(traced, target)
    return made


def operators(model: onnx.ModelProto) -> list[str]:
    return [node.op_type for node in model.graph.node]


@pytest.mark.parametrize("target", [PORTABLE, ONNXRUNTIME, TENSORRT])
def test_a_rewritten_graph_has_no_batch_norm_and_no_concatenation(
    graphs: dict[str, onnx.ModelProto], target: str
) -> None:
    off, on = operators(graphs["off"]), operators(graphs[target])

    assert "Concat" in off
    assert not {"BatchNormalization", "Concat"} & set(on)
    assert lint(graphs[target], target) == []


def test_the_dialects_attend_in_their_own_way(graphs: dict[str, onnx.ModelProto]) -> None:
    portable, own = graphs[PORTABLE], graphs[ONNXRUNTIME]

    # B0 has eight blocks.
    assert operators(portable).count("Softmax") == 8
    assert operators(own).count("Softmax") == 0
    assert operators(own).count("MultiHeadAttention") == 8
    assert {node.domain for node in portable.graph.node} == {"", "segpp"}


def test_the_head_is_one_operator_for_tensorrt_alone(graphs: dict[str, onnx.ModelProto]) -> None:
    portable, own = operators(graphs[PORTABLE]), operators(graphs[TENSORRT])

    assert "SegppDecodeHead" not in portable
    assert own.count("SegppDecodeHead") == 1
    assert "Resize" not in own
    assert portable.count("Resize") == 3
    # Sums of four levels, and the classifier; residuals are added where tokens are unmerged.
    residuals = own.count("SegppTokenUnmergeAdd")
    assert residuals == portable.count("SegppTokenUnmerge") == 4
    assert portable.count("Add") - own.count("Add") == 3 + residuals
    assert portable.count("Conv") - own.count("Conv") == 1


def test_with_functions_in_place_a_file_for_tensorrt_is_what_it_is_without_its_operators(
    graphs: dict[str, onnx.ModelProto],
) -> None:
    in_place = {
        PORTABLE: ["SegppTokenUnmerge"],
        TENSORRT: ["SegppTokenUnmergeAdd", "SegppDecodeHead"],
    }

    found, expected = (
        Counter(
            operators(
                onnx.inliner.inline_selected_functions(
                    graphs[target], [("segpp", name) for name in in_place[target]]
                )
            )
        )
        for target in (TENSORRT, PORTABLE)
    )

    # A constant is a value of the graph here and a node of the function there.
    values = {"Constant", "Identity"}
    assert {k: n for k, n in found.items() if k not in values} == {
        k: n for k, n in expected.items() if k not in values
    }


@pytest.mark.parametrize("head", HEADS)
def test_a_head_that_is_not_folded_stays(head: Head) -> None:
    names = names_for(TENSORRT, off=["fold-decode-head"])
    unnormed = names_for(TENSORRT, off=["fold-batch-norm"])

    found = [rewritten(network("b0", head), chosen).head for chosen in (names, unnormed)]

    assert [type(one).__name__ for one in found] == ["Head", "FoldedHead"]


@pytest.mark.parametrize("align_corners", [False, True])
def test_a_file_for_tensorrt_runs_without_one(*, align_corners: bool) -> None:
    model = network("b0", "conv-bn")
    model.head.align_corners = align_corners
    image = images(model)[:1]
    traced = trace_network(rewritten(model, names_for(TENSORRT)), SIZE)
    graph = clean(traced, TENSORRT)

    session = onnxruntime.InferenceSession(graph.SerializeToString())
    [found] = session.run(None, {graph.graph.input[0].name: image.numpy()})

    with torch.inference_mode():
        expected = model(image)
    difference = float((torch.from_numpy(found) - expected).abs().max() / expected.abs().max())
    assert difference <= relative_tolerance(model.architecture, KEYS)


def test_onnxruntime_knows_the_gelu(graphs: dict[str, onnx.ModelProto], tmp_path: object) -> None:
    options = onnxruntime.SessionOptions()
    options.optimized_model_filepath = f"{tmp_path}/optimized.onnx"
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
    onnxruntime.InferenceSession(graphs[PORTABLE].SerializeToString(), options)

    optimized = operators(onnx.load(options.optimized_model_filepath))

    assert optimized.count("Gelu") == 8
    assert "Erf" not in optimized
