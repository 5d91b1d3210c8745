"""Rows and moments are those of the product that ONNX Runtime computes."""

import numpy as np
import onnx
import pytest

from segpp.calib.graph.sites import sites_of
from segpp.calib.graph.wiring import array_of
from segpp.calib.pictures.runs import open_model
from segpp.calib.writers.base import quantize_weight
from segpp.calib.writers.rounding import moments as module
from segpp.calib.writers.rounding.moments import Moments, codes_as_weight, product_of, rows_of

HEAD = '<ir_version: 8, opset_import: ["": 18]>\n'
FORMS = {
    "matmul": ("float[2,7,5] x", "float[5,3] w = {W}", "MatMul(x, w)"),
    "gemm": ("float[9,5] x", "float[3,5] w = {W}", "Gemm<transB = 1>(x, w)"),
    "conv": (
        "float[2,4,9,11] x",
        "float[6,4,3,3] w = {W}",
        "Conv<kernel_shape = [3, 3], strides = [2, 2], pads = [1, 0, 2, 1]>(x, w)",
    ),
    "reduce": (
        "float[1,3,8,12] x",
        "float[5,3,4,4] w = {W}",
        "Conv<kernel_shape = [4, 4], strides = [4, 4]>(x, w)",
    ),
    "depthwise": (
        "float[1,6,5,7] x",
        "float[6,1,3,3] w = {W}",
        "Conv<kernel_shape = [3, 3], pads = [1, 1, 1, 1], group = 6>(x, w)",
    ),
    "groups": (
        "float[2,6,5,7] x",
        "float[4,3,2,3] w = {W}",
        "Conv<kernel_shape = [2, 3], dilations = [2, 1], group = 2>(x, w)",
    ),
}


def size_of(text: str) -> tuple[int, ...]:
    return tuple(map(int, text.partition("[")[2].partition("]")[0].split(",")))


@pytest.fixture(params=FORMS)
def model(request: pytest.FixtureRequest) -> onnx.ModelProto:
    given, weight, node = FORMS[request.param]
    draw = np.random.default_rng(7)
    values = draw.normal(size=int(np.prod(size_of(weight))))
    numbers = "{" + ", ".join(f"{value:.4f}" for value in values) + "}"
    text = f"{HEAD}g ({given}) => (float[] y) <{weight.replace('{W}', numbers)}> {{ y = {node} }}"
    parsed = onnx.parser.parse_model(text)
    parsed.graph.node[0].name = "product"
    parsed.graph.output[0].CopyFrom(onnx.helper.make_tensor_value_info("y", 1, None))
    return parsed


def input_of(model: onnx.ModelProto) -> np.ndarray:
    shape = [dim.dim_value for dim in model.graph.input[0].type.tensor_type.shape.dim]
    return np.random.default_rng(8).normal(size=shape).astype(np.float32)


def weight_rows(model: onnx.ModelProto) -> np.ndarray:
    """Return the weight as (G, O, K)."""
    [site], [tensor] = sites_of(model), model.graph.initializer
    weight = np.moveaxis(array_of(tensor), site.output_axis, 0)
    return weight.reshape(site.groups, len(weight) // site.groups, -1)


def test_rows_times_weights_are_what_the_product_gives(model: onnx.ModelProto) -> None:
    [site], [node], x = sites_of(model), model.graph.node, input_of(model)

    rows = rows_of(x, site, node)

    [expected] = open_model(model, 1).run(None, {"x": x})
    found = np.einsum("gnk,gok->ngo", rows, weight_rows(model)).reshape(rows.shape[1], -1)
    columns = np.moveaxis(expected, site.channel_axis, -1).reshape(rows.shape[1], -1)
    # float32 adds up to 48 terms of a few units: 2^-24 of each.
    assert np.abs(found - columns).max() <= 48 * 10 * 2.0**-24


def test_few_places_are_some_of_all_from_everywhere(
    model: onnx.ModelProto, monkeypatch: pytest.MonkeyPatch
) -> None:
    [site], [node], x = sites_of(model), model.graph.node, input_of(model)
    every = rows_of(x, site, node)

    monkeypatch.setattr(module, "_PLACES", 3)
    some = rows_of(x, site, node)

    batch = len(x) if site.operator == "Conv" else 1
    assert 1 <= some.shape[1] <= 3 * batch
    assert all((every == row).all(2).any(1).all() for row in some.transpose(1, 0, 2)[:, :, None])


def test_targets_are_the_weights_where_int8_takes_what_float_does(model: onnx.ModelProto) -> None:
    [site], [node], x = sites_of(model), model.graph.node, input_of(model)
    weight = array_of(model.graph.initializer[0])
    moments, rows = Moments.empty(site.groups, weight_rows(model).shape[2]), rows_of(x, site, node)

    moments.add(rows, rows)
    product = product_of(weight, site, moments, 127)

    _, scales = quantize_weight(weight, site.output_axis)
    steps = weight_rows(model) / scales.astype(np.float64).reshape(site.groups, -1, 1)
    # Exact but for the solution of a system whose condition damping bounds by some thousands.
    assert product.targets == pytest.approx(steps, abs=1e-6)


def test_targets_make_up_for_what_activations_lost(model: onnx.ModelProto) -> None:
    [site], [node], x = sites_of(model), model.graph.node, input_of(model)
    weight = array_of(model.graph.initializer[0])
    moments, rows = Moments.empty(site.groups, weight_rows(model).shape[2]), rows_of(x, site, node)

    # In INT8 the next input's, and twice as large: half the weight there gives the same, but for
    # the damping, a hundredth of the moments' mean.
    lossy = 2 * np.roll(rows, 1, 2)
    moments.add(rows, lossy)
    product = product_of(weight, site, moments, 127)

    _, scales = quantize_weight(weight, site.output_axis)
    steps = weight_rows(model) / scales.astype(np.float64).reshape(site.groups, -1, 1)
    before = np.einsum("gnk,gok->gno", rows, steps)
    after = np.einsum("gnk,gok->gno", lossy, product.targets)
    assert np.mean((after - before) ** 2) <= 0.01 * np.mean(before**2)


def test_inputs_that_are_0_leave_weights_as_they_are(model: onnx.ModelProto) -> None:
    [site], [node], x = sites_of(model), model.graph.node, input_of(model)
    weight = array_of(model.graph.initializer[0])
    moments = Moments.empty(site.groups, weight_rows(model).shape[2])

    moments.add(rows_of(0 * x, site, node), rows_of(0 * x, site, node))
    product = product_of(weight, site, moments, 63)

    codes, _ = quantize_weight(weight, site.output_axis, 63)
    assert np.array_equal(codes_as_weight(product.nearest().astype(np.int8), weight, site), codes)
