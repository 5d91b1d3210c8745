"""Whether a file is one that engines are built of, or is for a library that runs it as it is."""

from contextlib import suppress
from pathlib import Path

from segpp.errors import GraphError, InputError
from segpp.manifest import Manifest
from segpp.runtime.backends.base import BACKENDS, backends_for
from segpp.runtime.onnx_reader.operators import operator_sets

__all__ = ["check_target"]

# The domain of the operators that ONNX Runtime adds to ONNX.
_ONNXRUNTIME_OPERATORS = "com.microsoft"


def check_target(onnx: Path, manifest: Manifest | None) -> None:
    """Refuse a file with operators that ONNX Runtime alone has, or forms that it alone is fast at.

    The compiler may take it all the same, operator by operator, and then fuses no attention, or
    computes little in 8 bits.

    Args:
        onnx: The file.
        manifest: Of it, if there is one.

    Raises:
        InputError: It is for ONNX Runtime alone, or INT8 for a library that runs ONNX files.
    """
    _check_int8(onnx, manifest)
    domains: frozenset[str] = frozenset()
    # What is wrong with a damaged file the compiler says better.
    with suppress(GraphError):
        domains = operator_sets(onnx)
    target = manifest.options.get("target") if manifest else None
    if target == "onnxruntime" or _ONNXRUNTIME_OPERATORS in domains:
        raise InputError(
            f"{onnx} is for ONNX Runtime alone, and an engine of it would be slow",
            "its attention is an operator that no engine builder recognises",
            hint="export it for every engine: segpp-export --target portable (the default)",
        )


def _check_int8(onnx: Path, manifest: Manifest | None) -> None:
    calibration = manifest.calibration if manifest else None
    if calibration is None or calibration.target not in backends_for(".onnx"):
        return
    raise InputError(
        f"{onnx} is an INT8 file for {BACKENDS[calibration.target].title}, not for engines",
        "its numbers of 8 bits stand where that library wants them",
        hint="write one for engines: segpp-calibrate --target tensorrt, of the float file",
    )
