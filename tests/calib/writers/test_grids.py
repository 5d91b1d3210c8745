"""How values and weights become 8 bits."""

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from onnx import numpy_helper

from segpp.calib.graph.sites import sites_of
from segpp.calib.pictures.runs import open_model
from segpp.calib.plan import Plan
from segpp.calib.writers import WRITERS
from segpp.calib.writers.base import grid_of, quantize_weight, to_scale

# Up to the largest float16.
NUMBERS = st.floats(0, 65504, width=32)
KINDS = st.sampled_from([np.float32, np.float16])


@settings(deadline=None)
@given(NUMBERS, NUMBERS, st.booleans(), KINDS, st.floats(0, 1))
def test_a_value_of_the_range_comes_back_within_half_a_step(
    below: float, high: float, signed: bool, kind: type, share: float  # noqa: FBT001 - drawn
) -> None:  # fmt: skip
    low = -below
    grid = grid_of(low, high, signed=signed, kind=kind)
    scale, zero = float(grid.scale), int(grid.zero_point)
    least, most = (-127, 127) if signed else (0, 255)
    value = low + share * (high - low)

    code = np.clip(np.round(value / scale) + zero, least, most)

    assert grid.scale.dtype == kind
    assert scale > 0
    # The zero point is rounded as well, by half a step at most.
    steps = 0.5 if signed else 1.0
    slack = 4 * np.finfo(np.float32).eps * max(below, high)
    assert abs(scale * (code - zero) - value) <= steps * scale + slack


@settings(deadline=None)
@given(NUMBERS, NUMBERS, st.booleans())
def test_zero_is_exact(below: float, high: float, signed: bool) -> None:  # noqa: FBT001 - drawn
    grid = grid_of(-below, high, signed=signed)

    assert not signed or grid.zero_point == 0
    assert grid.zero_point.dtype == (np.int8 if signed else np.uint8)


@settings(deadline=None)
@given(arrays.arrays(np.float64, 5, elements=st.floats(0, 500)))
def test_a_half_precision_scale_is_never_smaller_than_it_should_be(values: np.ndarray) -> None:
    scales = to_scale(values, np.float16)

    assert (scales >= values).all()
    assert (scales > 0).all()
    smallest = np.finfo(np.float16).smallest_subnormal
    assert (
        scales <= np.maximum(values * (1 + np.finfo(np.float16).eps) + smallest, smallest)
    ).all()


WEIGHTS = arrays.arrays(
    np.float32,
    st.sampled_from([(3, 4), (4, 2, 3, 3), (5, 1, 3, 3)]),
    elements=st.floats(-1e3, 1e3, width=32),
)


@settings(deadline=None)
@given(WEIGHTS, st.integers(0, 1), st.sampled_from([127, 63]), KINDS)
def test_a_weight_comes_back_within_half_a_step_of_its_channel(
    weight: np.ndarray, axis: int, limit: int, kind: type
) -> None:
    values = weight.astype(kind)

    codes, scales = quantize_weight(values, axis, limit)

    assert (codes.dtype, codes.shape, scales.dtype) == (np.int8, values.shape, kind)
    assert scales.shape == (values.shape[axis],)
    shaped = scales.astype(np.float64).reshape([-1 if i == axis else 1 for i in range(values.ndim)])
    assert np.abs(codes.astype(int)).max() <= limit
    error = np.abs(codes * shaped - values.astype(np.float64))
    assert (error <= shaped * (0.5 + limit * np.finfo(np.float32).eps)).all()


def test_each_channel_has_a_scale_of_its_own() -> None:
    weight = np.float32([[1, 100], [0.5, 0], [0, -50]])

    _, columns = quantize_weight(weight, 1)
    _, rows = quantize_weight(weight, 0)

    assert columns == pytest.approx(np.float32([1, 100]) / 127)
    assert rows == pytest.approx(np.float32([100, 0.5, 50]) / 127)


GEMM = """<ir_version: 8, opset_import: ["": 18]>
g (float[2,8] x) => (float[2,6] y) <float[8,5] w, float[5] b, float[6,5] v> {
    [a] h = Gemm<alpha = 0.5, beta = 2.0>(x, w, b)
    [c] y = Gemm<transB = 1>(h, v)
}"""


@pytest.mark.parametrize("target", sorted(WRITERS))
def test_gemms_of_both_layouts_are_quantized(target: str) -> None:
    model = onnx.parser.parse_model(GEMM)
    draw = np.random.default_rng(0)
    del model.graph.initializer[:]
    for name, shape in (("w", (8, 5)), ("b", (5,)), ("v", (6, 5))):
        values = draw.standard_normal(shape).astype(np.float32)
        model.graph.initializer.append(numpy_helper.from_array(values, name))
    x = draw.uniform(-1, 1, (2, 8)).astype(np.float32)
    sites = sites_of(model)

    written = WRITERS[target].write(model, Plan(sites, {"x": (-1, 1), "h": (-10, 10)}))

    onnx.checker.check_model(written)
    [expected], [found] = (open_model(one).run(None, {"x": x}) for one in (model, written))
    # Eight products of weights and five more, each off by half a step of both numbers.
    assert 0 < np.abs(found - expected).max() <= 0.1 * np.abs(expected).max()
    kinds = {one.name: one.data_type for one in written.graph.initializer}
    assert sum(kind == onnx.TensorProto.INT8 for kind in kinds.values()) >= 2
