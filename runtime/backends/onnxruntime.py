"""onnxruntime: runs ONNX files on any CPU, and on what its providers reach."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from segpp.errors import GraphError, InputError, MissingError
from segpp.runtime.backends.base import BACKENDS, BackendConfig, BackendSpec, TensorInfo
from segpp.runtime.onnx_reader.external_data import check_model
from segpp.utils.choices import check_choice

__all__ = ["OnnxRuntime"]

_SUFFIX = "ExecutionProvider"
# Its log severity: errors reach us as exceptions, and the log would repeat them.
_FATAL = 4

# What it says of operators of a type that it does not compute in, as BF16 on a CPU.
_MISSING = "Could not find an implementation"
_OTHER_BACKEND = "files of BF16 are for TensorRT-RTX and OpenVINO: --backend openvino"

# onnxruntime's names for element types, where NumPy's differ.
_DTYPES = {"float": "float32", "double": "float64"}


class OnnxRuntime:
    """An ONNX file, loaded by onnxruntime.

    Args:
        path: The file.
        config: How to run it; the precision must be "fp32".

    Raises:
        GraphError: The file is damaged, asks for weights elsewhere, or onnxruntime refuses it.
        InputError: It does not compute in that precision, or knows no such provider.
        MissingError: The package or the provider is not installed.
    """

    def __init__(self, path: Path, config: BackendConfig) -> None:
        ort = _import_onnxruntime()
        _check_precision(config.precision)
        provider = _provider(ort, config.provider or "cpu")
        check_model(path)
        try:
            self._session = ort.InferenceSession(
                str(path), _session_options(ort, config), providers=[provider]
            )
        except Exception as failure:  # its errors share no other base class
            version = ort.__version__
            reason = _reason(failure)
            raise GraphError(
                f"onnxruntime {version} cannot load {path}",
                reason,
                hint=_OTHER_BACKEND if _MISSING in reason else None,
            ) from failure
        if provider not in self._session.get_providers():
            raise MissingError(
                f"onnxruntime fell back from {_short(provider)} to the CPU",
                hint="the provider's libraries (CUDA, cuDNN) are missing or of another version",
            )
        self.description = f"onnxruntime {ort.__version__} ({_short(provider)})"
        self.inputs = tuple(map(_tensor_info, self._session.get_inputs()))
        self.outputs = tuple(map(_tensor_info, self._session.get_outputs()))

    def run(self, feeds: Mapping[str, NDArray[Any]], outputs: Sequence[str]) -> list[NDArray[Any]]:
        """Return ``outputs``, computed from ``feeds``."""
        try:
            return list(self._session.run(list(outputs), dict(feeds)))
        except Exception as failure:  # its errors share no other base class
            raise GraphError(f"{self.description} failed to run", _reason(failure)) from failure

    def close(self) -> None:
        """Drop the session, and with it its threads and memory."""
        self._session = None


def _import_onnxruntime() -> Any:
    try:
        import onnxruntime  # noqa: PLC0415 - only when chosen
    except ModuleNotFoundError as failure:
        raise MissingError(
            "the package onnxruntime is not installed", hint="pip install 'segpp[cpu]'"
        ) from failure
    # Whoever imported it before segpp had no variable set; some builds have no such function.
    if os.environ.get("ORT_DISABLE_TELEMETRY") != "0":
        getattr(onnxruntime, "disable_telemetry_events", lambda: None)()
    return onnxruntime


def _session_options(ort: Any, config: BackendConfig) -> Any:
    options = ort.SessionOptions()
    options.log_severity_level = _FATAL
    options.inter_op_num_threads = 1
    if config.threads:
        options.intra_op_num_threads = config.threads
    if not config.spinning:
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    elif not config.alone:
        options.add_session_config_entry("session.force_spinning_stop", "1")
    return options


def _check_precision(name: str) -> None:
    check_choice(name, ["fp32", "bf16"], kind="precision")
    if name != "fp32":
        raise InputError(
            f"onnxruntime does not compute an FP32 file in {name.upper()}",
            hint="`backend=openvino` does, on CPUs that have it",
        )


def _provider(ort: Any, name: str) -> str:
    """Return onnxruntime's own name for "cuda" and the like, if this build has it."""
    known = {_short(provider) for provider in ort.get_all_providers()}
    available: dict[str, str] = {_short(full): full for full in ort.get_available_providers()}
    check_choice(name.lower(), known, kind="provider")
    if name.lower() not in available:
        raise MissingError(
            f"this onnxruntime has no provider {name!r}",
            f"it has: {', '.join(sorted(available))}",
            hint="pip install 'segpp[gpu]'" if name.lower() == "cuda" else None,
        )
    return available[name.lower()]


def _short(provider: str) -> str:
    return provider.removesuffix(_SUFFIX).lower()


def _tensor_info(value: Any) -> TensorInfo:
    dtype = value.type.removeprefix("tensor(").removesuffix(")")
    return TensorInfo(value.name, tuple(value.shape), _DTYPES.get(dtype, dtype))


def _reason(failure: Exception) -> str:
    """Return the first line of an onnxruntime error without its code prefix."""
    text = str(failure).partition("\n")[0]
    # Before the message stand the library's name, a number and a code, each followed by " : ".
    return text.split(" : ", 3)[-1] if text.startswith("[ONNXRuntimeError]") else text


BACKENDS.register("onnxruntime")(
    BackendSpec(
        title="ONNX Runtime",
        module="onnxruntime",
        suffixes=(".onnx",),
        open=OnnxRuntime,
        extra="cpu",
        distributions=("onnxruntime", "onnxruntime-gpu", "onnxruntime-openvino"),
    )
)
