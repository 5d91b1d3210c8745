"""The parser takes INT8 files of the TensorRT dialect: every pair a layer, the rest as before."""

from collections import Counter
from pathlib import Path
from typing import Any

import onnx
import pytest

from segpp.calib.graph.sites import Site, sites_of
from segpp.calib.plan import Plan
from segpp.calib.writers import WRITERS
from tests.calib.plans import first_convolution
from tests.trt_plugins.tensorrt.conftest import Inside

WRITER = WRITERS["tensorrt"]
NAMES = [
    f"{name}-{reduction}-{precision}"
    for name in ("b0", "b2")
    for reduction in ("none", "hq")
    for precision in ("fp32", "fp16")
]
PAIRS = {"QuantizeLinear": "QUANTIZE", "DequantizeLinear": "DEQUANTIZE"}

Parsed = dict[str, dict[str, Any]]


def sites(model: onnx.ModelProto) -> tuple[Site, ...]:
    first = first_convolution(model)
    return tuple(s for s in sites_of(model) if s.kind not in WRITER.floats and s.node != first)


@pytest.fixture(scope="module")
def int8_models(
    all_models: list[Path], tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Path]:
    """The networks in INT8; a parser does not care for the ranges."""
    folder, written = tmp_path_factory.mktemp("int8"), {}
    for path in all_models:
        if path.stem in NAMES:
            model = onnx.load(path)
            taken = sites(model)
            plan = Plan(taken, {site.input: (-1.0, 1.0) for site in taken})
            written[path.stem] = folder / path.name
            written[path.stem].write_bytes(WRITER.write(model, plan).SerializeToString())
    return written


@pytest.fixture(scope="module")
def floats(all_models: list[Path]) -> dict[str, Path]:
    return {path.stem: path for path in all_models if path.stem in NAMES}


@pytest.fixture(scope="module")
def parsed(inside: Inside, library: Path, int8_models: dict[str, Path]) -> Parsed:
    found = inside("parser.py", library, *int8_models.values())
    return {Path(file).stem: answer for file, answer in found.items()}


@pytest.fixture(scope="module")
def parsed_floats(inside: Inside, library: Path, floats: dict[str, Path]) -> Parsed:
    found = inside("parser.py", library, *floats.values())
    return {Path(file).stem: answer for file, answer in found.items()}


@pytest.mark.parametrize("form", ["whole", "stripped"])
@pytest.mark.parametrize("name", NAMES)
def test_every_pair_becomes_layers(
    parsed: Parsed, int8_models: dict[str, Path], name: str, form: str
) -> None:
    nodes = Counter(node.op_type for node in onnx.load(int8_models[name]).graph.node)

    found = parsed[name][form]

    assert found["parsed"], found["errors"]
    assert found["errors"] == []
    assert {kind: found["types"][layer] for kind, layer in PAIRS.items()} == {
        kind: nodes[kind] for kind in PAIRS
    }


@pytest.mark.parametrize("name", NAMES)
def test_everything_else_is_parsed_as_in_the_float_file(
    parsed: Parsed, parsed_floats: Parsed, name: str
) -> None:
    int8, plain = parsed[name]["whole"], parsed_floats[name]["whole"]

    assert int8["plugins"] == plain["plugins"]
    assert int8["outputs"] == plain["outputs"]
    more = Counter(int8["types"]) - Counter(plain["types"])
    # Scales, and weights in 8 bits, are constants.
    assert more.keys() <= {*PAIRS.values(), "CONSTANT"}
