"""Which packages are installed, found without importing any: some take seconds to load."""

from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec

__all__ = ["PACKAGES", "distribution_of", "is_installed", "version_of"]

# Module -> the distributions that bring it, the usual one first.
PACKAGES = {
    "numpy": ("numpy",),
    "PIL": ("pillow",),
    "tqdm": ("tqdm",),
    "torch": ("torch",),
    "onnx": ("onnx",),
    "onnxscript": ("onnxscript",),
    "onnx_graphsurgeon": ("onnx-graphsurgeon",),
    "safetensors": ("safetensors",),
    "onnxruntime": ("onnxruntime", "onnxruntime-gpu", "onnxruntime-openvino"),
    "openvino": ("openvino",),
    "tensorrt": ("tensorrt",),
    "tensorrt_rtx": ("tensorrt-rtx-cu13", "tensorrt-rtx", "tensorrt-rtx-cu12"),
    "av": ("av",),
    "matplotlib": ("matplotlib",),
}


def is_installed(module: str) -> bool:
    """Return whether a module could be imported, as far as that shows without doing it."""
    return find_spec(module) is not None


def distribution_of(module: str) -> str | None:
    """Return the name under which a module was installed."""
    if not is_installed(module):
        return None
    return next((name for name in PACKAGES[module] if _version(name)), PACKAGES[module][0])


def version_of(module: str) -> str | None:
    """Return an installed module's version, "unknown" if it does not tell, None without it."""
    name = distribution_of(module)
    return (_version(name) or "unknown") if name else None


def _version(distribution: str) -> str | None:
    try:
        return version(distribution)
    except PackageNotFoundError:
        return None
