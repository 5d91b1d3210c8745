"""The contract of a dialect, checked over all that the folder holds."""

from collections import Counter

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from segpp.calib.graph.fuse_gelu import fuse_gelu
from segpp.calib.pictures.runs import batch_of, logits_of
from segpp.calib.plan import Plan
from segpp.calib.writers import WRITERS, _weight_bits
from segpp.errors import InputError
from segpp.manifest import WEIGHT_BITS
from tests.calib.conftest import MakePictures, TinyFile
from tests.calib.plans import Quantized, quantize

pytest.importorskip("torch", reason="needs the exporter (extra export)")

FORMS = [
    ("conv-bn", 3, "--preset", "none"),
    ("linear", 4, "--preset", "hq"),
    ("conv-bn", 3, "--preset", "hq", "--precision", "fp16"),
    ("conv-bn", 1, "--preset", "hq", "--batch", "2", "--input-dtype", "uint8", "--outputs", "both"),
]
CASES = [
    (target, form)
    for target in sorted(WRITERS)
    for form in FORMS
    if "fp16" not in form or "fp16" in WRITERS[target].precisions
]
# Of the logits' own spread: 8 bits in five blocks with random weights cost a few hundredths, and
# where tokens merge, matches that were close fall otherwise and move some.
MOST_ERROR = 0.1
MOST_ERROR_MERGED = 0.3


@pytest.fixture(
    params=CASES, ids=lambda case: "-".join([case[0], *map(str, case[1])]), scope="session"
)
def case(request: pytest.FixtureRequest) -> tuple[str, tuple[str, int, str]]:
    found: tuple[str, tuple[str, int, str]] = request.param
    return found


@pytest.fixture(scope="session")
def made(
    case: tuple[str, tuple[str, int, str]], tiny_file: TinyFile, make_pictures: MakePictures
) -> Quantized:
    target, form = case
    return quantize(tiny_file(*form), target, make_pictures(4, channels=form[1]))


def test_a_file_is_valid_and_its_logits_are_those_of_the_float_file(
    case: tuple[str, tuple[str, int, str]], made: Quantized, make_pictures: MakePictures
) -> None:
    _, form = case
    onnx.checker.check_model(made.int8)
    assert WRITERS[case[0]].faults(made.int8) == []
    pictures = make_pictures(4, channels=form[1])[:2]
    batch = batch_of(pictures, made.manifest.input)

    [expected], [found] = (logits_of(one, [batch]) for one in (made.model, made.int8))

    assert found.shape == expected.shape
    assert found.dtype == expected.dtype
    error = np.sqrt(np.mean((found.astype(np.float64) - expected) ** 2))
    most = MOST_ERROR_MERGED if made.manifest.reduction else MOST_ERROR
    assert 0 < error <= most * expected.std(dtype=np.float64)


def test_inputs_and_outputs_stay(made: Quantized) -> None:
    assert list(made.int8.graph.input) == list(made.model.graph.input)
    assert list(made.int8.graph.output) == list(made.model.graph.output)


def test_the_float_model_is_not_changed_and_the_result_is_the_same_again(
    case: tuple[str, tuple[str, int, str]], made: Quantized
) -> None:
    before = made.model.SerializeToString(deterministic=True)

    again = WRITERS[case[0]].write(made.model, made.plan)

    assert made.model.SerializeToString(deterministic=True) == before
    assert again.SerializeToString(deterministic=True) == made.int8.SerializeToString(
        deterministic=True
    )


def test_nothing_is_left_over_and_nothing_is_missing(made: Quantized) -> None:
    graph = made.int8.graph
    given = {one.name for one in [*graph.initializer, *graph.input]}
    given |= {name for node in graph.node for name in node.output}
    taken = {name for node in graph.node for name in node.input if name}
    taken |= {one.name for one in graph.output}

    assert taken <= given
    assert {tensor.name for tensor in graph.initializer} <= taken
    names = [node.name for node in graph.node]
    assert len(set(names)) == len(names)


def test_weights_of_sites_are_in_8_bits_and_others_are_what_they_were(made: Quantized) -> None:
    before = {one.name: one for one in made.model.graph.initializer}
    after = {one.name: one for one in made.int8.graph.initializer}
    planned = {site.weight for site in made.plan.sites}

    assert not planned & after.keys()
    for name in before.keys() & after.keys():
        assert after[name] == before[name]
    codes = [numpy_helper.to_array(after[name]) for name in after.keys() - before.keys()]
    shapes = Counter(tuple(before[name].dims) for name in planned)
    assert shapes == Counter(one.shape for one in codes if one.dtype == np.int8 and one.ndim > 1)


