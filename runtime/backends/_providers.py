"""onnxruntime's execution providers: which one runs a file, with which options.

    asked for      that one, or an error: what is missing, and how to get it
    not asked for  CUDA where a GPU answers and this onnxruntime has it, else the CPU

Left out on purpose: CUDA graphs, which onnxruntime replays only for inputs and outputs that the
caller keeps on the GPU; and FP32 as TF32, whose 10 bits break other ties in a matching than the
file's own numbers do.
"""

import contextlib
import io
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from segpp.errors import ManifestError, MissingError
from segpp.manifest import read_manifest
from segpp.runtime.backends._engine_cache import EngineCache
from segpp.runtime.backends.base import BackendConfig
from segpp.runtime.system.gpu import gpu_compute_capability
from segpp.utils.choices import check_choice
from segpp.utils.files import manifest_path

__all__ = ["CPU", "ProviderChoice", "choose_provider", "provider_name", "quiet"]

CPU = "cpu"
_CUDA, _TENSORRT, _RTX = "cuda", "tensorrt", "nv-tensorrt-rtx"

# Names of ours where onnxruntime's, in small letters, are hard to read.
_SUFFIX = "ExecutionProvider"
_READABLE = {"nvtensorrtrtx": _RTX}

_ON_A_GPU = {_CUDA, _TENSORRT, _RTX}
_HINTS = {
    _CUDA: "pip install 'segpp[gpu]'",
    _TENSORRT: "pip install 'segpp[gpu,tensorrt]'",
    _RTX: "it is in builds of onnxruntime of one's own; segpp-build-engine makes engines for "
    "the same library",
}


@dataclass(frozen=True)
class ProviderChoice:
    """A provider, and those that take what it leaves.

    Args:
        name: Of ours.
        is_automatic: Whether nobody asked for it.
        providers: For ``InferenceSession``, in order.
        cache: Where it keeps the engines that it builds, if it does.
    """

    name: str
    is_automatic: bool
    providers: tuple[tuple[str, dict[str, str]], ...]
    cache: EngineCache | None = field(default=None, compare=False)

    @property
    def on_a_gpu(self) -> bool:
        """Whether it needs CUDA's libraries."""
        return self.name in _ON_A_GPU


def provider_name(full: str) -> str:
    """Return "cuda" for "CUDAExecutionProvider", and the like."""
    short = full.removesuffix(_SUFFIX).lower()
    return _READABLE.get(short, short)


def choose_provider(ort: Any, path: Path, config: BackendConfig) -> ProviderChoice:
    """Return the provider that is to run a file.

    Args:
        ort: The package.
        path: The file.
        config: Whose provider is one of its names, or None.

    Raises:
        InputError: There is no such provider.
        MissingError: This onnxruntime does not have it.
    """
    available = {provider_name(full): full for full in ort.get_available_providers()}
    name = config.provider.lower() if config.provider else _automatic(available)
    check_choice(name, {*map(provider_name, ort.get_all_providers())}, kind="provider")
    if name not in available:
        raise MissingError(
            f"this onnxruntime has no provider {name!r}",
            f"it has: {', '.join(sorted(available))}",
            hint=_HINTS.get(name),
        )
    # Where weights lie beside the file, what was built would not notice that they changed.
    cache = EngineCache(path) if config.cache and name in {_TENSORRT, _RTX} else None
    return ProviderChoice(
        name,
        is_automatic=config.provider is None,
        providers=tuple(_chain(name, available, path, cache)),
        cache=cache,
    )


@contextlib.contextmanager
def quiet(ort: Any, choice: ProviderChoice) -> Iterator[None]:
    """Load CUDA's libraries from pip's packages, and keep onnxruntime from printing meanwhile."""
    if not choice.on_a_gpu:
        yield
        return
    with contextlib.redirect_stdout(io.StringIO()):
        # Its default log writes to stderr what reaches us as the provider's absence.
        ort.set_default_logger_severity(4)
        try:
            # From 1.21 on; a system's own CUDA is found without.
            getattr(ort, "preload_dlls", lambda: None)()
            yield
        finally:
            ort.set_default_logger_severity(2)


def _automatic(available: dict[str, str]) -> str:
    return _CUDA if _CUDA in available and gpu_compute_capability() else CPU


def _chain(
    name: str, available: dict[str, str], path: Path, cache: EngineCache | None
) -> list[tuple[str, dict[str, str]]]:
    chain = [(available[name], _options(name, path, cache))]
    if name in {_TENSORRT, _RTX} and _CUDA in available:
        # What the compiler does not take.
        chain.append((available[_CUDA], _options(_CUDA, path, None)))
    if name in _ON_A_GPU:
        chain.append((available[CPU], {}))
    return chain


def _options(name: str, path: Path, cache: EngineCache | None) -> dict[str, str]:
    if name == _CUDA:
        return {"use_tf32": "0"}
    if name == _RTX:
        return {"nv_runtime_cache_path": str(cache.folder)} if cache and cache.is_usable else {}
    if name != _TENSORRT:
        return {}
    options = _precision_options(path)
    if cache and cache.is_usable:
        folder = str(cache.folder)
        options |= {"trt_engine_cache_enable": "1", "trt_engine_cache_path": folder}
        options |= {"trt_timing_cache_enable": "1", "trt_timing_cache_path": folder}
    return options


def _precision_options(path: Path) -> dict[str, str]:
    """Return what TensorRT may compute in: the file's own types, and nothing lower."""
    try:
        known = manifest_path(path).exists()
        precision = read_manifest(path, verify=False).precision if known else "fp32"
    except ManifestError:
        # Whoever opens the session says what is wrong with it.
        precision = "fp32"
    flags = {"fp16": ("fp16",), "bf16": ("bf16",), "int8": ("int8", "fp16")}.get(precision, ())
    return {f"trt_{flag}_enable": "1" for flag in flags}
