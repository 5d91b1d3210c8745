"""onnxruntime: runs ONNX files on any CPU, and on what its providers reach."""

import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from segpp.errors import GraphError, InputError, MissingError
from segpp.runtime.backends._providers import (
    CPU,
    ProviderChoice,
    choose_provider,
    provider_name,
    quiet,
)
from segpp.runtime.backends.base import (
    BACKENDS,
    BackendConfig,
    BackendSpec,
    DeviceTimes,
    TensorInfo,
)
from segpp.runtime.onnx_reader.external_data import check_model
from segpp.utils.choices import check_choice

__all__ = ["OnnxRuntime"]

# Its log severity: errors reach us as exceptions, and the log would repeat them.
_FATAL = 4

# What it says of operators of a type that it does not compute in, as BF16 on a CPU.
_MISSING = "Could not find an implementation"
_OTHER_BACKEND = "files of BF16 are for TensorRT-RTX and OpenVINO: --backend openvino"

_PLACE = re.compile(r"^/\S+:\d+ .*?\) (?=[A-Z])")

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

    device_times: DeviceTimes | None = None
    at_once = 1

    def __init__(self, path: Path, config: BackendConfig) -> None:
        ort = _import_onnxruntime()
        _check_precision(config.precision)
        choice = choose_provider(ort, path, config)
        check_model(path)
        self._session, name = _open(ort, path, config, choice)
        self.notes = _notes(choice, name)
        self.description = f"onnxruntime {ort.__version__} ({name})"
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


def _open(ort: Any, path: Path, config: BackendConfig, choice: ProviderChoice) -> tuple[Any, str]:
    """Return a session and the provider that runs it."""
    with quiet(ort, choice):
        session, reason = _session(ort, path, config, choice)
    names = [provider_name(full) for full in session.get_providers()] if session else []
    if choice.name in names:
        if choice.cache:
            choice.cache.seal()
        return session, choice.name
    if not choice.is_automatic:
        if session is None:
            # A file that no provider takes is what is wrong then.
            _on_the_cpu(ort, path, config)
        raise MissingError(
            f"onnxruntime fell back from {choice.name} to the CPU",
            *reason,
            hint="the provider's libraries (CUDA, cuDNN) are missing or of another version",
        )
    # It has the CPU alone in it already, or failed before it came so far.
    return session or _on_the_cpu(ort, path, config), CPU


def _session(
    ort: Any, path: Path, config: BackendConfig, choice: ProviderChoice
) -> tuple[Any, list[str]]:
    """Return a session, or None and why the provider does not start."""
    options = _session_options(ort, config)
    try:
        return ort.InferenceSession(
            str(path), options, providers=list(choice.providers), enable_fallback=0
        ), []
    except Exception as failure:  # its errors share no other base class
        if not choice.on_a_gpu:
            raise _refused(ort, path, failure) from failure
        return None, [_reason(failure)]


def _on_the_cpu(ort: Any, path: Path, config: BackendConfig) -> Any:
    try:
        options = _session_options(ort, config)
        return ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as failure:  # as above
        raise _refused(ort, path, failure) from failure


def _refused(ort: Any, path: Path, failure: Exception) -> GraphError:
    reason = _reason(failure)
    hint = _OTHER_BACKEND if _MISSING in reason else None
    return GraphError(f"onnxruntime {ort.__version__} cannot load {path}", reason, hint=hint)


def _notes(choice: ProviderChoice, name: str) -> tuple[str, ...]:
    """Return which provider runs, where nobody asked for one and a GPU is here."""
    if not choice.is_automatic or not choice.on_a_gpu:
        return ()
    if name == choice.name:
        return (f"it runs on the GPU ({name}), which answers here; --provider cpu for the CPU",)
    return (
        (
            f"it runs on the CPU: onnxruntime's {choice.name} does not start here; "
            f"--provider {choice.name} tells why"
        ),
    )


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


def _tensor_info(value: Any) -> TensorInfo:
    dtype = value.type.removeprefix("tensor(").removesuffix(")")
    return TensorInfo(value.name, tuple(value.shape), _DTYPES.get(dtype, dtype))


def _reason(failure: Exception) -> str:
    """Return the first line of an onnxruntime error without its code prefix."""
    # Some begin with a place in its own source and the function there.
    text = _PLACE.sub("", str(failure).partition("\n")[0])
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
