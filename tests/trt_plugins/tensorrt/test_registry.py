"""The real TensorRT loads our library, finds every plugin, and refuses nodes with our words."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from segpp.ops import CONTRACTS, MAX_INT8_CLASSES
from segpp.runtime.system.plugins import VARIABLE
from tests.trt_plugins.tensorrt.conftest import PLUGINS, Inside
from tests.trt_plugins.tensorrt.fetch import TENSORRT, part

MATCH = {"height": 4, "width": 6, "stride_y": 2, "stride_x": 2, "merged": 5, "window": 0}

Field = tuple[str, str, Any]


def fields(**values: int) -> list[Field]:
    return [(name, "int32", [value]) for name, value in values.items()]


def match(*more: Field, without: str = "", **changed: int) -> tuple[str, list[Field]]:
    kept = {name: value for name, value in {**MATCH, **changed}.items() if name != without}
    return "SegppTokenMatch", [*fields(**kept), *more]


def most(number: int) -> str:
    return f"and the kernel takes {number} at most"


COUNTED = most((1 << 31) - 1)

# What is asked for, and what is said about it.
REFUSED = [
    (match(merged=19), "SegppTokenMatch: merged is 19, and the grid has 18 sources"),
    (match(height=0), "SegppTokenMatch: height is 0, and the least is 1"),
    (match(window=-1), "SegppTokenMatch: window is -1, and the least is 0"),
    (match(without="stride_x"), "SegppTokenMatch: stride_x is missing"),
    (
        match(height=1, width=6, merged=1),
        "SegppTokenMatch: a grid of 1 x 6 has no complete cell of 2 x 2 to merge into",
    ),
    (
        match(height=6, width=1, merged=0),
        "SegppTokenMatch: a grid of 6 x 1 has no complete cell of 2 x 2 to merge into",
    ),
    (
        match(height=32768, width=32768),
        f"SegppTokenMatch: the number of tokens of the grid is {1 << 30}, {most((1 << 30) - 1)}",
    ),
    (
        match(("stride", "int32", [2])),
        "SegppTokenMatch: unknown attribute 'stride', known: " + ", ".join(MATCH),
    ),
    (match(("height", "int32", [4])), "SegppTokenMatch: height is given twice"),
    (
        ("SegppTokenMerge", [("slots", "float32", [4.0])]),
        "SegppTokenMerge: slots has the field type 1, expected INT32 (5)",
    ),
    (
        ("SegppTokenMerge", [("slots", "int64", [4])]),
        "SegppTokenMerge: slots has the field type 10, expected INT32 (5)",
    ),
    (
        ("SegppTokenMerge", [("slots", "int32", [4, 4])]),
        "SegppTokenMerge: slots has 2 values, expected 1",
    ),
    (("SegppTokenMerge", fields(slots=0)), "SegppTokenMerge: slots is 0, and the least is 1"),
    (
        ("SegppTokenMerge", fields(slots=4, singles=5)),
        "SegppTokenMerge: singles is 5, and there are 4 slots",
    ),
    (
        ("SegppTokenUnmerge", fields(slots=4)),
        "SegppTokenUnmerge: unknown attribute 'slots', known: none",
    ),
    (("SegppResizeArgmax", fields(height=4)), "SegppResizeArgmax: width is missing"),
    (
        ("SegppResizeArgmax", fields(height=65536, width=32768)),
        f"SegppResizeArgmax: the number of labels of an image is {1 << 31}, {COUNTED}",
    ),
    (
        ("SegppDecodeHead", fields(align_corners=-1)),
        "SegppDecodeHead: align_corners is -1, and the least is 0",
    ),
    (
        ("SegppTokenUnmerge", [("plugin_version", "char", "2")]),
        "SegppTokenUnmerge: plugin_version is '2', and this library has '1'",
    ),
    (
        ("SegppTokenUnmerge", [("plugin_namespace", "char", "theirs")]),
        "SegppTokenUnmerge: plugin_namespace is 'theirs', and this library has ''",
    ),
]

LEVELS = [[2, 16, 8, 12], [2, 16, 4, 6], [2, 16, 2, 3], [2, 16, 1, 2]]


def head(*, changed: dict[int, list[int]]) -> tuple[str, list[Field], list[list[int]]]:
    shapes = [*LEVELS, [19, 16, 1, 1], [19]]
    return "SegppDecodeHead", [], [changed.get(i, shape) for i, shape in enumerate(shapes)]


TOO_LARGE = (
    "levels or logits have more values per image than INT32 counts, or there are more than 65535"
    " images or classes"
)
WITHOUT_CLASSES = "and the node lacks the attribute classes, which makes its labels INT32"

# What does not fit the tensors it is given: operator, fields, shapes of the inputs.
MISFITS = [
    (
        (*match(), [[1, 25, 8]]),
        "SegppTokenMatch: the number of tokens is 25, expected 24",
    ),
    ((*match(), [[1, 24]]), "SegppTokenMatch: x has 2 axes, expected 3"),
    (
        ("SegppTokenMerge", fields(slots=4), [[2, 24, 8], [1, 24]]),
        "SegppTokenMerge: the batch of slot is 1, expected 2",
    ),
    (
        ("SegppTokenMerge", fields(slots=4), [[2, 24, 8], [2, 23]]),
        "SegppTokenMerge: the number of tokens of slot is 23, expected 24",
    ),
    (
        ("SegppTokenUnmerge", [], [[1, 4, 8]]),
        "SegppTokenUnmerge: the number of inputs is 1, expected 2",
    ),
    (
        ("SegppTokenUnmergeAdd", [], [[2, 4, 8], [2, 9], [1, 9, 8]]),
        "SegppTokenUnmergeAdd: the batch of residual is 1, expected 2",
    ),
    (
        ("SegppTokenUnmergeAdd", [], [[1, 4, 8], [1, 9], [1, 4, 8]]),
        "SegppTokenUnmergeAdd: the number of tokens of residual is 4, expected 9",
    ),
    (
        ("SegppTokenUnmergeAdd", [], [[1, 4, 8], [1, 9], [1, 9, 16]]),
        "SegppTokenUnmergeAdd: the number of channels of residual is 16, expected 8",
    ),
    (
        ("SegppTokenUnmergeAdd", [], [[1, 4, 64], [1, 1 << 25], [1, 1 << 25, 64]]),
        f"SegppTokenUnmergeAdd: the size of an image of x is {1 << 31}, {COUNTED}",
    ),
    (
        ("SegppResizeArgmax", fields(height=8, width=8), [[1, 150, 4, 4]]),
        f"SegppResizeArgmax: the logits have 150 classes, {WITHOUT_CLASSES}",
    ),
    # What the kernels cannot count is refused when a network is made, not when it runs.
    (
        (*match(), [[65536, 24, 8]]),
        f"SegppTokenMatch: the batch of x is 65536, {most(65535)}",
    ),
    (
        ("SegppTokenMerge", fields(slots=4), [[1, 1 << 26, 8], [1, 1 << 26]]),
        f"SegppTokenMerge: the number of tokens is {1 << 26}, {most((1 << 26) - 1)}",
    ),
    (
        ("SegppTokenMerge", fields(slots=4), [[1, 1 << 25, 64], [1, 1 << 25]]),
        f"SegppTokenMerge: the size of an image of x is {1 << 31}, {COUNTED}",
    ),
    (
        ("SegppTokenMerge", fields(slots=1 << 25), [[1, 24, 64], [1, 24]]),
        f"SegppTokenMerge: the size of an image of y is {1 << 31}, {COUNTED}",
    ),
    (
        ("SegppTokenUnmerge", [], [[1, 4, 64], [1, 1 << 25]]),
        f"SegppTokenUnmerge: the size of an image of x is {1 << 31}, {COUNTED}",
    ),
    (
        ("SegppTokenUnmerge", [], [[1, 1 << 25, 64], [1, 24]]),
        f"SegppTokenUnmerge: the size of an image of y is {1 << 31}, {COUNTED}",
    ),
    (
        ("SegppResizeArgmax", fields(height=8, width=8), [[1, 2, 1 << 16, 1 << 15]]),
        f"SegppResizeArgmax: the size of a class's logits is {1 << 31}, {COUNTED}",
    ),
    (
        ("SegppResizeArgmax", fields(height=8, width=8), [[1, 64, 1 << 13, 1 << 12]]),
        f"SegppResizeArgmax: the size of an image's logits is {1 << 31}, {COUNTED}",
    ),
    (
        ("SegppResizeArgmax", fields(height=8, width=8, classes=19), [[1, 150, 4, 4]]),
        "SegppResizeArgmax: the number of classes is 150, expected 19",
    ),
    (head(changed={1: [2, 16, 4]}), "SegppDecodeHead: second has 3 axes, expected 4"),
    (
        head(changed={2: [1, 16, 2, 3]}),
        "SegppDecodeHead: the batch of third is 1, expected 2",
    ),
    (
        head(changed={3: [2, 8, 1, 2]}),
        "SegppDecodeHead: the number of channels of fourth is 8, expected 16",
    ),
    (
        head(changed={4: [19, 8, 1, 1]}),
        "SegppDecodeHead: the number of channels of weight is 8, expected 16",
    ),
    (
        head(changed={4: [19, 16, 3, 1]}),
        "SegppDecodeHead: the height of weight is 3, expected 1",
    ),
    (
        head(changed={4: [19, 16, 1, 3]}),
        "SegppDecodeHead: the width of weight is 3, expected 1",
    ),
    (head(changed={5: [19, 1]}), "SegppDecodeHead: bias has 2 axes, expected 1"),
    (
        head(changed={5: [18]}),
        "SegppDecodeHead: the number of classes of bias is 18, expected 19",
    ),
    (
        head(changed={0: [2, 16, 16384, 16384]}),
        f"SegppDecodeHead: {TOO_LARGE}",
    ),
]

TAKEN = [
    match(),
    match(without="window"),
    match(merged=0),
    # As much as the kernels count.
    match(height=32767, width=32768),
    ("SegppTokenMerge", fields(slots=4)),
    ("SegppTokenMerge", fields(slots=4, singles=4)),
    ("SegppTokenUnmerge", []),
    ("SegppTokenUnmerge", [("plugin_version", "char", "1"), ("plugin_namespace", "char", "")]),
    ("SegppTokenUnmerge", [("plugin_version", "char", "1\0"), ("plugin_namespace", "char", "\0")]),
    ("SegppTokenUnmergeAdd", []),
    ("SegppResizeArgmax", fields(height=4, width=4)),
    ("SegppDecodeHead", []),
    ("SegppDecodeHead", fields(align_corners=1)),
]


@pytest.fixture(scope="module")
def found(inside: Inside, library: Path) -> dict[str, Any]:
    refused = (request for request, _ in REFUSED)
    requests = [*TAKEN, *refused, *(request for request, _ in MISFITS)]
    answer: dict[str, Any] = inside("registry.py", "load", library, given=requests)
    return answer


def test_the_library_is_loaded_and_every_operator_has_a_creator(found: dict[str, Any]) -> None:
    assert found["version"].startswith(TENSORRT)
    assert found["loaded"]
    assert set(found["creators"]) == set(CONTRACTS)


@pytest.mark.parametrize("name", CONTRACTS)
def test_a_creator_lists_the_attributes_of_its_contract(found: dict[str, Any], name: str) -> None:
    creator = found["creators"][name]

    assert (creator["version"], creator["namespace"]) == ("1", "")
    assert set(creator["fields"]) >= set(CONTRACTS[name].attributes)
    assert set(creator["fields"].values()) <= {"INT32"}


def test_what_the_contract_allows_is_taken(found: dict[str, Any]) -> None:
    answers = found["answers"][: len(TAKEN)]

    assert [answer["made"] for answer in answers] == [True] * len(TAKEN), answers


@pytest.mark.parametrize("index", range(len(REFUSED)), ids=lambda i: REFUSED[i][1])
def test_a_wrong_attribute_is_refused_in_one_sentence(found: dict[str, Any], index: int) -> None:
    answer = found["answers"][len(TAKEN) + index]

    assert not answer["made"]
    assert answer["errors"] == [REFUSED[index][1]]


@pytest.mark.parametrize("index", range(len(MISFITS)), ids=lambda i: MISFITS[i][1])
def test_a_tensor_that_does_not_fit_is_refused_in_one_sentence(
    found: dict[str, Any], index: int
) -> None:
    answer = found["answers"][len(TAKEN) + len(REFUSED) + index]

    # TensorRT says more than once that the shape cannot be had.
    assert answer["made"]
    assert MISFITS[index][1] in answer["errors"]


def test_a_library_built_to_register_itself_needs_only_to_be_opened(
    inside: Inside, self_registering: Path, found: dict[str, Any]
) -> None:
    opened = inside("registry.py", "open", self_registering, given=TAKEN)

    assert opened["creators"] == found["creators"]
    assert [answer["made"] for answer in opened["answers"]] == [True] * len(TAKEN)


def test_the_doctor_can_load_the_library(library: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "segpp.runtime.system.self_test", "plugins"],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, VARIABLE: str(library)},
    )

    assert (done.returncode, done.stderr) == (0, "")


def test_the_plugins_agree_with_the_contract_on_the_type_of_labels() -> None:
    source = (PLUGINS / "resize_argmax" / "resize_argmax_plugin.cpp").read_text()

    assert f"kMAX_INT8_CLASSES = {MAX_INT8_CLASSES};" in source


def test_refusals_are_told_apart() -> None:
    cases = [*REFUSED, *MISFITS]

    assert len({json.dumps(request) for request, _ in cases}) == len(cases)


# Neither a runtime nor an engine: without a GPU both crash when they go.
WHAT_RUNS_ENGINES = """
import json, sys
from pathlib import Path
import tensorrt_bindings as trt
from segpp.errors import InputError
from segpp.runtime.backends.engine.loading import _TYPES, load_plugins, new_log
log = new_log(trt)
trt.init_libnvinfer_plugins(log.logger, "")
try:
    load_plugins(trt, Path("none.so"))
