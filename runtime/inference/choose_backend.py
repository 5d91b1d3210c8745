"""Which library runs a file."""

from pathlib import Path
from shlex import quote

from segpp.errors import InputError
from segpp.images.preprocess import IMAGE_SUFFIXES
from segpp.manifest import Manifest
from segpp.runtime.backends.base import BACKENDS, backends_for
from segpp.runtime.backends.engine.header import read_header
from segpp.runtime.system.packages import is_installed
from segpp.utils.choices import check_choice
from segpp.utils.file_type import ENGINE_SUFFIXES, kind_of

__all__ = ["choose_backend"]

# It has no convolution of BF16 on a CPU.
_WITHOUT_BF16 = "onnxruntime"


def choose_backend(name: str, path: Path, manifest: Manifest | None) -> str:
    """Return the backend to use, its name in ``BACKENDS``."""
    if name == "auto":
        name = _automatic(path, manifest)
    elif name in BACKENDS and path.suffix.lower() in ENGINE_SUFFIXES:
        _check_library(name, path)
    check_choice(name, BACKENDS, kind="backend")
    suffixes = BACKENDS[name].suffixes
    if path.suffix.lower() not in suffixes:
        raise InputError(
            f"{name} does not run {path}",
            f"it runs {' and '.join(suffixes)} files",
            hint=_export_hint(path) or _build_hint(path, suffixes, name),
        )
    return name


def _check_library(name: str, path: Path) -> None:
    """Raise InputError if an engine is another library's."""
    if (library := read_header(path).library) != name:
        raise InputError(
            f"{name} does not run {path}",
            f"it is an engine of {library}",
            hint=f"`backend={library}`, or none: auto finds it",
        )


def _automatic(path: Path, manifest: Manifest | None) -> str:
    if manifest and manifest.engine:
        # An engine loads only with the library that built it.
        if manifest.engine.library not in BACKENDS:
            raise InputError(
                f"{path} is an engine of {manifest.engine.library}, which this segpp does not run",
                hint="run the ONNX file that it was built from",
            )
        return manifest.engine.library
    suffix = path.suffix.lower()
    if suffix in ENGINE_SUFFIXES:
        return read_header(path).library
    fitting = backends_for(suffix)
    if not fitting:
        suffixes = sorted({suffix for spec in BACKENDS.values() for suffix in spec.suffixes})
        raise InputError(
            f"no backend runs {path}",
            f"files that run: {', '.join(suffixes)}",
            hint=_hint_for(path),
        )
    if manifest and manifest.precision == "bf16":
        # Where nothing else is installed, ONNX Runtime says what is missing.
        fitting.sort(key=lambda name: name == _WITHOUT_BF16)
    installed = [name for name in fitting if is_installed(BACKENDS[name].module)]
    return (installed or fitting)[0]


def _hint_for(path: Path) -> str | None:
    """Return what to do with a picture or a file of weights; None for another."""
    if path.suffix.lower() in IMAGE_SUFFIXES:
        return "give the network first, then the pictures"
    return _export_hint(path)


def _build_hint(path: Path, suffixes: tuple[str, ...], name: str) -> str | None:
    if path.suffix.lower() != ".onnx" or not ENGINE_SUFFIXES.intersection(suffixes):
        return None
    files = f"{quote(str(path))} {quote(path.stem)}.engine"
    return f"build an engine first: segpp-build-engine {files} --backend {name}"


def _export_hint(path: Path) -> str | None:
    if not kind_of(path).holds:
        return None
    return f"export it first: segpp-export {quote(str(path))} {quote(path.stem)}.onnx"
