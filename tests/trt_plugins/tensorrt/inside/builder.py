"""Inside the real TensorRT: what our builder makes of files, up to the finished network.

    python tests/trt_plugins/tensorrt/inside/builder.py < cases > answers

A case is a JSON object: ``onnx``, ``typing``, and where wanted ``plugin``, ``timing_cache`` and
other fields of ``BuildConfig``.
"""

import json
import sys
import warnings
from collections import Counter
from pathlib import Path
from typing import Any

import tensorrt_bindings as trt

from segpp.errors import SegppError
from segpp.runtime.build.builders import BuildConfig
from segpp.runtime.build.builders.tensorrt import finish_network, settings
from segpp.runtime.build.compile import make_logger, open_builder
from segpp.runtime.build.network import render_facts
from segpp.runtime.build.weak_typing import _is_pinned

# The library refers to them as long as it has plugins.
LOGGERS: list[Any] = []

PATHS = ("onnx", "plugin", "timing_cache")


def answer(case: dict[str, Any]) -> dict[str, Any]:
    typing = case.pop("typing")
    fields = {name: Path(v) if name in PATHS else v for name, v in case.items()}
    config = BuildConfig(output=Path("none.engine"), builder="tensorrt", **fields)
    records: list[tuple[str, str]] = []

    def log(severity: str, text: str) -> None:
        records.append((severity, text))

    logger = make_logger(trt, log)
    LOGGERS.append(logger)
    builder = open_builder(trt, logger)
    network, parser, facts = finish_network(trt, builder, logger, config, typing)
    layers = [network.get_layer(i) for i in range(network.num_layers)]
    outputs = [network.get_output(i) for i in range(network.num_outputs)]
    found = {
        "facts": json.loads(render_facts(facts)),
        "types": Counter(layer.type.name for layer in layers),
        "pinned": sum(layer.precision_is_set for layer in layers),
        "pinnable": sum(map(_is_pinned, layers)),
        "outputs": {tensor.name: [tensor.dtype.name, list(tensor.shape)] for tensor in outputs},
        "errors": [text for severity, text in records if severity in {"ERROR", "INTERNAL_ERROR"}],
    }
    try:
        theirs = settings(trt, builder, network, config, log, typing)
    except SegppError as failure:
        return {**found, "refused": str(failure)}
    del parser
    return {**found, **told(theirs)}


def told(theirs: Any) -> dict[str, Any]:
    flags = trt.BuilderFlag.__members__
    cache = theirs.get_timing_cache()
    return {
        "flags": [name for name, flag in flags.items() if theirs.get_flag(flag)],
        "level": theirs.builder_optimization_level,
        "workspace": theirs.get_memory_pool_limit(trt.MemoryPoolType.WORKSPACE),
        "embedded": list(theirs.plugins_to_serialize),
        "watched": theirs.progress_monitor is not None,
        "cache": bytes(cache.serialize()).hex() if cache else "",
    }


def main() -> None:
    # Weak typing is deprecated in this version, and what older ones have.
    warnings.simplefilter("ignore", DeprecationWarning)
    json.dump([answer(case) for case in json.load(sys.stdin)], sys.stdout)


if __name__ == "__main__":
    main()
