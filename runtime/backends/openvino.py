"""openvino: runs ONNX files on the CPU, on x86 usually faster than onnxruntime.

Its ONNX reader knows no functions of a file's own, so they are inlined in memory first; that
takes the onnx package, which comes with the extra.
"""

import logging
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from segpp.errors import GraphError, InputError, MissingError
from segpp.runtime.backends._compile_cache import cache_key, compiled_path, load, store
from segpp.runtime.backends.base import (
    BACKENDS,
    BackendConfig,
    BackendSpec,
    DeviceTimes,
    TensorInfo,
)
from segpp.runtime.onnx_reader.external_data import check_model, has_functions
from segpp.utils.choices import check_choice
from segpp.utils.files import sha256_of

__all__ = ["OpenVino"]

_LOG = logging.getLogger(__name__)

# What we call a precision -> its hint, how the compiled network tells it, what a CPU lists.
_PRECISIONS = {"fp32": ("f32", "f32", "FP32"), "bf16": ("bf16", "bf16", "BF16")}
_TELEMETRY = "openvino_telemetry"
# Lines of its errors that name places in its own source.
_NOISE = ("Exception from ", "Check '", "FrontEnd API failed", "While validating", "Summary:")


class OpenVino:
    """An ONNX file, compiled by OpenVINO for this CPU.

    Args:
        path: The file.
        config: How to run it; the provider must be "cpu".

    Raises:
        GraphError: The file is damaged, asks for weights elsewhere, or OpenVINO refuses it.
        InputError: It knows no such precision or provider, or will not use that many threads.
        MissingError: A package is not installed, or the CPU does not compute in that precision.
    """

    notes: tuple[str, ...] = ()
    device_times: DeviceTimes | None = None
    at_once = 1

    def __init__(self, path: Path, config: BackendConfig) -> None:
        ov = _import_openvino()
        check_choice(config.provider or "cpu", ["cpu"], kind="provider")
        external_files = check_model(path)
        core = _core()
        _check_precision(core, config.precision)
        try:
            # A kept network would not notice that weights beside the file changed.
            if config.cache and not external_files:
                self._network = _compile_once(ov, core, path, config)
            else:
                self._network = _compile(core, path, config)
        except MissingError:
            raise
        except Exception as failure:  # its errors share no other base class
            version = _version(ov)
            raise GraphError(
                f"openvino {version} cannot load {path}", *_reasons(failure)
            ) from failure
        _check_honored(self._network, config)
        self._request = self._network.create_infer_request()
        self.description = f"openvino {_version(ov)} (cpu, {config.precision})"
        self.inputs = tuple(map(_tensor_info, self._network.inputs))
        self.outputs = tuple(map(_tensor_info, self._network.outputs))

    def run(self, feeds: Mapping[str, NDArray[Any]], outputs: Sequence[str]) -> list[NDArray[Any]]:
        """Return ``outputs``, computed from ``feeds``."""
        try:
            results = self._request.infer(dict(feeds), share_inputs=True)
            return [results[name] for name in outputs]
        except Exception as failure:  # its errors share no other base class
            raise GraphError(f"{self.description} failed to run", *_reasons(failure)) from failure

    def close(self) -> None:
        """Drop the network, and with it its threads and memory."""
        self._request = self._network = None


@cache
def _core() -> Any:
    """Return the one of this process.

    Its plugin gives the thread that loads it a stack for signals, and each puts back what it found:
    of two, the second one leaves the first one's, which is gone, and Ctrl-C would crash.
    """
    return _import_openvino().Core()


def _import_openvino() -> Any:
    try:
        with _without_telemetry():
            import openvino  # noqa: PLC0415 - only when chosen
    except ModuleNotFoundError as failure:
        raise MissingError(
            "the package openvino is not installed", hint="pip install 'segpp[openvino]'"
        ) from failure
    return openvino


@contextmanager
def _without_telemetry() -> Iterator[None]:
    """Keep openvino from reporting to its maker that it was imported.

    It does so by default wherever it finds its telemetry package; without, it uses a stub.
    """
    if _TELEMETRY in sys.modules:
        yield
        return
    sys.modules[_TELEMETRY] = None  # type: ignore[assignment]  # how Python marks one as absent
    try:
        yield
    finally:
        del sys.modules[_TELEMETRY]