except InputError as failure:
    refused = failure.problem
needed = {
    trt.ICudaEngine: ("num_io_tensors", "get_tensor_name", "get_tensor_shape", "get_tensor_dtype",
                      "get_tensor_location", "get_tensor_mode", "create_execution_context"),
    trt.IExecutionContext: ("set_tensor_address", "execute_async_v3"),
    trt.Runtime: ("deserialize_cuda_engine", "engine_host_code_allowed"),
    trt.TensorLocation: ("DEVICE",),
    trt.TensorIOMode: ("INPUT",),
    trt.DataType: tuple(_TYPES),
}
lacking = [f"{one.__name__}.{name}" for one, names in needed.items() for name in names
           if not hasattr(one, name)]
print(json.dumps({"lacking": lacking, "refused": refused, "errors": log.errors}))
"""


def test_tensorrt_has_what_segpp_runs_engines_with() -> None:
    paths = (part("bindings"), PLUGINS.parent / "src", PLUGINS.parent)
    environment = {
        **os.environ,
        "LD_LIBRARY_PATH": str(part("libraries")),
        "PYTHONPATH": os.pathsep.join(map(str, paths)),
    }
    done = subprocess.run(
        [sys.executable, "-c", WHAT_RUNS_ENGINES],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )

    found = json.loads(done.stdout.splitlines()[-1])
    assert found["lacking"] == []
    assert found["errors"] == []
    assert found["refused"].startswith("tensorrt_bindings 10.15.1")
