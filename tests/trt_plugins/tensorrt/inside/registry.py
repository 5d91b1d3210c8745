"""Inside the real TensorRT: what its registry says of a library, and what the creators refuse.

    python tests/trt_plugins/tensorrt/inside/registry.py load|open LIBRARY < requests > answers

``load`` lets TensorRT load it, ``open`` only the operating system, so that it registers itself.
The requests are a JSON list: operator, fields (each a name, a type and values) and, to see the
plugin in a network, the shapes of its inputs.
"""

import ctypes
import json
import sys
from typing import Any

import numpy as np
import tensorrt_bindings as trt

KINDS = {"int32": np.int32, "float32": np.float32, "char": np.int8, "int64": np.int64}


class Logger(trt.ILogger):
    """Keeps the errors."""

    def __init__(self) -> None:
        trt.ILogger.__init__(self)
        self.errors: list[str] = []

    def log(self, severity: trt.ILogger.Severity, text: str) -> None:
        if severity <= trt.ILogger.ERROR:
            self.errors.append(text)


def field(name: str, kind: str, values: Any) -> trt.PluginField:
    # A character is a byte; text arrives with or without its closing NUL.
    data = values.encode() if isinstance(values, str) else values
    array = np.array(list(data), KINDS[kind])
    return trt.PluginField(name, array, getattr(trt.PluginFieldType, kind.upper()))


def create(creator: Any, fields: list[tuple[str, str, Any]], phase: Any) -> Any:
    collection = trt.PluginFieldCollection([field(*one) for one in fields])
    return creator.create_plugin("node", collection, phase)


def infer(network: Any, plugin: Any, shapes: list[list[int]]) -> None:
    """Put a plugin into a network and ask for the shape of what it gives."""
    # The second of two inputs are slots.
    types = (trt.float32, trt.int32) if len(shapes) <= 2 else [trt.float32] * len(shapes)
    inputs = [
        network.add_input(f"input_{i}", kind, shape)
        for i, (shape, kind) in enumerate(zip(shapes, types, strict=False))
    ]
    if layer := network.add_plugin_v3(inputs, [], plugin):
        _ = layer.get_output(0).shape


def main() -> None:
    registry, logger = trt.get_plugin_registry(), Logger()
    # The registry's logger is that of whoever built first.
    builder = trt.Builder(logger)
    how, library = sys.argv[1:]
    handle = registry.load_library(library) if how == "load" else ctypes.CDLL(library)
    creators = {c.name: c for c in registry.all_creators if c.name.startswith("Segpp")}
    answers = []
    for operator, fields, *shapes in json.load(sys.stdin):
        logger.errors.clear()
        plugin = create(creators[operator], fields, trt.TensorRTPhase.BUILD)
        for of_inputs in shapes:
            infer(builder.create_network(), plugin, of_inputs)
        answers.append({"made": plugin is not None, "errors": list(logger.errors)})
    found = {
        "version": trt.__version__,
        "loaded": handle is not None and builder is not None,
        "creators": {
            name: {
                "version": creator.plugin_version,
                "namespace": creator.plugin_namespace,
                "fields": {one.name: one.type.name for one in creator.field_names},
            }
            for name, creator in creators.items()
        },
        "answers": answers,
    }
    json.dump(found, sys.stdout)


if __name__ == "__main__":
    main()
