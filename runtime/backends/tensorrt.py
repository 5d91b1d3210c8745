"""tensorrt: runs engines on the GPUs that they were built for, JetPack's and others."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from segpp.runtime.backends.base import BACKENDS, BackendConfig
from segpp.runtime.backends.engine.opening import EngineLibrary, spec_of
from segpp.runtime.backends.engine.trust import TrustedEngine

__all__ = ["LIBRARY"]


def _import() -> Any:
    import tensorrt  # noqa: PLC0415 - only when chosen

    return tensorrt


def _create_context(
    _trt: Any, engine: Any, _path: Path, _trusted: TrustedEngine, _config: BackendConfig
) -> tuple[Any, Callable[[], None]]:
    return engine.create_execution_context(), lambda: None


LIBRARY = EngineLibrary(
    name="tensorrt",
    title="TensorRT",
    module="tensorrt",
    extra="tensorrt",
    load=_import,
    create_context=_create_context,
    has_plugins=True,
)

BACKENDS.register("tensorrt")(spec_of(LIBRARY, "tensorrt", "tensorrt-cu13", "tensorrt-cu12"))
