"""Inside the real TensorRT: what its parser makes of ONNX files, with a plugin library loaded.

python tests/trt_plugins/tensorrt/inside/parser.py LIBRARY A.onnx … > answers
"""

import json
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import tensorrt_bindings as trt

from segpp.runtime.onnx_reader.strip_functions import without_functions


def tensor(value: Any) -> dict[str, Any]:
    return {"name": value.name, "shape": list(value.shape), "type": value.dtype.name}


def layer(one: Any) -> dict[str, Any]:
    return {
        "name": one.name,
        "type": one.type.name,
        "inputs": [tensor(one.get_input(i)) for i in range(one.num_inputs)],
        "outputs": [tensor(one.get_output(i)) for i in range(one.num_outputs)],
    }


def parse(model: bytes, logger: Any) -> dict[str, Any]:
    flags = 1 << int(trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED)
    network = trt.Builder(logger).create_network(flags)
    parser = trt.OnnxParser(network, logger)
    parsed = parser.parse(model)
    layers = [network.get_layer(i) for i in range(network.num_layers)]
    return {
        "parsed": parsed,
        "errors": [parser.get_error(i).desc() for i in range(parser.num_errors)],
        "layers": len(layers),
        "types": Counter(one.type.name for one in layers),
        "plugins": [layer(one) for one in layers if one.type == trt.LayerType.PLUGIN_V3],
        "outputs": [tensor(network.get_output(i)) for i in range(network.num_outputs)],
    }


def main() -> None:
    library, *files = sys.argv[1:]
    logger = trt.Logger(trt.Logger.ERROR)
    trt.init_libnvinfer_plugins(logger, "")
    trt.get_plugin_registry().load_library(library)
    found = {}
    for file in files:
        model = Path(file).read_bytes()
        found[file] = {
            "whole": parse(model, logger),
            "stripped": parse(without_functions(model), logger),
        }
    json.dump(found, sys.stdout)


if __name__ == "__main__":
    main()
