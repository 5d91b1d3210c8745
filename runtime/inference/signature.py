"""What a network declares of its inputs and outputs, beside its manifest or for want of one."""

from pathlib import Path
from typing import Literal, cast

from segpp import __version__
from segpp.errors import GraphError, ManifestError
from segpp.images.palette import default_palette
from segpp.images.postprocess import UINT8_CLASSES
from segpp.images.preprocess import IMAGENET_MEAN, IMAGENET_STD
from segpp.manifest import (
    LABEL_DIMENSIONS,
    TENSOR_DIMENSIONS,
    Architecture,
    Classes,
    FileInfo,
    InputSpec,
    Manifest,
    OutputSpec,
    Source,
)
from segpp.runtime.backends.base import Backend, TensorInfo
from segpp.utils.files import manifest_path, sha256_of

__all__ = ["ASSUMED", "UNKNOWN", "check_signature", "infer_manifest"]

# The layout of a file that segpp did not write.
UNKNOWN = "unknown"

ASSUMED = (
    "it has no manifest: assuming RGB, ImageNet mean and std, and numbers for class names",
    "if the masks look wrong, export it with segpp-export",
)

_RGB = 3
# Masks are written with 16 bits.
_MOST_CLASSES = 1 << 16

_Dtype = Literal["float32", "float16", "uint8"]
_INTEGERS = ("int8", "uint8", "int16", "int32", "int64")
_FLOATS = ("float32", "float16", "float64")


def infer_manifest(path: Path, backend: Backend) -> Manifest:
    """Return a manifest for a network that has none, as far as its declarations go.

    Args:
        path: Its file.
        backend: The loaded network, of which only the declarations are read.

    Raises:
        GraphError: It has not one static image input and one output that are what a
            segmentation network has; the message says which is wrong and how.
    """
    spec, output = _input(path, backend), _output(path, backend)
    # A file that gives only labels does not tell its number of classes.
    classes = output.shape[1] if output.kind == "logits" else UINT8_CLASSES
    if classes > _MOST_CLASSES:
        raise GraphError(
            f"{path} gives {classes:,} classes", f"at most {_MOST_CLASSES:,} fit into a mask"
        )
    digest = sha256_of(path)
    return Manifest(
        kind="onnx",
        segpp=__version__,
        file=FileInfo(path.name, digest, path.stat().st_size),
        source=Source(path.name, digest, UNKNOWN),
        architecture=Architecture(UNKNOWN, (), (), (), UNKNOWN, 0, classes, spec.channels),
        classes=Classes(tuple(map(str, range(classes))), default_palette(classes)),
        input=spec,
        outputs=(output,),
        reduction=(),
        precision="fp32",
        tools={},
        notes=ASSUMED,
    )


def check_signature(path: Path, manifest: Manifest, backend: Backend) -> None:
    """Check that the network takes and gives what its manifest says.

    Args:
        path: Its file.
        manifest: What was read beside it.
        backend: The loaded network, of which only the declarations are read.

    Raises:
        ManifestError: It does not; the message compares the two.
    """
    spec = manifest.input
    _compare(path, "input", [TensorInfo(spec.name, spec.shape, spec.dtype)], backend.inputs)
    outputs = [TensorInfo(out.name, out.shape, out.dtype) for out in manifest.outputs]
    _compare(path, "output", outputs, backend.outputs)
    count = len(manifest.classes.names)
    for output in manifest.outputs:
        dimensions = TENSOR_DIMENSIONS if output.kind == "logits" else LABEL_DIMENSIONS
        if len(output.shape) != dimensions or output.shape[0] != spec.batch:
            raise ManifestError(
                f"{manifest_path(path)} gives {output.kind} the shape {list(output.shape)}"
            )
        if output.kind == "logits" and output.shape[1] != count:
            raise ManifestError(
                f"{manifest_path(path)} names {count} classes for logits of {output.shape[1]}"
            )


