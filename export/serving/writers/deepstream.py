"""A configuration of DeepStream's ``nvinfer`` for semantic segmentation, and the file it takes.

Two facts of nvinfer decide what is written. It scales all channels by one factor,
``net-scale-factor * (pixel - offset)``. And its segmentation takes the class of the highest
*probability above a threshold of at least 0*: from logits, which may all be negative, pixels
would come out without a class. So the file here ends in a softmax, or in a sigmoid.

Keys: gstnvinfer_property_parser.h of the DeepStream SDK, to which a test holds what is written.
"""

from collections.abc import Iterator

from onnx import TensorProto, helper

from segpp import __version__
from segpp.errors import InputError
from segpp.export.serving.base import (
    SERVERS,
    RequestedFile,
    Served,
    check_for_tensorrt,
    check_output_kind,
    label_lines,
)
from segpp.export.serving.graph import shape_of, with_output
from segpp.manifest import InputSpec, OutputSpec
from segpp.utils.terminal import one_line

__all__ = ["DeepStream"]

_OUTPUT = "probabilities"
_FLOAT, _HALF = 0, 2
_GRAY, _RGB = 2, 0
# A pixel is of the one class of a binary network from this probability on.
_BINARY_THRESHOLD = 0.5


class DeepStream:
    """``config_infer.txt``, ``labels.txt`` and a ``model.onnx`` that gives probabilities."""

    title = "DeepStream"

    def check(self, asked: RequestedFile) -> None:
        """Raise InputError for an input that nvinfer cannot make, or without logits."""
        check_for_tensorrt(asked, server="deepstream")
        check_output_kind(
            asked,
            "logits",
            server="deepstream",
            because="nvinfer makes masks from one value for each class, and labels are none",
        )
        spec = asked.input
        if spec.dtype != "float32" or spec.layout != "NCHW":
            raise InputError(
                f"`serve_for=deepstream` with an input of {spec.dtype} {spec.layout}",
                "nvinfer feeds float32 NCHW",
                hint="take `input_dtype=float32-pixels`",
            )
        if spec.channels not in {1, 3}:
            raise InputError(
                f"`serve_for=deepstream` with {spec.channels} channels",
                "nvinfer feeds gray or colour pictures",
            )
        if len(set(spec.std)) > 1:
            raise InputError(
                f"`serve_for=deepstream` with a std of {', '.join(f'{one:g}' for one in spec.std)}",
                "nvinfer divides all channels by one number",
                hint="normalise in the file: `input_dtype=float32-pixels`",
            )
        if spec.fit == "crop":
            raise InputError(
                "`serve_for=deepstream` with `fit=crop`",
                "nvinfer pads or stretches pictures, and does not cut them",
                hint="take `fit=letterbox` or `fit=stretch`",
            )

    def names(self, name: str) -> tuple[str, ...]:  # noqa: ARG002 - the folder has the name
        """Return the files of the folder."""
        return ("config_infer.txt", "labels.txt", "model.onnx")

    def files(self, served: Served) -> dict[str, bytes]:
        """Return their contents."""
        config = "\n".join(_config(served)) + "\n"
        model = _with_probabilities(served)
        return {
            "config_infer.txt": config.encode(),
            "labels.txt": label_lines(_labels(served)),
            "model.onnx": model,
        }


def _is_binary(served: Served) -> bool:
    return served.manifest.architecture.classes == 1


def _labels(served: Served) -> tuple[str, ...]:
    names = served.manifest.classes.names
    return names[-1:] if _is_binary(served) else names


def _logits(served: Served) -> OutputSpec:
    [output] = (o for o in served.manifest.outputs if o.kind == "logits")
    return output


def _with_probabilities(served: Served) -> bytes:
    output = _logits(served)
    [value] = (v for v in served.model.graph.output if v.name == output.name)
    # nvinfer reads the buffer as FP32, whatever its type; and halves near 0 would be equal.
    nodes = [helper.make_node("Cast", [output.name], ["segpp_fp32"], "Cast", to=TensorProto.FLOAT)]
    if _is_binary(served):
        nodes.append(helper.make_node("Sigmoid", ["segpp_fp32"], [_OUTPUT], "Sigmoid"))
    else:
        nodes.append(helper.make_node("Softmax", ["segpp_fp32"], [_OUTPUT], "Softmax", axis=1))
    return with_output(served.model, nodes, _OUTPUT, TensorProto.FLOAT, shape_of(value))


def _config(served: Served) -> Iterator[str]:
    manifest = served.manifest
    spec, classes = manifest.input, _labels(served)
    mode = _HALF if manifest.precision == "fp16" else _FLOAT
    name = one_line(served.name)
    yield f"# Written by segpp {__version__} for {name}. Paths are relative to this file."
    height, width = _logits(served).shape[2:]
    yield f"# nvinfer builds the engine. Masks are {height}x{width}, as the logits are."
    yield "[property]"
    settings: dict[str, object] = {
        "gpu-id": 0,
        "gie-unique-id": 1,
        "process-mode": 1,
        "onnx-file": "model.onnx",
        "model-engine-file": f"model.onnx_b{spec.batch}_gpu0_{'fp16' if mode else 'fp32'}.engine",
        "labelfile-path": "labels.txt",
        "batch-size": spec.batch,
        "network-type": 2,
        "network-mode": mode,
        "network-input-order": 0,
        "infer-dims": f"{spec.channels};{spec.height};{spec.width}",
        **_normalisation(spec),
        "model-color-format": _GRAY if spec.channels == 1 else _RGB,
        "maintain-aspect-ratio": int(spec.fit == "letterbox"),
        # Bars only at the right and below, as segpp has them.
        "symmetric-padding": 0,
        "scaling-filter": 1,
        "num-detected-classes": len(classes),
        "segmentation-threshold": _BINARY_THRESHOLD if _is_binary(served) else 0.0,
        "segmentation-output-order": 0,
        "output-blob-names": _OUTPUT,
        "output-tensor-meta": 1,
    }
    for key, value in settings.items():
        yield f"{key}={value}"


def _normalisation(spec: InputSpec) -> dict[str, str]:
    """Return the keys of ``net-scale-factor * (pixel - offset)``."""
    offsets = ";".join(f"{mean:.9g}" for mean in spec.mean)
    scale = {"net-scale-factor": f"{1 / spec.std[0]:.9g}"}
    return {**scale, "offsets": offsets} if any(spec.mean) else scale


SERVERS.register("deepstream")(DeepStream())
