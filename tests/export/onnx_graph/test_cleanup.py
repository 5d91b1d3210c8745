"""What leaves the house: nothing of the exporting machine, our functions once, old versions.

Tests onnx_graph/cleanup.py, and onnx_graph/trace.py before it.
"""

import platform
import re
import socket
from pathlib import Path

import numpy as np
import onnx
import onnx_ir
import onnxruntime
import pytest

from segpp import __version__, ops
from segpp.export.models.segformer.architecture import segformer
from segpp.export.models.segformer.loading.formats import FORMATS
from segpp.export.models.segformer.model import SegFormer
from segpp.export.models.segformer.presets import reduction_config
from segpp.export.onnx_graph.cleanup import clean
from segpp.export.onnx_graph.lint import lint
from segpp.export.targets import MAX_IR_VERSION, OPSET
from segpp.ops.grid import Size
from tests.helpers.checkpoints import trace_network

torch = pytest.importorskip("torch")

RAW = """<ir_version: 10, opset_import: ["": 18, "segpp": 1, "pkg.torch": 1],
 producer_name: "pytorch", doc_string: "of anna">
main_graph (float[1,8,4] x) => (float[1,8,4] y) <float[4] unused = {1, 2, 3, 4}> {
    [node_call] slot = segpp.SegppTokenMatch <height = 2, width = 4, stride_y = 2, stride_x = 2,
        merged = 3, window = 0, plugin_version = "1", plugin_namespace = ""> (x)
    [dead] nothing = Relu(x)
    [node_a] m = segpp.SegppTokenMerge
        <slots = 5, plugin_version = "1", plugin_namespace = ""> (x, slot)
    [node_b] n = segpp.SegppTokenMerge
        <slots = 5, plugin_version = "1", plugin_namespace = ""> (x, slot)
    sum = Add(m, n)
    y = segpp.SegppTokenUnmerge <plugin_version = "1", plugin_namespace = ""> (sum, slot)
}"""


@pytest.fixture(scope="module")
def traced() -> onnx.ModelProto:
    """What torch's exporter makes of a network whose tokens are merged, before it is cleaned."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = SegFormer(segformer("b0", classes=3), FORMATS["mmsegmentation"].numerics).eval()
    model.apply_reductions(reduction_config(ratio=0.5))
    return onnx_ir.to_proto(trace_network(model, Size(64, 64)))


@pytest.fixture(scope="module")
def shipped(traced: onnx.ModelProto) -> onnx.ModelProto:
    return cleaned(traced, name="segformer")


def cleaned(model: onnx.ModelProto, **options: str) -> onnx.ModelProto:
    return clean(onnx_ir.from_proto(model), **options)


def bytes_without_weights(model: onnx.ModelProto) -> bytes:
    """Return the file's bytes; random weights could spell anything."""
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    for tensor in copy.graph.initializer:
        tensor.raw_data = b""
    return copy.SerializeToString()


def test_torch_leaves_traces_of_the_machine(traced: onnx.ModelProto) -> None:
    """Or the tests below would pass on anything."""
    text = bytes_without_weights(traced)

    assert b".py" in text
    assert b"SegFormer" in text
    assert b"stack_trace" in text


@pytest.mark.parametrize(
    "trace",
    [
        *(r"\.py\b", r"site-packages", r"/export/", r"stack_trace", r"pkg\.", r"[Tt]orch"),
        *(r"\bSegFormer\b", r"Attention", r"nn\.", r"forward", r"pytorch"),
        *(re.escape(name) for name in sorted({str(Path.home()), str(Path.cwd())} - {"/"})),
        *(
            re.escape(name)
            for name in sorted({socket.gethostname(), platform.node()})
            if len(name) > 5
        ),
    ],
)
def test_nothing_of_the_exporting_machine_is_in_the_file(
    shipped: onnx.ModelProto, trace: str
) -> None:
    assert re.search(trace.encode(), bytes_without_weights(shipped)) is None


def test_the_producer_is_segpp(shipped: onnx.ModelProto) -> None:
    assert (shipped.producer_name, shipped.producer_version) == ("segpp", __version__)
    assert shipped.graph.name == "segformer"


def test_versions_are_those_that_old_readers_know(shipped: onnx.ModelProto) -> None:
    versions = {entry.domain: entry.version for entry in shipped.opset_import}

    assert shipped.ir_version <= MAX_IR_VERSION == 9
    assert versions == {"": OPSET, ops.DOMAIN: ops.VERSION}
    assert OPSET == 18


def test_a_function_is_attached_once_for_all_its_nodes(shipped: onnx.ModelProto) -> None:
    used = [node.op_type for node in shipped.graph.node if node.domain == ops.DOMAIN]

    assert sorted(function.name for function in shipped.functions) == sorted(set(used))
    assert used.count("SegppTokenMatch") == 8
    assert {function.domain for function in shipped.functions} == {ops.DOMAIN}


def test_every_node_has_a_name_of_its_own_that_tells_its_operator(
    shipped: onnx.ModelProto,
) -> None:
    names = [node.name for node in shipped.graph.node]

    assert len(set(names)) == len(names)
    assert all(node.name.startswith(f"{node.op_type}_") for node in shipped.graph.node)


def test_input_and_output_keep_names_and_sizes(shipped: onnx.ModelProto) -> None:
    [image], [logits] = shipped.graph.input, shipped.graph.output

    def shape(value: onnx.ValueInfoProto) -> tuple[int, ...]:
        return tuple(dim.dim_value for dim in value.type.tensor_type.shape.dim)

    assert (image.name, shape(image)) == ("image", (1, 3, 64, 64))
    assert (logits.name, shape(logits)) == ("logits", (1, 3, 16, 16))


def test_the_file_is_valid_and_keeps_the_rules_of_its_targets(shipped: onnx.ModelProto) -> None:
    onnx.checker.check_model(shipped, full_check=True)

    assert lint(shipped) == []


def test_cleaning_twice_is_cleaning_once(shipped: onnx.ModelProto) -> None:
    assert cleaned(shipped, name="segformer").SerializeToString() == shipped.SerializeToString()


def test_a_graph_is_tidied_and_still_computes_the_same() -> None:
    tidy = cleaned(onnx.parser.parse_model(RAW))

    assert [node.op_type for node in tidy.graph.node].count("Relu") == 0
    assert [tensor.name for tensor in tidy.graph.initializer] == []
    assert {entry.domain for entry in tidy.opset_import} == {"", "segpp"}
    session = onnxruntime.InferenceSession(
        tidy.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    x = np.random.default_rng(0).standard_normal((1, 8, 4), np.float32)
    [y] = session.run(None, {"x": x})
    slot = ops.match_reference(x, height=2, width=4, stride_y=2, stride_x=2, merged=3, window=0)
    expected = ops.unmerge_reference(2 * ops.merge_reference(x, slot, slots=5), slot)
    # A mean of at most four numbers below 4: four roundings of 2**-24 * 4, doubled.
    assert np.abs(y - expected).max() <= 2 * 4 * 4 * 2.0**-24


def test_a_graph_without_our_operators_gets_no_function_and_no_domain() -> None:
    plain = onnx.parser.parse_model(
        '<ir_version: 8, opset_import: ["": 18, "segpp": 1]> '
        "g (float[2] x) => (float[2] y) { y = Relu(x) }"
    )

    tidy = cleaned(plain)

    assert list(tidy.functions) == []
    assert [entry.domain for entry in tidy.opset_import] == [""]
