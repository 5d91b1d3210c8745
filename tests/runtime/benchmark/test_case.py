"""What takes part, and what it is called in the tables."""

from pathlib import Path

import pytest

from segpp.runtime.benchmark.case import BenchmarkCase, case_names, parse_case


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("a/b0.onnx", ("a/b0.onnx", "auto", "fp32")),
        ("b0.onnx@openvino", ("b0.onnx", "openvino", "fp32")),
        ("b0.onnx@openvino:bf16", ("b0.onnx", "openvino", "bf16")),
        ("b0.onnx@:bf16", ("b0.onnx", "auto", "bf16")),
        ("x@y/b0.onnx@openvino", ("x@y/b0.onnx", "openvino", "fp32")),
    ],
)
def test_engine_and_precision_stand_behind_the_file(text: str, found: tuple[str, str, str]) -> None:
    one = parse_case(text, backend="auto", precision="fp32")

    assert one == BenchmarkCase(Path(found[0]), *found[1:])


def test_a_file_that_is_there_is_taken_by_its_whole_name(tmp_path: Path) -> None:
    path = tmp_path / "b0@openvino"
    path.touch()

    assert parse_case(str(path), backend="auto", precision="fp32").path == path


def cases(*texts: str) -> list[BenchmarkCase]:
    return [parse_case(text, backend="auto", precision="fp32") for text in texts]


@pytest.mark.parametrize(
    ("texts", "names"),
    [
        (["a/b0.onnx"], ["b0"]),
        (["b0.onnx", "hq.onnx"], ["b0", "hq"]),
        (["a/b0.onnx", "c/b0.onnx"], ["a/b0.onnx", "c/b0.onnx"]),
        (["b0.onnx", "b0.engine"], ["b0.onnx", "b0.engine"]),
        (["b0.onnx", "b0.onnx@openvino"], ["b0", "b0 openvino"]),
        (
            ["b0.onnx@openvino", "b0.onnx@openvino:bf16"],
            ["b0", "b0 bf16"],
        ),
        (["b0.onnx", "b0.onnx"], ["b0 #1", "b0 #2"]),
    ],
)
def test_names_are_as_short_as_tells_them_apart(texts: list[str], names: list[str]) -> None:
    assert list(case_names(cases(*texts))) == names
