"""From a library's errors to one sentence; the errors are TensorRT-RTX 1.7.1's own."""

import pytest

from segpp.runtime.build.diagnose import diagnose
from segpp.runtime.build.log import LogRecord

CUDA = (
    "[checkMacros.cpp::catchCudaError::250] Error Code 1: Cuda Runtime (In catchCudaError at "
    "/_src/common/dispatch/checkMacros.cpp:250 (cudaError 35: CUDA driver version is insufficient "
    "for CUDA runtime version))"
)
SHAPES = (
    "ITensor::getDimensions: Error Code 4: Shape Error (broadcast dimensions must be conformable "
    "In op at /_src/optimizer/common/shape/shapeContext.cpp:2699)"
)


def at(operator: str, name: str) -> list[str]:
    return [
        f'ModelImporter.cpp:140: While parsing node number 0 [{operator} -> "v"]:',
        f"ModelImporter.cpp:142: --- Begin node ---\nNode name: {name}\nInput: x",
        "ModelImporter.cpp:143: --- End node ---",
    ]


def message(*errors: str) -> str:
    return str(diagnose("TensorRT-RTX", "b0.onnx", [LogRecord("ERROR", text) for text in errors]))


def test_the_first_error_is_told_with_its_node_and_without_the_noise_after_it() -> None:
    last = f"ModelImporter.cpp:151: ERROR: ModelImporter.cpp:489 In function parseNode:\n[6] {CUDA}"

    told = message(SHAPES, CUDA, *at("Add", "adder"), last)

    assert told == (
        "TensorRT-RTX cannot compile b0.onnx\n"
        "  node: adder (Add)\n"
        "  reason: broadcast dimensions must be conformable"
    )


@pytest.mark.parametrize(
    "verdict",
    [
        "onnxOpCheckers.cpp:1258 In function checkUnique:\n[8] false",
        (
            "onnxOpCheckers.cpp:998 In function checkFallbackPluginImporter:\n"
            '[6] creator && "Plugin not found, are the plugin name, version, and namespace "'
            'correct?"'
        ),
    ],
)
def test_an_unknown_operator_is_named(verdict: str) -> None:
    told = message(*at("Unique", "rare"), f"ModelImporter.cpp:151: ERROR: {verdict}")

    assert "node: rare (Unique)" in told
    assert "reason: the operator Unique is not supported" in told


@pytest.mark.parametrize(
    ("error", "reason", "hint"),
    [
        (
            (
                "IBuilder::buildSerializedNetwork: Error Code 4: API Usage Error (ITopKLayer top: "
                "top: K exceeds the maximum value allowed (3840). In processCheck at /_src/"
                "optimizer/shapeof/graphShapeAnalyzer.cpp:1066 In analyzeShapes at /_src/x.cpp:28)"
            ),
            "ITopKLayer top: top: K exceeds the maximum value allowed (3840)",
            "TopK ends at 3840",
        ),
        (
            (
                "[localCheckMacros.cpp::getErrorStr::132] Error Code 2: OutOfMemory (Requested "
                "size was 8446144 bytes.)"
            ),
            "OutOfMemory (Requested size was 8446144 bytes.)",
            "a larger `workspace`",
        ),
        (
            (
                "IBuilder::buildSerializedNetwork: Error Code 1: Myelin ([pass.cpp:337: "
                "check_turing_op_compatibility] Cannot compile operation 'mm' for Turing (SM75): "
                "FP32 GEMM is not supported. In compileGraph at /_src/codeGenerator.cpp:2012)"
            ),
            "Cannot compile operation 'mm' for Turing (SM75): FP32 GEMM is not supported",
            "leave 7.5 out",
        ),
        (
            (
                "(deserializeOnnxModel): MODEL_DESERIALIZE_FAILED: Assertion failed: "
                "model->ParseFromCodedStream(&codedInput): Failed to parse the ONNX model."
            ),
            "Failed to parse the ONNX model.",
            "damaged or no ONNX",
        ),
        (
            (
                "ModelImporter.cpp:151: ERROR: onnxOpImporters.cpp:7476 In function "
                "importScatterElements:\n[9] Unsupported reduction type"
            ),
            "Unsupported reduction type",
            "matrix product",
        ),
    ],
)
def test_a_reason_is_told_plainly_and_with_a_way_out(error: str, reason: str, hint: str) -> None:
    told = message(error).split("\n")

    assert told[1] == f"  reason: {reason}"
    assert hint in told[2]


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        ("Something new: 7 is too many", "Something new: 7 is too many"),
        ("Two lines\n  of a kind\nnobody knows", "Two lines of a kind nobody knows"),
        ("(parse): NEW_CODE: ", "(parse): NEW_CODE:"),
    ],
    ids=["no pattern", "several lines", "nothing left"],
)
def test_an_error_that_fits_no_pattern_is_told_as_it_is(error: str, reason: str) -> None:
    assert message(error) == f"TensorRT-RTX cannot compile b0.onnx\n  reason: {reason}"


def test_when_noise_is_all_there_is_it_is_told() -> None:
    assert "CUDA driver version is insufficient" in message(CUDA)


def test_a_refusal_without_a_reason_says_so() -> None:
    assert "reason: it gave no reason" in message()
