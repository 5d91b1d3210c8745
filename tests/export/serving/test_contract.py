"""What every writer must keep, whichever folder it writes.

Tests serving/base.py and serving/graph.py too.
"""

from pathlib import PurePosixPath

import onnx
import pytest

from segpp.errors import InputError
from segpp.export.serving.base import SERVERS, Served
from tests.export.serving.conftest import Asking


@pytest.fixture(params=list(SERVERS))
def name(request: pytest.FixtureRequest) -> str:
    found: str = request.param
    return found


def test_the_files_are_those_that_were_named_before(name: str, served: Served) -> None:
    server = SERVERS[name]

    files = server.files(served)

    assert tuple(files) == server.names(served.name)


def test_no_file_lies_outside_of_the_folder(name: str) -> None:
    for path in map(PurePosixPath, SERVERS[name].names("street")):
        assert not path.is_absolute()
        assert ".." not in path.parts


def test_a_folder_holds_the_network_once_and_it_is_sound(name: str, served: Served) -> None:
    files = SERVERS[name].files(served)

    [model] = [data for path, data in files.items() if path.endswith(".onnx")]
    onnx.checker.check_model(onnx.load_from_string(model), full_check=True)


def test_the_same_file_gives_the_same_folder(name: str, served: Served) -> None:
    assert SERVERS[name].files(served) == SERVERS[name].files(served)


def test_nothing_of_this_machine_is_written(name: str, served: Served) -> None:
    for data in SERVERS[name].files(served).values():
        assert b"/tmp" not in data
        assert b"pytest-" not in data


def test_the_file_that_all_of_them_take_is_taken(name: str, asking: Asking) -> None:
    SERVERS[name].check(asking())


def test_every_server_is_called_something(name: str) -> None:
    assert SERVERS[name].title


def test_an_unknown_server_lists_those_that_are_known() -> None:
    with pytest.raises(InputError) as failure:
        SERVERS["tritn"]

    assert "known: deepstream, isaac-ros, triton" in str(failure.value)
    assert "did you mean 'triton'" in str(failure.value)


def test_what_only_other_outputs_needed_is_left_out(served: Served) -> None:
    data = SERVERS["deepstream"].files(served)["model.onnx"]

    model = onnx.load_from_string(data)
    assert [value.name for value in model.graph.output] == ["probabilities"]
    assert "SegppResizeArgmax" not in {node.op_type for node in model.graph.node}
    assert "SegppResizeArgmax" not in {function.name for function in model.functions}