def _compare(
    path: Path, side: str, expected: list[TensorInfo], declared: tuple[TensorInfo, ...]
) -> None:
    """Compare what the manifest says with what the file declares; it may give more outputs."""
    by_name = {info.name: info for info in declared}
    extra = set(by_name) - {info.name for info in expected} if side == "input" else set()
    fits = not extra and all(
        info.name in by_name and _fits(info, by_name[info.name]) for info in expected
    )
    if not fits:
        raise ManifestError(
            f"{path} has another {side} than its manifest says",
            f"manifest: {'; '.join(map(_text, expected))}",
            f"file:     {'; '.join(map(_text, declared))}",
        )


def _fits(expected: TensorInfo, declared: TensorInfo) -> bool:
    if expected.dtype != declared.dtype or len(expected.shape) != len(declared.shape):
        return False
    # A file may leave a dimension open where shape inference gave up; the manifest fills it.
    pairs = zip(expected.shape, declared.shape, strict=True)
    return all(size == other or not isinstance(other, int) for size, other in pairs)


def _input(path: Path, backend: Backend) -> InputSpec:
    if len(backend.inputs) != 1:
        raise GraphError(
            f"{path} has no manifest and {len(backend.inputs)} inputs; one image is expected",
            *map(_text, backend.inputs),
        )
    [info] = backend.inputs
    shape = _static(path, info, "input")
    layout = _layout(shape)
    if layout is None or info.dtype not in {"float32", "float16", "uint8"}:
        raise GraphError(
            f"{path} has no manifest, and its input is no batch of images: {_text(info)}",
            "expected: (B, 3, H, W) or (B, H, W, 3) of float32, float16 or uint8",
        )
    frames = (shape[1] if layout == "NCHW" else shape[3]) // _RGB
    dtype = cast("_Dtype", info.dtype)
    return InputSpec(
        info.name, shape, dtype, layout, "RGB", IMAGENET_MEAN * frames, IMAGENET_STD * frames
    )


def _layout(shape: tuple[int, ...]) -> Literal["NCHW", "NHWC"] | None:
    if len(shape) != TENSOR_DIMENSIONS:
        return None
    # A channel axis holds whole RGB frames, of which nobody stacks more than three.
    frames = {_RGB, 2 * _RGB, 3 * _RGB}
    if shape[1] in frames:
        return "NCHW"
    return "NHWC" if shape[3] in frames else None


def _output(path: Path, backend: Backend) -> OutputSpec:
    fitting = [(info, kind) for info in backend.outputs if (kind := _kind(info))]
    if len(fitting) != 1:
        raise GraphError(
            f"{path} has no manifest and {len(fitting)} outputs that could be masks; "
            "one is expected",
            *map(_text, backend.outputs),
            "expected: float logits (B, K, h, w) with K > 1, or integer labels (B, H, W)",
        )
    [(info, kind)] = fitting
    return OutputSpec(info.name, kind, _static(path, info, "output"), info.dtype)


def _kind(info: TensorInfo) -> Literal["logits", "labels"] | None:
    if len(info.shape) == TENSOR_DIMENSIONS and info.dtype in _FLOATS and info.shape[1] != 1:
        return "logits"
    if len(info.shape) == LABEL_DIMENSIONS and info.dtype in _INTEGERS:
        return "labels"
    return None


def _static(path: Path, info: TensorInfo, side: str) -> tuple[int, ...]:
    sizes = tuple(size for size in info.shape if isinstance(size, int) and size > 0)
    if len(sizes) != len(info.shape):
        raise GraphError(
            f"{path} has an open dimension in its {side}: {_text(info)}",
            hint="export it with fixed shapes: segpp-export --size HxW --batch N",
        )
    return sizes


def _text(info: TensorInfo) -> str:
    return f"{info.name} ({', '.join(map(str, info.shape))}) {info.dtype}"