def _properties(config: BackendConfig) -> dict[str, Any]:
    # Left to itself it computes in BF16 wherever the CPU can.
    properties: dict[str, Any] = {
        "INFERENCE_PRECISION_HINT": _PRECISIONS[config.precision][0],
        "PERFORMANCE_HINT": "LATENCY",
        "NUM_STREAMS": 1,
    }
    if config.threads:
        properties["INFERENCE_NUM_THREADS"] = config.threads
    return properties


def _check_precision(core: Any, precision: str) -> None:
    check_choice(precision, _PRECISIONS, kind="precision of openvino")
    if _PRECISIONS[precision][2] not in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
        raise MissingError(f"this CPU does not compute in {precision.upper()}")


def _check_honored(network: Any, config: BackendConfig) -> None:
    """Find out what it made of the hints: it changes what it cannot do without a word."""
    precision = network.get_property("INFERENCE_PRECISION_HINT").get_type_name()
    if precision != _PRECISIONS[config.precision][1]:
        raise MissingError(f"openvino computes in {precision} here, not in {config.precision}")
    threads = network.get_property("INFERENCE_NUM_THREADS")
    if config.threads and config.threads_asked_for and threads != config.threads:
        raise InputError(f"openvino runs on {threads} threads here, not on {config.threads}")


def _compile(core: Any, path: Path, config: BackendConfig) -> Any:
    from openvino.frontend import FrontEndManager  # noqa: PLC0415 - only when chosen

    # Core.read_model would try its readers of every other format on a file that is none.
    reader = FrontEndManager().load_by_framework("onnx")
    # Only a file with functions needs the onnx package.
    source = BytesIO(_inlined(path)) if has_functions(path) else str(path)
    model = reader.convert(reader.load(source))
    return core.compile_model(model, "CPU", _properties(config))


def _compile_once(ov: Any, core: Any, path: Path, config: BackendConfig) -> Any:
    properties = _properties(config)
    blob_path = compiled_path(path, f"openvino-{config.precision}-{config.threads or 'all'}")
    cpu = core.get_property("CPU", "FULL_DEVICE_NAME")
    key = cache_key(sha256_of(path), ov.__version__, cpu, repr(sorted(properties.items())))
    if (blob := load(blob_path, key)) is not None:
        try:
            return core.import_model(blob, "CPU", properties)
        except RuntimeError as failure:  # made on another kind of CPU
            _LOG.info("%s does not load: %s", blob_path, failure)
    network = _compile(core, path, config)
    compiled = BytesIO()
    network.export_model(compiled)
    store(blob_path, key, compiled.getvalue())
    return network


def _inlined(path: Path) -> bytes:
    """Return the file with the body of every function in place of its calls, weights included."""
    try:
        import onnx  # noqa: PLC0415 - only for files with functions
        from onnx import inliner  # noqa: PLC0415 - as above
    except ModuleNotFoundError as failure:
        raise MissingError(
            "the package onnx is not installed",
            f"{path} defines operators of its own, which openvino takes only inlined",
            hint="pip install 'segpp[openvino]'",
        ) from failure
    content: bytes = inliner.inline_local_functions(onnx.load(path)).SerializeToString()
    return content


def _tensor_info(port: Any) -> TensorInfo:
    # A result's own name is that of the output; a tensor may carry others too.
    own = port.node.friendly_name.removesuffix("/sink_port_0")
    name = own if own in port.names else port.any_name
    shape = tuple(d.get_length() if d.is_static else None for d in port.partial_shape)
    try:
        dtype = str(port.element_type.to_dtype())
    except RuntimeError:
        dtype = port.element_type.get_type_name()
    return TensorInfo(name, shape, dtype)


def _reasons(failure: Exception) -> list[str]:
    """Return what an openvino error says, without the places in its source."""
    lines = [line.strip() for line in str(failure).splitlines()]
    reasons = [line for line in lines if line and not line.startswith(_NOISE)]
    return reasons[:2] or [str(failure)]


def _version(ov: Any) -> str:
    return str(ov.__version__).partition("-")[0]


BACKENDS.register("openvino")(
    BackendSpec("OpenVINO", "openvino", (".onnx",), OpenVino, extra="openvino", needs=("onnx",))
)
