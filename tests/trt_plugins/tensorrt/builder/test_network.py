"""What the builder makes of a file in the real TensorRT, strongly and weakly typed.

Up to the finished network and its settings; nothing is compiled.
"""

from pathlib import Path
from typing import Any

import onnx
import pytest

from segpp.calib.graph.sites import sites_of
from segpp.calib.plan import Plan
from segpp.calib.writers import WRITERS
from segpp.ops import DOMAIN
from segpp.runtime.build.builders.tensorrt import typing_of
from tests.calib.plans import first_convolution
from tests.trt_plugins.tensorrt.conftest import ROOT, Inside

LABELS = "SegppResizeArgmax"

# By the file, the typing, and whether the plugins are loaded.
Answers = dict[tuple[str, str, bool], dict[str, Any]]


def nodes_of(path: Path) -> dict[str, int]:
    """Return how many nodes of each operator of ours a file has."""
    own = [node.op_type for node in onnx.load(path).graph.node if node.domain == DOMAIN]
    return {name: own.count(name) for name in own}


@pytest.fixture(scope="module")
def files(b0_models: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """B0 by what it merges and its precision, INT8 in the TensorRT dialect among them."""
    found = dict(b0_models)
    for precision in ("fp32", "fp16"):
        model = onnx.load(found[f"hq-{precision}"])
        floats, first = WRITERS["tensorrt"].floats, first_convolution(model)
        taken = tuple(s for s in sites_of(model) if s.kind not in floats and s.node != first)
        plan = Plan(taken, {site.input: (-1.0, 1.0) for site in taken})
        path = tmp_path_factory.mktemp("int8") / f"hq-int8-{precision}.onnx"
        path.write_bytes(WRITERS["tensorrt"].write(model, plan).SerializeToString())
        found[f"hq-int8-{precision}"] = path
    return found


# Each with the plugins, and each without.
CASES = [
    (name, typing)
    for name in ("none-fp16", "hq-fp32", "hq-fp16", "fast-fp16", "half-fp16", "hq-bf16")
    for typing in ("strong", "weak")
] + [
    (f"hq-int8-{precision}", typing)
    for precision in ("fp32", "fp16")
    for typing in ("strong", "weak")
]


@pytest.fixture(scope="module")
def answers(inside: Inside, files: dict[str, Path], library: Path) -> Answers:
    keys = [
        (name, typing, with_plugins) for name, typing in CASES for with_plugins in (True, False)
    ]
    # A process for each of the two: a library once loaded stays.
    found: Answers = {}
    for with_plugins in (True, False):
        own = [key for key in keys if key[2] is with_plugins]
        plugin = {"plugin": str(library)} if with_plugins else {}
        given = [{"onnx": str(files[name]), "typing": typing, **plugin} for name, typing, _ in own]
        found |= dict(zip(own, inside("builder.py", given=given), strict=True))
    return found


@pytest.mark.parametrize("name", dict.fromkeys(name for name, _ in CASES))
def test_with_the_library_every_node_is_a_plugin(
    answers: Answers, files: dict[str, Path], name: str
) -> None:
    found = answers[name, "strong", True]

    assert found["errors"] == []
    assert found["facts"]["plugins"] == nodes_of(files[name])
    assert found["facts"]["functions"] == {}
    assert found["types"]["PLUGIN_V3"] == sum(nodes_of(files[name]).values())
    assert found["facts"]["warnings"] == []


@pytest.mark.parametrize(("name", "typing"), CASES)
def test_without_it_the_functions_are_taken_and_counted(
    *,
    answers: Answers,
    files: dict[str, Path],
    name: str,
    typing: str,
) -> None:
    found, with_plugins = answers[name, typing, False], answers[name, typing, True]

    assert found["errors"] == []
    assert found["facts"]["plugins"] == {}
    assert found["facts"]["functions"] == nodes_of(files[name])
    assert "PLUGIN_V3" not in found["types"]
    more = found["facts"]["layers"] - with_plugins["facts"]["layers"]
    assert (more > 0) is bool(with_plugins["facts"]["plugins"])
    assert found["facts"]["function_layers"] > sum(nodes_of(files[name]).values())


@pytest.mark.parametrize("name", dict.fromkeys(name for name, _ in CASES))
def test_weak_typing_gives_labels_in_int32_by_their_function_and_says_so(
    answers: Answers, files: dict[str, Path], name: str
) -> None:
    strong, weak = answers[name, "strong", True], answers[name, "weak", True]

    shape = strong["outputs"]["labels"][1]
    assert strong["outputs"]["labels"] == ["INT8", shape]
    assert weak["outputs"]["labels"] == ["INT32", shape]
    assert weak["outputs"]["logits"] == strong["outputs"]["logits"]
    others = {op: count for op, count in nodes_of(files[name]).items() if op != LABELS}
    assert weak["facts"]["plugins"] == others
    assert weak["facts"]["functions"] == {LABELS: 1}
    assert any(text.startswith("output labels is INT32") for text in weak["facts"]["warnings"])


FLAGS = {
    "hq-fp32": set(),
    "hq-fp16": {"FP16", "OBEY_PRECISION_CONSTRAINTS"},
    "hq-bf16": {"BF16", "OBEY_PRECISION_CONSTRAINTS"},
    "hq-int8-fp32": {"INT8"},
    "hq-int8-fp16": {"FP16", "INT8", "OBEY_PRECISION_CONSTRAINTS"},
}


@pytest.mark.parametrize("name", FLAGS)
def test_precision_is_the_files_and_flags_are_for_weak_typing_alone(
    answers: Answers, name: str
) -> None:
    assert answers[name, "strong", True]["flags"] == []
    assert set(answers[name, "weak", True]["flags"]) == FLAGS[name]


def test_what_halves_have_in_fp32_is_pinned_to_it(
    answers: Answers,
) -> None:
    halves, single = answers["hq-fp16", "weak", False], answers["hq-fp32", "weak", False]

    # Similarities, sums and the resized logits; the parser itself pins LayerNormalization.
    assert halves["pinnable"] > 100
    assert halves["pinned"] == halves["pinnable"] + single["pinned"]
    assert f"{halves['pinnable']} layers" in halves["facts"]["warnings"][-1]
    assert answers["hq-fp16", "strong", False]["pinned"] == 0


@pytest.mark.parametrize("name", dict.fromkeys(name for name, _ in CASES))
def test_every_attention_is_a_product_a_softmax_and_a_product(answers: Answers, name: str) -> None:
    expected = {"bf16": "BF16", "fp16": "HALF", "fp32": "FLOAT"}[name.rpartition("-")[2]]
    for with_plugins in (True, False):
        sites = answers[name, "strong", with_plugins]["facts"]["sites"]

        assert len(sites) == 8
        assert all(all(site["products"]) for site in sites)
        assert {kind for site in sites for kind in site["types"]} == {expected}
        assert {what for site in sites for what in site["between"]} == set()


def test_the_page_tells_what_plugins_save(answers: Answers) -> None:
    page = (ROOT / "docs" / "engines.md").read_text()

    layers = [answers["hq-fp16", "strong", plugins]["facts"]["layers"] for plugins in (True, False)]

    assert f"is {layers[0]:,} layers with them and {layers[1]:,} without" in page


def test_settings_reach_the_library(inside: Inside, files: dict[str, Path], library: Path) -> None:
    case = {"onnx": str(files["hq-fp16"]), "typing": "strong", "plugin": str(library)}
    asked = {"workspace": 1 << 28, "optimization_level": 5, "version_compatible": True}

    [plain, full] = inside("builder.py", given=[case, {**case, **asked, "embed_plugin": True}])

    assert full["errors"] == []
    assert full["flags"] == ["VERSION_COMPATIBLE"]
    assert (full["level"], full["workspace"]) == (5, 1 << 28)
    assert full["embedded"] == [str(library)]
    assert full["watched"]
    assert plain["level"] == 3
    assert plain["embedded"] == []


def test_a_timing_cache_is_read_and_another_file_is_refused(
    inside: Inside, files: dict[str, Path], tmp_path: Path
) -> None:
    new, foreign = tmp_path / "new.cache", tmp_path / "picture.cache"
    foreign.write_bytes(b"\xff\xd8\xff\xe0 a picture")
    case = {"onnx": str(files["none-fp16"]), "typing": "strong"}

    [written, refused] = inside(
        "builder.py", given=[{**case, "timing_cache": str(path)} for path in (new, foreign)]
    )

    assert written["cache"]
    assert f"{foreign} is no timing cache of this TensorRT" in refused["refused"]
    new.write_bytes(bytes.fromhex(written["cache"]))
    [again] = inside("builder.py", given=[{**case, "timing_cache": str(new)}])
    assert again["cache"]


@pytest.mark.parametrize(
    ("version", "typing"),
    [
        ("10.3.0", "weak"),
        ("10.11.0.33", "weak"),
        ("10.12.0", "strong"),
        ("10.16.2.10", "strong"),
        ("11.0.0", "strong"),
    ],
)
def test_typing_follows_the_version(version: str, typing: str) -> None:
    assert typing_of(version) == typing
