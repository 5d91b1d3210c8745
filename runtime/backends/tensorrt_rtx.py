"""tensorrt-rtx: runs engines on RTX GPUs.

It compiles kernels for the GPU at hand when an engine is loaded. What it compiled is kept in
``x.engine.cache`` beside the file, so that the next start takes a moment.
"""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from segpp.runtime.backends._compile_cache import cache_key, compiled_path, load, store
from segpp.runtime.backends.base import BACKENDS, BackendConfig
from segpp.runtime.backends.engine.opening import EngineLibrary, spec_of
from segpp.runtime.backends.engine.trust import TrustedEngine
from segpp.runtime.system.gpu import gpu_compute_capability, gpu_name

__all__ = ["LIBRARY"]


def _import() -> Any:
    import tensorrt_rtx  # noqa: PLC0415 - only when chosen

    return tensorrt_rtx


def _create_context(
    trt: Any, engine: Any, path: Path, trusted: TrustedEngine, config: BackendConfig
) -> tuple[Any, Callable[[], None]]:
    if not config.cache or not hasattr(engine, "create_runtime_config"):
        return engine.create_execution_context(), lambda: None
    gpu = gpu_compute_capability() or ""
    place = compiled_path(path, f"tensorrt-rtx-{gpu}")
    key = cache_key(trusted.sha256, str(trt.__version__), gpu, gpu_name() or "")
    settings = engine.create_runtime_config()
    cache = settings.create_runtime_cache()
    kept = load(place, key)
    # It refuses what another driver compiled.
    known = kept is not None and cache.deserialize(kept)
    settings.set_runtime_cache(cache)
    context = engine.create_execution_context(settings)
    return context, (lambda: None) if known else partial(_keep, cache, place, key)


def _keep(cache: Any, place: Path, key: bytes) -> None:
    if (compiled := cache.serialize()) is not None:
        store(place, key, bytes(compiled))


LIBRARY = EngineLibrary(
    name="tensorrt-rtx",
    title="TensorRT-RTX",
    module="tensorrt_rtx",
    extra="rtx",
    load=_import,
    create_context=_create_context,
)

BACKENDS.register("tensorrt-rtx")(
    spec_of(LIBRARY, "tensorrt-rtx-cu13", "tensorrt-rtx", "tensorrt-rtx-cu12")
)
