"""segpp: a trained SegFormer made cheaper by token merging, and run at the edge, masks proved.

    >>> import segpp
    >>> result = segpp.export_onnx("model.pth", "out.onnx", ratio=0.5)
    >>> with segpp.load("out.onnx") as session:
    ...     masks = session(segpp.load_image("street.png")).masks

Nothing heavy is imported until it is used.
"""

import os
import sys

# ``python -m segpp`` looks first into the current folder, where anybody's typing.py may lie. Only
# then is this the first argument, and only then is that folder the first of the path.
if sys.argv[:1] == ["-m"] and not (sys.flags.isolated or getattr(sys.flags, "safe_path", False)):
    del sys.path[0]

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from segpp.api import (
        benchmark,
        build_engine,
        calibrate,
        distill,
        evaluate,
        export_onnx,
        fine_tune,
        inspect,
        load,
        predict,
        train_policy,
        verify,
    )
    from segpp.errors import (
        CheckError,
        CheckpointError,
        GraphError,
        ImageError,
        InputError,
        ManifestError,
        MissingError,
        OutputError,
        ReductionError,
        SegppError,
    )
    from segpp.images import sample_image
    from segpp.images.preprocess import load_image
    from segpp.manifest import Manifest, read_manifest

__version__ = "0.1.0"

# From its import on, onnxruntime 1.31 keeps a database under ~/.cache for its maker's collector;
# its function that switches this off comes too late. Who wants it sets the variable to 0.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

__all__ = [
    "CheckError",
    "CheckpointError",
    "GraphError",
    "ImageError",
    "InputError",
    "Manifest",
    "ManifestError",
    "MissingError",
    "OutputError",
    "ReductionError",
    "SegppError",
    "__version__",
    "benchmark",
    "build_engine",
    "calibrate",
    "distill",
    "evaluate",
    "export_onnx",
    "fine_tune",
    "inspect",
    "load",
    "load_image",
    "predict",
    "read_manifest",
    "sample_image",
    "train_policy",
    "verify",
]

# Module to the names that it gives; each is imported when it is first asked for (PEP 562).
_LAZY = {
    "segpp.api": (
        "benchmark",
        "build_engine",
        "calibrate",
        "distill",
        "evaluate",
        "export_onnx",
        "fine_tune",
        "inspect",
        "load",
        "predict",
        "train_policy",
        "verify",
    ),
    "segpp.errors": tuple(name for name in __all__ if name.endswith("Error")),
    "segpp.images": ("sample_image",),
    "segpp.images.preprocess": ("load_image",),
    "segpp.manifest": ("Manifest", "read_manifest"),
}


# A type checker takes the names from the imports above; with this it would take any other too.
if not TYPE_CHECKING:

    def __getattr__(name: str) -> object:
        for module, names in _LAZY.items():
            if name in names:
                return getattr(import_module(module), name)
        raise AttributeError(f"module 'segpp' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
