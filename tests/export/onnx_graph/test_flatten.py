"""A plain file: one flat graph that gives the bits of the portable one, for readers of little ONNX.

Here read ONNX's version converter, ONNX Runtime's half-precision converter and OpenVINO without
our help.
"""

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import openvino
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, version_converter
from onnxruntime.transformers.float16 import convert_float_to_float16

from segpp.errors import CheckError
from segpp.export.config import ExportConfig
from segpp.export.models.segformer.presets import PRESETS
from segpp.export.onnx_graph.flatten import FOLDED, flatten
from segpp.export.onnx_graph.lint import lint
from segpp.export.parity import check_same
from segpp.export.pipeline import export_onnx
from segpp.export.targets import PLAIN
from segpp.manifest import read_manifest
from segpp.ops.grid import Size
from segpp.runtime.inference.open_session import open_session

SIZE = Size(128, 256)
Outputs = dict[str, NDArray[np.generic]]


def written(checkpoint: Path, out: Path, **options: object) -> Path:
    settings = {"size": SIZE, "reduction": PRESETS["hq"], "outputs": "both", **options}
    export_onnx(ExportConfig(checkpoint, out, **settings))  # type: ignore[arg-type]  # as the test says
    return out


# hq matches tokens, 2x2 pools them and spreads the means.
@pytest.fixture(scope="module", params=["hq", "2x2"])
def portable(
    request: pytest.FixtureRequest, tiny_checkpoint: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    path = tmp_path_factory.mktemp("portable") / "x.onnx"
    return written(tiny_checkpoint, path, reduction=PRESETS[request.param])


@pytest.fixture(scope="module")
def flat(portable: Path) -> onnx.ModelProto:
    return flatten(onnx.load(portable))


@pytest.fixture(scope="module")
def image() -> NDArray[np.float32]:
    return np.random.default_rng(0).standard_normal((1, 3, *SIZE), np.float32)


def run(model: onnx.ModelProto, image: NDArray[np.float32]) -> Outputs:
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(names, {"image": image}), strict=True))


def test_it_gives_the_bits_of_the_portable_file(
    portable: Path, flat: onnx.ModelProto, image: NDArray[np.float32]
) -> None:
    expected, found = run(onnx.load(portable), image), run(flat, image)

    assert list(found) == list(expected) == ["logits", "labels"]
    assert all((found[name] == expected[name]).all() for name in expected)


def test_nothing_is_left_to_inline_or_to_fold(flat: onnx.ModelProto) -> None:
    operators = {node.op_type for node in flat.graph.node}
    constants = {tensor.name for tensor in flat.graph.initializer}

    assert not operators & FOLDED
    assert [entry.domain for entry in flat.opset_import] == [""]
    assert not flat.functions
    # No node computes from constants alone.
    assert [n.name for n in flat.graph.node if set(n.input) - {""} <= constants] == []
    assert lint(flat, PLAIN) == []


def test_every_value_has_a_fixed_shape_and_no_double(flat: onnx.ModelProto) -> None:
    values = {value.name: value.type.tensor_type for value in flat.graph.value_info}
    results = {name for node in flat.graph.node for name in node.output if name}

    assert results - {output.name for output in flat.graph.output} <= set(values)
    assert all(dim.dim_value > 0 for kind in values.values() for dim in kind.shape.dim)
    kinds = {kind.elem_type for kind in values.values()}
    kinds |= {tensor.data_type for tensor in flat.graph.initializer}
    allowed = (TensorProto.FLOAT, TensorProto.INT64, TensorProto.INT32, TensorProto.BOOL)
    assert kinds <= set(allowed)


def test_openvino_reads_it_as_it_is(
    flat: onnx.ModelProto, image: NDArray[np.float32], tmp_path: Path
) -> None:
    onnx.save(flat, tmp_path / "x.onnx")

    network = openvino.Core().compile_model(
        tmp_path / "x.onnx", "CPU", {"INFERENCE_PRECISION_HINT": "f32"}
    )

    labels = network({"image": image})["labels"]
    assert (labels == run(flat, image)["labels"]).mean() > 0.999


@pytest.mark.parametrize("opset", [20, 21])
def test_the_version_converter_takes_it(
    flat: onnx.ModelProto, image: NDArray[np.float32], opset: int
) -> None:
    converted = version_converter.convert_version(flat, opset)

    assert converted.opset_import[0].version == opset
    assert (run(converted, image)["labels"] == run(flat, image)["labels"]).all()


def test_the_half_precision_converter_takes_it(
    flat: onnx.ModelProto, image: NDArray[np.float32]
) -> None:
    copy = onnx.ModelProto.FromString(flat.SerializeToString())
    half = convert_float_to_float16(copy, keep_io_types=True)

    labels = run(half, image)["labels"]
    # The weights are random, and the masks noise: nothing but half precision may change them.
    assert (labels == run(flat, image)["labels"]).mean() > 0.9


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"input_dtype": "uint8", "outputs": "labels"},
        {"precision": "fp16", "min_agreement": 0.9},
    ],
    ids=["usual", "pixels", "half"],
)
def test_the_target_is_exported_checked_and_run(
    tiny_checkpoint: Path, tmp_path: Path, options: dict[str, object]
) -> None:
    file = written(tiny_checkpoint, tmp_path / "x.onnx", target=PLAIN, **options)

    manifest, model = read_manifest(file), onnx.load(file)
    picture = np.random.default_rng(0).integers(0, 256, (*SIZE, 3), dtype=np.uint8)
    with open_session(file) as session:
        [mask] = session(picture).masks
    assert manifest.parity is not None
    assert manifest.options["target"] == PLAIN
    assert not model.functions
    assert not lint(model, PLAIN)
    assert mask.shape == tuple(SIZE)


def test_a_file_that_gives_something_else_is_not_written(
    portable: Path, flat: onnx.ModelProto, image: NDArray[np.float32]
) -> None:
    wrong = onnx.ModelProto.FromString(flat.SerializeToString())
    weights = next(t for t in wrong.graph.initializer if len(t.dims) == 4)
    changed = onnx.numpy_helper.to_array(weights) * np.float32(1.01)
    weights.CopyFrom(onnx.numpy_helper.from_array(changed, weights.name))
    given = portable.read_bytes()
    limits = {"tolerance": 1e-5, "min_agreement": 0.999}

    check_same(given, flat.SerializeToString(), image, **limits)
    with pytest.raises(CheckError, match="other logits than the one that was compared"):
        check_same(given, wrong.SerializeToString(), image, **limits)


def test_doubles_are_refused() -> None:
    graph = "(double[4] x) => (double[4] y) { z = Abs(x) y = Abs(z) }"
    model = onnx.parser.parse_model(f'<ir_version: 9, opset_import: ["": 18]> g {graph}')

    with pytest.raises(CheckError, match=r"did not become plain\n  z is a double"):
        flatten(model)
