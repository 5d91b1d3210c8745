"""The engine once more, of the file that it was built from, for what is here now."""

from pathlib import Path

from segpp.errors import InputError, MissingError
from segpp.manifest import Manifest
from segpp.runtime.backends.base import Backend, BackendConfig, BackendSpec
from segpp.runtime.backends.engine.opening import check_gpu
from segpp.runtime.backends.engine.trust import StaleEngineError, rebuild_command
from segpp.runtime.build import BuildConfig, BuildReport, build_engine
from segpp.utils.files import difference, manifest_path
from segpp.utils.progress import step

__all__ = ["open_current", "rebuild"]


def open_current(
    spec: BackendSpec, path: Path, config: BackendConfig, manifest: Manifest | None
) -> Backend:
    """Load a file; an engine that was built for something else is built again first.

    Args:
        spec: The backend.
        path: The file.
        config: How to run it.
        manifest: Of it, if it has one; without, nothing tells of what to rebuild it.

    Raises:
        SegppError: As ``BackendSpec.open`` and ``rebuild``.
    """
    try:
        return spec.open(path, config)
    except StaleEngineError:
        if manifest is None:
            raise
        # An engine that cannot run here is not worth the minutes.
        check_gpu(path)
        rebuild(path, manifest)
    return spec.open(path, config)


def rebuild(path: Path, manifest: Manifest) -> BuildReport:
    """Build an engine again and put it in the place of the stale one.

    Args:
        path: The engine.
        manifest: Of it; its source must lie beside it, unchanged.

    Raises:
        InputError: The ONNX file there is another one, or the engine cannot be built.
        MissingError: The ONNX file, or the builder, is not here.
    """
    onnx = path.with_name(manifest.source.name)
    _check_source(path, onnx, manifest)
    library = manifest.engine.library if manifest.engine else "auto"
    with step(f"rebuilding {path.name} of {onnx.name}"):
        return build_engine(BuildConfig(onnx, path, builder=library))


def _check_source(path: Path, onnx: Path, manifest: Manifest) -> None:
    if not onnx.is_file():
        raise MissingError(
            f"{path} cannot be rebuilt: {onnx.name}, of which it was built, is not beside it"
        )
    size = onnx.stat().st_size
    if (found := difference(onnx, size, manifest.source.sha256)) is not None:
        raise InputError(
            f"{path} cannot be rebuilt: {onnx.name} is not the file of which it was built",
            f"built of: {manifest.source.sha256[:16]}…, as {manifest_path(path).name} says",
            f"found:    {found}",
            hint=f"if it is to be of the new file: {rebuild_command(path, manifest)}",
        )
