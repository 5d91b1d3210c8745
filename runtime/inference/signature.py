"""What a network declares of its inputs and outputs, beside its manifest or for want of one."""

from pathlib import Path
from typing import Literal, cast

from segpp import __version__
from segpp.errors import GraphError, ManifestError
from segpp.images.palette import BINARY_NAMES, default_palette
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
    Source,
)
from segpp.runtime.backends.base import Backend, TensorInfo
from segpp.runtime.inference.foreign_outputs import (
    mask_outputs,
    notes_on,
    static_shape,
    text_of,
)
from segpp.utils.file_type import ENGINE_SUFFIXES
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

# What a manifest of such a file says of where its contents come from.
_ASSUMED_KEYS = ("mean", "std", "colors", "resize", "fit", "classes")

_Dtype = Literal["float32", "float16", "uint8"]


def infer_manifest(path: Path, backend: Backend, *, output_name: str | None = None) -> Manifest:
    """Return a manifest for a network that has none, as far as its declarations go.

    Args:
        path: Its file.
        backend: The loaded network, of which only the declarations are read.
        output_name: The output that is the mask, where there are several.

    Raises:
        GraphError: It has not one static image input and one output that are what a
            segmentation network has; the message says which is wrong and how.
    """
    spec = _input(path, backend)
    outputs = mask_outputs(path, backend.outputs, spec, output_name)
    # A file that gives only labels does not tell its number of classes.
    channels = [output.channels for output in outputs if output.kind == "logits"]
    classes = channels[0] if channels else UINT8_CLASSES
    if classes > _MOST_CLASSES:
        raise GraphError(
            f"{path} gives {classes:,} classes", f"at most {_MOST_CLASSES:,} fit into a mask"
        )
    names = BINARY_NAMES if classes == 1 else tuple(map(str, range(classes)))
    digest = sha256_of(path)
    return Manifest(
        kind="engine" if path.suffix.lower() in ENGINE_SUFFIXES else "onnx",
        segpp=__version__,
        file=FileInfo(path.name, digest, path.stat().st_size),
        source=Source(path.name, digest, UNKNOWN),
        architecture=Architecture(UNKNOWN, (), (), (), UNKNOWN, 0, classes, spec.channels),
        classes=Classes(names, default_palette(len(names))),
        input=spec,
        outputs=outputs,
        reduction=(),
        precision="fp32",
        tools={},
        origins=dict.fromkeys(_ASSUMED_KEYS, "assumed"),
        notes=(*ASSUMED, *notes_on(outputs)),
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
        # One channel tells two classes apart.
        if output.kind == "logits" and max(output.channels, 2) != count:
            raise ManifestError(
                f"{manifest_path(path)} names {count} classes for logits of {output.channels}"
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
            f"manifest: {'; '.join(map(text_of, expected))}",
            f"file:     {'; '.join(map(text_of, declared))}",
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
            *map(text_of, backend.inputs),
        )
    [info] = backend.inputs
    shape = static_shape(path, info, "input")
    layout = _layout(shape)
    if layout is None or info.dtype not in {"float32", "float16", "uint8"}:
        raise GraphError(
            f"{path} has no manifest, and its input is no batch of images: {text_of(info)}",
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
