"""Which packages are installed, found without importing any: some take seconds to load.

Backends and engine builders say in their own files what brings them; the rest is listed here.
"""

from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec

from segpp.runtime.backends.base import BACKENDS

__all__ = ["Package", "distribution_of", "extra_of", "is_installed", "known_packages", "version_of"]


@dataclass(frozen=True)
class Package:
    """What brings a Python module.

    Args:
        distributions: What it may be installed as, the usual one first.
        extra: The extra of segpp that brings it; None if every installation has it.
    """

    distributions: tuple[str, ...]
    extra: str | None = None


_OTHERS = {
    "numpy": Package(("numpy",)),
    "PIL": Package(("pillow",)),
    "tqdm": Package(("tqdm",)),
    "torch": Package(("torch",), "export"),
    "onnx": Package(("onnx",), "export"),
    "onnxscript": Package(("onnxscript",), "export"),
    "onnx_ir": Package(("onnx-ir",), "export"),
    "safetensors": Package(("safetensors",), "export"),
    "cuda": Package(("cuda-bindings",), "rtx"),
    "av": Package(("av",), "video"),
    "matplotlib": Package(("matplotlib",), "plot"),
}


def known_packages() -> dict[str, Package]:
    """Return every package that segpp imports, by its module."""
    # The builders' package asks here what is installed.
    from segpp.runtime.build.builders import BUILDERS  # noqa: PLC0415 - see above

    known = dict(_OTHERS)
    for spec in BACKENDS.values():
        known[spec.module] = Package(spec.distributions or (spec.module,), spec.extra)
    for builder in BUILDERS.values():
        known[builder.module] = Package(builder.distributions, builder.extra)
    return known


def is_installed(module: str) -> bool:
    """Return whether a module could be imported, as far as that shows without doing it."""
    return find_spec(module) is not None


def distribution_of(module: str) -> str | None:
    """Return the name under which a module was installed."""
    if not is_installed(module):
        return None
    names = known_packages()[module].distributions
    return next((name for name in names if _version(name)), names[0])


def version_of(module: str) -> str | None:
    """Return an installed module's version, "unknown" if it does not tell, None without it."""
    name = distribution_of(module)
    return (_version(name) or "unknown") if name else None


def extra_of(module: str) -> str | None:
    """Return the extra of segpp that brings a module, None if none does."""
    package = known_packages().get(module)
    return package.extra if package else None


def _version(distribution: str) -> str | None:
    try:
        return version(distribution)
    except PackageNotFoundError:
        return None
