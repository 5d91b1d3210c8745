"""What a network declares, compared with its manifest, or taken for want of one."""

from pathlib import Path
from typing import Literal, cast

from segpp import __version__
from segpp.errors import GraphError, ManifestError
from segpp.images.palette import default_palette
from segpp.manifest import (
    Architecture,
    Classes,
    FileInfo,
    InputSpec,
    Manifest,
    OutputSpec,
    Source,
)
from segpp.runtime.backends._base import Engine, TensorInfo
from segpp.utils.files import manifest_path, sha256_of

__all__ = ["ASSUMED", "UNKNOWN", "check_as_described", "describe"]

# The layout of a file that segpp did not write.
UNKNOWN = "unknown"

ASSUMED = (
    "it has no manifest: assuming RGB, ImageNet mean and std, and numbers for class names",
    "if the masks look wrong, export it with segpp-export",
)

# torchvision's ImageNet statistics on the 0-255 scale, as nearly every SegFormer uses them.
_MEAN = (123.675, 116.28, 103.53)
_STD = (58.395, 57.12, 57.375)
_RGB = 3
_IMAGE_DIMENSIONS = 4
_LABEL_DIMENSIONS = 3
# As many as uint8 holds: a file that gives only labels does not tell its number of classes.
_MOST_CLASSES = 256

_Dtype = Literal["float32", "float16", "uint8"]
_INTEGERS = ("int8", "uint8", "int16", "int32", "int64")
_FLOATS = ("float32", "float16", "float64")


def describe(path: Path, engine: Engine) -> Manifest:
    """Return a manifest for a network that has none, as far as its declarations go.

    Raises:
        GraphError: It has not one static image input and one output that are what a
            segmentation network has; the message says which is wrong and how.
    """
    spec, output = _input(path, engine), _output(path, engine)
    classes = output.shape[1] if output.kind == "logits" else _MOST_CLASSES
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


def check_as_described(path: Path, manifest: Manifest, engine: Engine) -> None:
    """Check that the network takes and gives what its manifest says.

    Raises:
        ManifestError: It does not; the message compares the two.
    """
    spec = manifest.input
    _compare(path, "input", [TensorInfo(spec.name, spec.shape, spec.dtype)], engine.inputs)
    declared = [TensorInfo(out.name, out.shape, out.dtype) for out in manifest.outputs]
    _compare(path, "output", declared, engine.outputs)
    count = len(manifest.classes.names)
    for output in manifest.outputs:
        dimensions = _IMAGE_DIMENSIONS if output.kind == "logits" else _LABEL_DIMENSIONS
        if len(output.shape) != dimensions or output.shape[0] != spec.batch:
            raise ManifestError(
                f"{manifest_path(path)} gives {output.kind} the shape {list(output.shape)}"
            )
        if output.kind == "logits" and output.shape[1] != count:
            raise ManifestError(
                f"{manifest_path(path)} names {count} classes for logits of {output.shape[1]}"
            )


def _compare(
    path: Path, side: str, declared: list[TensorInfo], found: tuple[TensorInfo, ...]
) -> None:
    there = {info.name: info for info in found}
    extra = set(there) - {info.name for info in declared} if side == "input" else set()
    # An engine may leave a dimension open where its inference gave up; the manifest fills it.
    fits = not extra and all(
        info.name in there and _fits(info, there[info.name]) for info in declared
    )
    if not fits:
        raise ManifestError(
            f"{path} has another {side} than its manifest says",
            f"manifest: {'; '.join(map(_text, declared))}",
            f"file:     {'; '.join(map(_text, found))}",
        )


def _fits(declared: TensorInfo, found: TensorInfo) -> bool:
    if declared.dtype != found.dtype or len(declared.shape) != len(found.shape):
        return False
    pairs = zip(declared.shape, found.shape, strict=True)
    return all(mine == theirs or not isinstance(theirs, int) for mine, theirs in pairs)


def _input(path: Path, engine: Engine) -> InputSpec:
    if len(engine.inputs) != 1:
        raise GraphError(
            f"{path} has no manifest and {len(engine.inputs)} inputs; one image is expected",
            *map(_text, engine.inputs),
        )
    [info] = engine.inputs
    shape = _static(path, info, "input")
    layout = _layout(shape)
    if layout is None or info.dtype not in {"float32", "float16", "uint8"}:
        raise GraphError(
            f"{path} has no manifest, and its input is no batch of images: {_text(info)}",
            "expected: (B, 3, H, W) or (B, H, W, 3) of float32, float16 or uint8",
        )
    frames = (shape[1] if layout == "NCHW" else shape[3]) // _RGB
    dtype = cast("_Dtype", info.dtype)
    return InputSpec(info.name, shape, dtype, layout, "RGB", _MEAN * frames, _STD * frames)


def _layout(shape: tuple[int, ...]) -> Literal["NCHW", "NHWC"] | None:
    if len(shape) != _IMAGE_DIMENSIONS:
        return None
    # A channel axis holds whole RGB frames, of which nobody stacks more than three.
    frames = {_RGB, 2 * _RGB, 3 * _RGB}
    if shape[1] in frames:
        return "NCHW"
    return "NHWC" if shape[3] in frames else None


def _output(path: Path, engine: Engine) -> OutputSpec:
    fitting = [(info, kind) for info in engine.outputs if (kind := _kind(info))]
    if len(fitting) != 1:
        raise GraphError(
            f"{path} has no manifest and {len(fitting)} outputs that could be masks; "
            "one is expected",
            *map(_text, engine.outputs),
            "expected: float logits (B, K, h, w) with K > 1, or integer labels (B, H, W)",
        )
    [(info, kind)] = fitting
    return OutputSpec(info.name, kind, _static(path, info, "output"), info.dtype)


def _kind(info: TensorInfo) -> Literal["logits", "labels"] | None:
    if len(info.shape) == _IMAGE_DIMENSIONS and info.dtype in _FLOATS and info.shape[1] != 1:
        return "logits"
    if len(info.shape) == _LABEL_DIMENSIONS and info.dtype in _INTEGERS:
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
