"""What the probes give is what numpy computes from the tensors themselves."""

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper

from segpp.calib.graph.sites import sites_of
from segpp.calib.pictures.runs import open_model
from segpp.calib.pipeline import observed
from segpp.calib.ranges.probes import Probe, add_probes
from segpp.errors import GraphError
from segpp.manifest import read_manifest
from tests.calib.conftest import TinyFile

ROWS = 16
FORMS = [
    ("conv-bn", 3, "--preset", "none"),
    ("linear", 4, "--preset", "hq"),
    ("conv-bn", 3, "--preset", "hq", "--target", "onnxruntime"),
    ("conv-bn", 3, "--preset", "hq", "--precision", "fp16"),
    ("conv-bn", 1, "--preset", "hq", "--batch", "2", "--input-dtype", "uint8", "--outputs", "both"),
]


def exposed(model: onnx.ModelProto, names: list[str]) -> onnx.ModelProto:
    """Return the model with tensors themselves as outputs."""
    shown = onnx.ModelProto()
    shown.CopyFrom(onnx.shape_inference.infer_shapes(model))
    known = {value.name: value for value in [*shown.graph.value_info, *shown.graph.input]}
    present = {value.name for value in [*shown.graph.output, *shown.graph.input]}
    shown.graph.output.extend(known[name] for name in names if name not in present)
    return shown


def by_numpy(tensor: np.ndarray, axis: int) -> tuple[np.ndarray, ...]:
    """Return extremes (C,), means (B, C) and all places (B, N, C)."""
    rows = np.moveaxis(tensor.astype(np.float32), axis, -1)
    rows = rows.reshape(len(rows), -1, rows.shape[-1])
    return rows.min((0, 1)), rows.max((0, 1)), rows.mean(1, np.float64), rows


def check(probe: Probe, outputs: dict[str, np.ndarray], tensor: np.ndarray, axis: int) -> None:
    low, high, mean, rows = by_numpy(tensor, axis)
    # On a CPU float16 is computed in float32, and the probes see it before it is rounded. Rounding
    # keeps the order, so the rounded extreme is the extreme of rounded values.
    kind = np.float16 if tensor.dtype == np.float16 else np.float32

    assert np.array_equal(outputs[probe.low].astype(kind), low.astype(kind))
    assert np.array_equal(outputs[probe.high].astype(kind), high.astype(kind))
    # Sums of N numbers in float32, pairwise at best and one after the other at worst.
    error = rows.shape[1] * np.finfo(np.float32).eps
    if kind == np.float16:
        error += np.finfo(kind).eps
    assert np.abs(outputs[probe.mean] - mean).max() <= error * np.abs(rows).max()
    found = outputs[probe.rows].astype(kind)
    assert found.shape == (len(rows), min(ROWS, rows.shape[1]), rows.shape[2])
    # The same places of every picture, each once, in order.
    places = [np.flatnonzero((rows[0] == row).all(1)) for row in found[0]]
    assert all(place.size for place in places)
    first = [int(place[0]) for place in places]
    if all(place.size == 1 for place in places):
        assert first == sorted(set(first))
        assert np.array_equal(found, rows[:, first])


@pytest.mark.parametrize("form", FORMS, ids=lambda form: "-".join(map(str, form)))
def test_probes_tell_what_the_tensors_are(tiny_file: TinyFile, form: tuple[str, int, str]) -> None:
    path = tiny_file(*form)
    model, manifest = onnx.load(path), read_manifest(path)
    axes = observed(sites_of(model))
    draw = np.random.default_rng(0)
    spec = manifest.input
    x = draw.integers(0, 256, spec.shape).astype(spec.dtype)
    if spec.dtype != "uint8":
        x = ((x.astype(np.float32) - 128) / 64).astype(spec.dtype)

    probed, probes = add_probes(model, axes, rows=ROWS)

    assert [probe.tensor for probe in probes] == list(axes)
    both = exposed(probed, list(axes))
    options = onnxruntime.SessionOptions()
    # What ONNX Runtime fuses it does not compute in between; both are to see the same numbers.
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(
        both.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    names = [one.name for one in session.get_outputs()]
    outputs = dict(zip(names, session.run(names, {spec.name: x}), strict=True))
    outputs[spec.name] = x
    for probe in probes:
        check(probe, outputs, outputs[probe.tensor], axes[probe.tensor])


def test_the_network_computes_what_it_did_and_is_not_changed(tiny_file: TinyFile) -> None:
    path = tiny_file("linear", 4, "--preset", "hq")
    model, manifest = onnx.load(path), read_manifest(path)
    before = model.SerializeToString()

    probed, _ = add_probes(model, observed(sites_of(model)), rows=ROWS)

    assert model.SerializeToString() == before
    assert probed.functions == model.functions
    assert list(probed.graph.node[: len(model.graph.node)]) == list(model.graph.node)
    assert probed.graph.output[0].name == manifest.outputs[0].name


def dense(*shape: int | str) -> onnx.ModelProto:
    """Return y = ReLU(x) of a shape."""
    x, y = (helper.make_tensor_value_info(n, TensorProto.FLOAT, shape) for n in "xy")
    graph = helper.make_graph([helper.make_node("Relu", ["x"], ["y"], "r")], "g", [x], [y])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)


@pytest.mark.parametrize(
    ("shape", "axis"), [((2, 5), -1), ((2, 7, 5), -1), ((2, 5, 3, 4), 1), ((1, 5, 1, 1), 1)]
)
def test_every_shape_of_an_activation_is_taken(shape: tuple[int, ...], axis: int) -> None:
    x = np.random.default_rng(0).standard_normal(shape).astype(np.float32)

    probed, [probe] = add_probes(dense(*shape), {"x": axis}, rows=ROWS)

    names = [probe.low, probe.high, probe.mean, probe.rows]
    outputs = dict(zip(names, open_model(probed).run(names, {"x": x}), strict=True))
    check(probe, outputs, x, axis)


def test_the_places_are_the_same_every_time() -> None:
    one, other = (add_probes(dense(1, 5, 64, 64), {"x": 1}, rows=ROWS)[0] for _ in range(2))

    assert one.SerializeToString() == other.SerializeToString()


@pytest.mark.parametrize("shape", [("N", 5), (1, "C", 3, 4)])
def test_a_shape_that_is_not_fixed_is_refused(shape: tuple[int | str, ...]) -> None:
    with pytest.raises(GraphError, match="the shape of 'x' is not fixed"):
        add_probes(dense(*shape), {"x": 1}, rows=ROWS)
