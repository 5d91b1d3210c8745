"""The steps from a file to a running engine, the same for TensorRT and TensorRT-RTX."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from segpp.errors import GraphError, InputError, MissingError
from segpp.runtime.backends.base import BackendConfig, BackendSpec
from segpp.runtime.backends.engine.buffers import is_shared_memory
from segpp.runtime.backends.engine.cuda import load_cuda
from segpp.runtime.backends.engine.loading import (
    ContextProgram,
    deserialize,
    load_plugins,
    new_log,
    tensors_of,
)
from segpp.runtime.backends.engine.network import EngineNetwork
from segpp.runtime.backends.engine.trust import (
    Here,
    TrustedEngine,
    check_fits,
    read_trusted,
)
from segpp.runtime.system.gpu import gpu_compute_capability, gpu_name
from segpp.runtime.system.hardware import this_machine
from segpp.runtime.system.packages import is_installed
from segpp.runtime.system.plugins import find_plugins
from segpp.utils.choices import check_choice
from segpp.utils.file_type import ENGINE_SUFFIXES
from segpp.utils.files import sha256_of

__all__ = ["EngineLibrary", "check_gpu", "open_engine", "spec_of"]

# What an engine runs on; it has no other.
_PROVIDER = "cuda"


@dataclass(frozen=True)
class EngineLibrary:
    """One of the libraries that run engines.

    Args:
        name: The backend.
        title: What its maker calls it.
        module: The Python module that must be installed.
        extra: The extra of segpp that brings it.
        load: Imports it.
        create_context: Makes an execution context of an engine, and returns it with what is to
            be called once it has run; takes the library, its engine, the file, the trusted
            engine and the config.
        has_plugins: Whether it takes plugin libraries.
    """

    name: str
    title: str
    module: str
    extra: str
    load: Callable[[], Any]
    create_context: "CreateContext"
    has_plugins: bool = False


CreateContext = Callable[
    [Any, Any, Path, TrustedEngine, BackendConfig], tuple[Any, Callable[[], None]]
]


def spec_of(library: EngineLibrary, *distributions: str) -> BackendSpec:
    """Return what is known of a library that runs engines before it is loaded.

    Args:
        library: The library.
        distributions: What its module may be installed as, the usual one first.
    """
    return BackendSpec(
        title=library.title,
        module=library.module,
        suffixes=tuple(sorted(ENGINE_SUFFIXES)),
        open=partial(open_engine, library),
        extra=library.extra,
        distributions=distributions,
        needs=("cuda",),
    )


def open_engine(library: EngineLibrary, path: Path, config: BackendConfig) -> EngineNetwork:
    """Check an engine, load it and run it once.

    Args:
        library: Whose engine it is.
        path: The file.
        config: How to run it; threads mean nothing to a GPU.

    Raises:
        CudaError: CUDA failed, or there is not enough memory.
        GraphError: It is no engine, damaged, or the library refuses it.
        InputError: It is not to be trusted, or ``config`` asks for what no engine does.
        ManifestError: Its manifest is damaged or about another file.
        MissingError: The library, CUDA's bindings, plugins or a GPU are not here.
        StaleEngineError: It was built for another version, GPU or plugin library.
    """
    # 1. What needs no library: the order in which a person would want to hear it.
    _check_installed(library)
    _check_config(library, config)
    engine = read_trusted(path, library=library.name, trust=config.trust)
    # 2. What is here, against what it was built for.
    trt, plugins = _imported(library), _plugins(library, engine)
    here = Here(
        library=library.name,
        title=library.title,
        version=str(trt.__version__),
        compute_capability=gpu_compute_capability(),
        plugins=sha256_of(plugins) if plugins else None,
    )
    check_fits(path, engine, here)
    check_gpu(path, engine)
    # 3. The engine itself.
    if plugins:
        load_plugins(trt, plugins)
    return _loaded(library, trt, path, engine, config)


def check_gpu(path: Path, engine: TrustedEngine | None = None) -> None:
    """Raise MissingError unless a GPU answers.

    Args:
        path: The engine, for the message.
        engine: What is known of it.
    """
    if gpu_compute_capability() is not None:
        return
    built = engine.info.compute_capabilities if engine and engine.info else ()
    onnx = engine.manifest.source.name if engine and engine.manifest else "the ONNX file"
    raise MissingError(
        f"{path} runs on a GPU, and none answers here",
        *filter(None, [this_machine().gpu.obstacle]),
        *([f"it was built for compute capability {', '.join(built)}"] if built else []),
        hint=f"run what it was built from, which needs none: {onnx}",
    )


def _loaded(
    library: EngineLibrary, trt: Any, path: Path, engine: TrustedEngine, config: BackendConfig
) -> EngineNetwork:
    cuda = load_cuda()
    log = new_log(trt)
    runtime, loaded = deserialize(
        trt, log, path, engine.blob, runs_host_code=_carries_host_code(engine)
    )
    tensors = tensors_of(trt, loaded, path)
    # The library has its own copy; large engines need not stay twice.
    known = replace(engine, blob=b"")
    context, after_first_run = library.create_context(trt, loaded, path, known, config)
    if context is None:
        raise GraphError(f"{path} does not fit into the GPU's memory", *log.reasons())
    network = EngineNetwork(
        cuda,
        ContextProgram(context, loaded, runtime, log),
        tensors,
        name=f"{library.module} {trt.__version__} ({gpu_name() or 'GPU'}",
        path=path,
        shared=is_shared_memory(cuda),
        cuda_graph=config.cuda_graph,
    )
    after_first_run()
    return network


def _check_installed(library: EngineLibrary) -> None:
    if not is_installed(library.module):
        raise MissingError(
            f"{library.title} is not installed", hint=f"pip install 'segpp[{library.extra}]'"
        )


def _check_config(library: EngineLibrary, config: BackendConfig) -> None:
    check_choice(config.provider or _PROVIDER, [_PROVIDER], kind="provider")
    check_choice(config.precision, ["fp32", "bf16"], kind="precision")
    if config.precision != "fp32":
        raise InputError(
            f"{library.name} computes an engine in the precision that it was built with",
            hint="build one of a file of that precision: segpp-export --precision",
        )


def _imported(library: EngineLibrary) -> Any:
    try:
        return library.load()
    except ImportError as failure:
        raise MissingError(
            f"{library.title} is installed and does not load", str(failure)
        ) from failure


def _plugins(library: EngineLibrary, engine: TrustedEngine) -> Path | None:
    """Return the plugin library that an engine calls from outside, if it is here."""
    built = engine.info.plugin_library if engine.info else None
    if built is None or built.embedded or not library.has_plugins:
        return None
    found = find_plugins().library.path
    return Path(found) if found else None


def _carries_host_code(engine: TrustedEngine) -> bool:
    """Return whether the engine holds code for the CPU, which must be allowed to run.

    An embedded plugin library is such code, and so is the runtime that an engine for later versions
    brings along. Only a manifest's word counts: never for an engine without one.
    """
    info = engine.info
    if info is None:
        return False
    library = info.plugin_library
    return info.version_compatible or (library is not None and library.embedded)
