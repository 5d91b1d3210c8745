"""Every node of ours in an exported file becomes a plugin of the contract's shapes and types."""

from pathlib import Path
from typing import Any

import onnx
import pytest

from segpp.ops import CONTRACTS, DOMAIN, MAX_INT8_CLASSES
from tests.export.reduction.every_setting import SETTINGS
from tests.helpers.checkpoints import MINIATURE
from tests.trt_plugins.tensorrt.conftest import Inside

TYPES = {
    onnx.TensorProto.FLOAT: "FLOAT",
    onnx.TensorProto.FLOAT16: "HALF",
    onnx.TensorProto.BFLOAT16: "BF16",
    onnx.TensorProto.INT32: "INT32",
    onnx.TensorProto.INT8: "INT8",
}
NAMES = [
    f"{name}-{reduction}-{precision}"
    for name in ("b0", "b2")
    for reduction in ("hq", "fast", "half")
    for precision in ("fp32", "fp16", "bf16")
    if precision != "bf16" or reduction == "hq"
]
NAMES += [
    f"vit-{reduction}-{precision}"
    for reduction in ("half", "algm", "shared", "passed", "tokens")
    for precision in ("fp32", "fp16")
]
# The decode head as one operator, and sums in those that unmerge, are in files for TensorRT alone.
HEAD, UNMERGE, ADDING = "SegppDecodeHead", "SegppTokenUnmerge", "SegppTokenUnmergeAdd"
FOR_TENSORRT = [f"b0-tensorrt-{precision}" for precision in ("fp16", "bf16")]
NAMES += FOR_TENSORRT
# Of attention, those of a ViT's head included.
BLOCKS = {"b0": 8, "b2": 16, "vit": 4}
UNMERGED = [f"{name}-none-{precision}" for name in BLOCKS for precision in ("fp16", "bf16")]

Tensor = tuple[list[int], str]


@pytest.fixture(scope="module")
def parsed(inside: Inside, library: Path, models: list[Path]) -> dict[str, dict[str, Any]]:
    found = inside("parser.py", library, *models)
    return {Path(file).stem: answer for file, answer in found.items()}


@pytest.fixture(scope="module")
def parsed_unmerged(
    inside: Inside, library: Path, all_models: list[Path]
) -> dict[str, dict[str, Any]]:
    paths = [path for path in all_models if path.stem in UNMERGED]
    found = inside("parser.py", library, *paths)
    return {Path(file).stem: answer for file, answer in found.items()}


@pytest.fixture(scope="module")
def parsed_settings(
    inside: Inside, library: Path, setting_models: dict[str, Path]
) -> dict[str, dict[str, Any]]:
    found = inside("parser.py", library, *setting_models.values())
    return {name: found[str(path)] for name, path in setting_models.items()}


def expected(path: Path) -> dict[str, tuple[list[Tensor], Tensor]]:
    """Return the inputs and the output of each node of ours, by the contract alone."""
    graph = onnx.load(path).graph
    values = {
        value.name: (
            [dim.dim_value for dim in value.type.tensor_type.shape.dim],
            TYPES.get(value.type.tensor_type.elem_type, "?"),
        )
        for value in [*graph.input, *graph.value_info, *graph.output]
    }
    values |= {
        tensor.name: (list(tensor.dims), TYPES.get(tensor.data_type, "?"))
        for tensor in graph.initializer
    }
    nodes = [node for node in graph.node if node.domain == DOMAIN]
    return {node.name: contracted(node, values) for node in nodes}


def contracted(node: onnx.NodeProto, values: dict[str, Tensor]) -> tuple[list[Tensor], Tensor]:
    inputs = [values[name] for name in node.input]
    attributes = {attribute.name: attribute.i for attribute in node.attribute}
    (batch, *rest), kind = inputs[0]
    if node.op_type == "SegppTokenMatch":
        tokens = attributes["height"] * attributes["width"]
        assert rest[0] == tokens
        return inputs, ([batch, tokens], "INT32")
    if node.op_type == "SegppTokenMerge":
        return inputs, ([batch, attributes["slots"], rest[1]], kind)
    if node.op_type in {UNMERGE, ADDING}:
        return inputs, ([batch, inputs[1][0][1], rest[1]], kind)
    if node.op_type == HEAD:
        return inputs, ([batch, inputs[4][0][0], *rest[1:]], kind)
    label = "INT8" if rest[0] <= MAX_INT8_CLASSES else "INT32"
    return inputs, ([batch, attributes["height"], attributes["width"]], label)


def test_every_network_was_exported(models: list[Path]) -> None:
    assert sorted(path.stem for path in models) == sorted(NAMES)


@pytest.mark.parametrize("form", ["whole", "stripped"])
@pytest.mark.parametrize("name", NAMES)
def test_every_node_of_ours_becomes_a_plugin(
    parsed: dict[str, dict[str, Any]], models: list[Path], name: str, form: str
) -> None:
    [path] = [path for path in models if path.stem == name]
    nodes = expected(path)

    found = parsed[name][form]

    assert found["parsed"], found["errors"]
    layers = plugins_of(found)
    assert layers == nodes
    used = {layer.rpartition("_")[0] for layer in layers}
    assert used == set(CONTRACTS) - ({UNMERGE} if name in FOR_TENSORRT else {HEAD, ADDING})


def plugins_of(found: dict[str, Any]) -> dict[str, tuple[list[Tensor], Tensor]]:
    return {
        layer["name"]: (
            [(tensor["shape"], tensor["type"]) for tensor in layer["inputs"]],
            *[(tensor["shape"], tensor["type"]) for tensor in layer["outputs"]],
        )
        for layer in found["plugins"]
    }


@pytest.mark.parametrize("name", SETTINGS)
def test_a_file_of_every_setting_is_parsed_with_its_plugins_and_every_softmax(
    parsed_settings: dict[str, dict[str, Any]], setting_models: dict[str, Path], name: str
) -> None:
    found = parsed_settings[name]

    assert found["whole"]["parsed"], found["whole"]["errors"]
    assert found["whole"]["errors"] == []
    assert plugins_of(found["whole"]) == expected(setting_models[name])
    assert found["whole"] == found["stripped"]
    assert found["whole"]["types"]["SOFTMAX"] == sum(MINIATURE.depths)


@pytest.mark.parametrize("name", NAMES)
def test_a_file_with_its_functions_gives_the_same_network_as_without(
    parsed: dict[str, dict[str, Any]], name: str
) -> None:
    whole, stripped = parsed[name]["whole"], parsed[name]["stripped"]

    assert whole == stripped
    assert whole["layers"] > len(whole["plugins"])


@pytest.mark.parametrize("name", UNMERGED)
def test_a_file_of_halves_without_merging_is_parsed_with_every_softmax(
    parsed_unmerged: dict[str, dict[str, Any]], name: str
) -> None:
    found = parsed_unmerged[name]["whole"]

    assert found["parsed"], found["errors"]
    assert found["errors"] == []
    assert found["types"]["SOFTMAX"] == BLOCKS[name.partition("-")[0]]


@pytest.mark.parametrize("name", NAMES)
def test_the_labels_come_out_as_int8_beside_the_logits(
    parsed: dict[str, dict[str, Any]], name: str
) -> None:
    outputs = {tensor["name"]: tensor["type"] for tensor in parsed[name]["whole"]["outputs"]}

    assert outputs == {"logits": "FLOAT", "labels": "INT8"}
