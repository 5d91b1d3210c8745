"""Which library runs a file."""

from pathlib import Path
from shlex import quote

from segpp.errors import InputError
from segpp.images.preprocess import IMAGE_SUFFIXES
from segpp.manifest import Manifest
from segpp.runtime.backends.base import BACKENDS, backends_for
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
    check_choice(name, BACKENDS, kind="backend")
    suffixes = BACKENDS[name].suffixes
    if path.suffix.lower() not in suffixes:
        raise InputError(
            f"{name} does not run {path}",
            f"it runs {' and '.join(suffixes)} files",
            hint=_export_hint(path),
        )
    return name


def _automatic(path: Path, manifest: Manifest | None) -> str:
    if manifest and manifest.engine:
        # An engine loads only with the library that built it.
        if manifest.engine.library not in BACKENDS:
            raise InputError(
                f"{path} is an engine of {manifest.engine.library}, which segpp builds and does "
                "not run yet",
                hint="run the ONNX file that it was built from",
            )
        return manifest.engine.library
    suffix = path.suffix.lower()
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
    """Return what to do with an engine, a picture or a file of weights; None for another."""
    if path.suffix.lower() in IMAGE_SUFFIXES:
        return "give the network first, then the pictures"
    if path.suffix.lower() in ENGINE_SUFFIXES:
        return "run the ONNX file that it was built from"
    return _export_hint(path)


def _export_hint(path: Path) -> str | None:
    if not kind_of(path).holds:
        return None
    return f"export it first: segpp-export {quote(str(path))} {quote(path.stem)}.onnx"