@pytest.mark.parametrize("target", ["onnxruntime", "openvino"])
@pytest.mark.parametrize(("vnni", "largest", "bits"), [(False, 63, "7"), (True, 127, "8")])
def test_weights_have_the_bits_that_a_cpu_adds_up_right(
    target: str,
    tiny_file: TinyFile,
    make_pictures: MakePictures,
    monkeypatch: pytest.MonkeyPatch,
    *,
    vnni: bool,
    largest: int,
    bits: str,
) -> None:
    made = quantize(tiny_file(*FORMS[1]), target, make_pictures(1, channels=4))
    monkeypatch.setattr(_weight_bits, "has_vnni", lambda: vnni)
    writer = WRITERS[target]

    codes = [
        numpy_helper.to_array(one).astype(np.int16)
        for one in writer.write(made.model, made.plan).graph.initializer
        if one.data_type == onnx.TensorProto.INT8 and len(one.dims) > 1
    ]

    assert max(int(abs(one).max()) for one in codes) == largest == writer.weight_limit()
    assert writer.options() == {WEIGHT_BITS: bits}


def test_a_tensor_is_quantized_once_however_many_take_it(
    case: tuple[str, tuple[str, int, str]], made: Quantized
) -> None:
    shared = Counter(site.input for site in made.plan.sites)
    into = Counter(
        node.input[0] for node in made.int8.graph.node if node.op_type == "QuantizeLinear"
    )

    assert max(shared.values()) > 1
    assert set(into.values()) == {1}
    if WRITERS[case[0]].backend == "onnxruntime":
        # What convolutions give is quantized as well.
        assert len(into) >= len(shared)
    else:
        assert set(into) == set(shared)


def test_what_lies_inside_functions_is_never_touched(made: Quantized) -> None:
    def bodies(model: onnx.ModelProto) -> list[list[onnx.NodeProto]]:
        return [list(function.node) for function in model.functions]

    assert bodies(made.int8) == bodies(made.model)
    own = [node for node in made.int8.graph.node if node.domain == "segpp"]
    before = [node for node in made.model.graph.node if node.domain == "segpp"]
    assert [(n.op_type, n.attribute, n.output) for n in own] == [
        (n.op_type, n.attribute, n.output) for n in before
    ]


def test_a_plan_without_sites_changes_no_product(
    case: tuple[str, tuple[str, int, str]], made: Quantized
) -> None:
    written = WRITERS[case[0]].write(made.model, Plan((), made.plan.ranges))

    assert list(written.graph.node) in (
        list(made.model.graph.node),
        list(fuse_gelu(made.model).graph.node),
    )


@pytest.mark.parametrize("target", sorted(WRITERS))
def test_only_the_planned_site_is_touched(
    target: str, tiny_file: TinyFile, make_pictures: MakePictures
) -> None:
    made = quantize(tiny_file(*FORMS[1]), target, make_pictures(1, channels=4))
    base = WRITERS[target].write(made.model, Plan((), made.plan.ranges))
    batch = batch_of(make_pictures(1, channels=4), made.manifest.input)
    [expected] = logits_of(made.model, [batch])

    for kind in sorted({site.kind for site in made.plan.sites}):
        site = next(one for one in made.plan.sites if one.kind == kind)
        alone = WRITERS[target].write(made.model, Plan((site,), made.plan.ranges))

        kept = {node.name for node in alone.graph.node}
        gone = {node.name for node in base.graph.node} - kept
        before = {tensor.name for tensor in base.graph.initializer}
        assert before - {tensor.name for tensor in alone.graph.initializer} <= {
            site.weight, *next(n.input for n in base.graph.node if n.name == site.node),
        }  # fmt: skip
        # At most what follows the product, which it takes in: its bias, a ReLU.
        assert len(gone) <= 1
        [found] = logits_of(alone, [batch])
        assert np.abs(found - expected).max() > 0
        onnx.checker.check_model(alone)


def test_an_unknown_target_is_refused_with_the_known_ones() -> None:
    with pytest.raises(InputError, match="unknown INT8 target 'tensort'") as refusal:
        WRITERS["tensort"]

    for name in WRITERS:
        assert name in str(refusal.value)
