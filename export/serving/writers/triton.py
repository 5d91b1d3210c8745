"""A Triton model repository, for ONNX Runtime's backend.

Schema: ``ModelConfig`` in model_config.proto of triton-inference-server/common, to which a test
holds what is written.
"""

import re
from collections.abc import Iterator

from onnx import ValueInfoProto

from segpp import __version__
from segpp.export.serving.base import SERVERS, RequestedFile, Served, label_lines
from segpp.export.serving.graph import shape_of, type_name

__all__ = ["Triton"]

# Names of ONNX and of Triton, where they differ.
_TYPES = {"FLOAT": "FP32", "FLOAT16": "FP16", "DOUBLE": "FP64", "BFLOAT16": "BF16"}
_CONTROL = re.compile("[\x00-\x1f\x7f]")


class Triton:
    """``NAME/config.pbtxt`` and ``NAME/1/model.onnx``, which is the export's file, byte by byte."""

    title = "Triton Inference Server"

    def check(self, asked: RequestedFile) -> None:
        """Take every file: clients send what the file's input is, and get what it gives."""

    def names(self, name: str) -> tuple[str, ...]:
        """Return the files of a repository of one model."""
        return (f"{name}/config.pbtxt", f"{name}/labels.txt", f"{name}/1/model.onnx")

    def files(self, served: Served) -> dict[str, bytes]:
        """Return their contents."""
        config = ("\n".join(_config(served)) + "\n").encode()
        texts = (config, label_lines(served.manifest.classes.names))
        return dict(zip(self.names(served.name), (*texts, served.data), strict=True))


def _config(served: Served) -> Iterator[str]:
    graph = served.model.graph
    constants = {tensor.name for tensor in graph.initializer}
    yield f"# Written by segpp {__version__}."
    yield f"name: {_text(served.name)}"
    yield 'backend: "onnxruntime"'
    yield "# The batch is fixed in the file, so it stands among the dimensions."
    yield "max_batch_size: 0"
    for value in graph.input:
        if value.name not in constants:
            yield from _tensor("input", value)
    for value in graph.output:
        yield from _tensor("output", value)
    yield "# For clients: how pictures become the input, and what comes out."
    for key, value in _told(served).items():
        yield f"parameters {{ key: {_text(key)} value {{ string_value: {_text(value)} }} }}"


def _tensor(field: str, value: ValueInfoProto) -> Iterator[str]:
    kind = type_name(value.type.tensor_type.elem_type)
    yield f"{field} {{"
    yield f"  name: {_text(value.name)}"
    yield f"  data_type: TYPE_{_TYPES.get(kind, kind)}"
    yield f"  dims: [ {', '.join(map(str, shape_of(value)))} ]"
    yield "}"


def _told(served: Served) -> dict[str, str]:
    spec, classes = served.manifest.input, served.manifest.classes
    return {
        "segpp.colors": spec.colours,
        "segpp.layout": spec.layout,
        # 0 and 1 where the file normalises.
        "segpp.mean": _numbers((0,) if spec.dtype == "uint8" else spec.mean),
        "segpp.std": _numbers((1,) if spec.dtype == "uint8" else spec.std),
        "segpp.fit": spec.fit,
        "segpp.classes": str(len(classes.names)),
    }


def _numbers(values: tuple[float, ...]) -> str:
    return ",".join(f"{value:g}" for value in values)


def _text(value: str) -> str:
    """Return a string of protobuf's text format."""
    escaped = value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    # A line may end at other signs, too.
    return f'"{_CONTROL.sub(_octal, escaped)}"'


def _octal(found: re.Match[str]) -> str:
    return f"\\{ord(found[0]):03o}"


SERVERS.register("triton")(Triton())
