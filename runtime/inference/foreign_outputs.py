"""Which output of a file without a manifest is the mask, and how its axes lie.

Names tell nothing, so shapes must: a mask has the proportions of the image. A network that divides
both sides by a stride, rounding up, is off by less than one pixel of its own on each side.

    float    (B, K, h, w) or (B, h, w, K)           logits
    integer  (B, H, W), (B, 1, H, W), (B, H, W, 1)  labels
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from segpp.errors import GraphError
from segpp.manifest import LABEL_DIMENSIONS, TENSOR_DIMENSIONS, InputSpec, OutputSpec
from segpp.runtime.backends.base import TensorInfo
from segpp.runtime.onnx_reader.operators import origin_of
from segpp.utils.file_type import ENGINE_SUFFIXES

__all__ = ["mask_outputs", "notes_on", "static_shape", "text_of"]

_INTEGERS = ("int8", "uint8", "int16", "int32", "int64")
_FLOATS = ("float32", "float16", "float64")

# Operators that make probabilities of logits.
_SIGMOIDS = {"Sigmoid", "HardSigmoid", "Softmax"}
# And those that decide: what they give are classes already.
_DECIDING = {"ArgMax", "ArgMin", "Greater", "GreaterOrEqual", "Less", "LessOrEqual", "Not", "Round"}
_DECIDING |= {"Sign", "TopK"}

_Layout = Literal["NCHW", "NHWC"]


def mask_outputs(
    path: Path, outputs: tuple[TensorInfo, ...], spec: InputSpec, name: str | None
) -> tuple[OutputSpec, ...]:
    """Return the outputs that are masks: one, or logits and labels.

    Args:
        path: The file.
        outputs: What it declares.
        spec: Its input.
        name: The one that the caller chose, if any.

    Raises:
        GraphError: There is none, there are several of a kind, or the one has no fixed shape.
    """
    considered = [info for info in outputs if name is None or info.name == name]
    if not considered:
        raise GraphError(
            f"{path} has no output {name!r}", f"it has: {', '.join(map(text_of, outputs))}"
        )
    found = [spec_ for info in considered if (spec_ := _understood(path, info, spec))]
    if not found or len({one.kind for one in found}) != len(found):
        names = [one.name for one in found]
        raise GraphError(
            f"{path} has no manifest and {len(found)} outputs that could be masks; one is expected",
            *map(text_of, considered),
            "expected: float logits (B, K, h, w) or integer labels (B, H, W), in the proportions "
            f"of the image, {spec.height}x{spec.width}",
            hint=f"choose one: --output-name {names[0]}" if names else None,
        )
    for one in found:
        _check_no_probability(path, one)
    return tuple(found)


def notes_on(outputs: tuple[OutputSpec, ...]) -> Iterator[str]:
    """Yield what was assumed of the outputs, a sentence each."""
    for output in outputs:
        shape = f"{output.name} ({', '.join(map(str, output.shape))})"
        if output.kind == "logits" and output.layout == "NHWC":
            yield f"reading {shape} as logits with the classes last"
        if output.kind == "logits" and output.channels == 1:
            yield f"reading {shape} as the logit of a sigmoid: class 1 where it is above 0"
    if len(outputs) > 1:
        labels = next(output.name for output in outputs if output.kind == "labels")
        yield f"taking the labels of {labels}; --output-name chooses another output"


def static_shape(path: Path, info: TensorInfo, side: str) -> tuple[int, ...]:
    """Return a shape as numbers.

    Raises:
        GraphError: A dimension is open.
    """
    sizes = tuple(size for size in info.shape if isinstance(size, int) and size > 0)
    if len(sizes) != len(info.shape):
        raise GraphError(
            f"{path} has an open dimension in its {side}: {text_of(info)}",
            hint=_way_to_fix(path, info) if side == "input" else "export it with fixed shapes",
        )
    return sizes


def text_of(info: TensorInfo) -> str:
    """Return a tensor as a message shows it."""
    return f"{info.name} ({', '.join(map(str, info.shape))}) {info.dtype}"


def _way_to_fix(path: Path, info: TensorInfo) -> str:
    # Batch, channels, height and width where they are open, in the order of most files.
    usual = (1, 3, 512, 1024) if len(info.shape) == TENSOR_DIMENSIONS else (1,) * len(info.shape)
    shape = ",".join(
        str(size if isinstance(size, int) and size > 0 else default)
        for size, default in zip(info.shape, usual, strict=True)
    )
    return (
        "fix its shapes, here at 512x1024: python -m onnxruntime.tools.make_dynamic_shape_fixed "
        f"--input_name {info.name} --input_shape {shape} {path.name} {path.stem}-fixed.onnx"
    )


def _understood(path: Path, info: TensorInfo, spec: InputSpec) -> OutputSpec | None:
    """Return what an output is, or None if it cannot be a mask."""
    is_float, dimensions = info.dtype in _FLOATS, len(info.shape)
    if dimensions == LABEL_DIMENSIONS and info.dtype in _INTEGERS:
        shape = static_shape(path, info, "output")
        return OutputSpec(info.name, "labels", shape, info.dtype)
    if dimensions != TENSOR_DIMENSIONS or not (is_float or info.dtype in _INTEGERS):
        return None
    shape = static_shape(path, info, "output")
    layout = _layout(shape, spec)
    channels = shape[1] if layout == "NCHW" else shape[3]
    if layout is None or not (is_float or channels == 1):
        return None
    kind: Literal["logits", "labels"] = "logits" if is_float else "labels"
    return OutputSpec(info.name, kind, shape, info.dtype, layout=layout)


def _layout(shape: tuple[int, ...], spec: InputSpec) -> _Layout | None:
    """Return where the channels are, by which of the other axes have the image's proportions."""
    if _is_in_proportion(shape[2], shape[3], spec):
        return "NCHW"
    return "NHWC" if _is_in_proportion(shape[1], shape[2], spec) else None


def _is_in_proportion(height: int, width: int, spec: InputSpec) -> bool:
    return abs(height * spec.width - width * spec.height) < max(spec.height, spec.width)


def _check_no_probability(path: Path, output: OutputSpec) -> None:
    if output.kind == "labels" or output.channels != 1:
        return
    # Of an engine the operators are not to be seen; the first values tell (``_is_doubtful``).
    is_engine = path.suffix.lower() in ENGINE_SUFFIXES
    operator = "" if is_engine else origin_of(path, output.name)
    if operator in _SIGMOIDS:
        raise GraphError(
            f"{path} gives probabilities: its output {output.name} comes from a {operator}",
            "a network of one channel is expected to give logits, which are cut at 0",
            hint="export it without the last operator",
        )
    if operator in _DECIDING:
        raise GraphError(
            f"{path} gives classes as {output.dtype}: its output {output.name} comes from a "
            f"{operator}",
            "float numbers of one channel are expected to be logits, which are cut at 0",
            hint="export the classes as integers, or the logits",
        )
