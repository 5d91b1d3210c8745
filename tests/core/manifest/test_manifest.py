"""The manifest is read back as it was written, and refused where it cannot be true."""

import copy
import json
import shutil
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from segpp.errors import ManifestError
from segpp.manifest import (
    Architecture,
    ChannelSite,
    Classes,
    EngineInfo,
    FileInfo,
    InputSpec,
    Manifest,
    OutputSpec,
    Parity,
    PlainViT,
    ReductionSite,
    Source,
    parse_manifest,
    read_manifest,
    render_manifest,
)
from segpp.utils.files import manifest_path, sha256_of

WHOLE = Manifest(
    kind="onnx",
    segpp="0.1.0",
    file=FileInfo("b0.onnx", "0" * 64, 4),
    source=Source("b0.pth", "1" * 64, "nvlabs"),
    architecture=Architecture(
        "segformer-b0", (32, 64, 160, 256), (2, 2, 2, 2), (1, 2, 5, 8), "linear", 256, 2, 3
    ),
    classes=Classes(("road", "Straßenbahn"), ((128, 64, 128), (0, 80, 100))),
    input=InputSpec(
        "image", (1, 3, 64, 128), "float32", "NCHW", "RGB", (123.675, 116.28, 103.53), (58.4,) * 3
    ),
    outputs=(OutputSpec("logits", "logits", (1, 2, 16, 32), "float32"),),
    reduction=(
        ReductionSite(3, "q", "bsm", {"ratio": 0.8, "sy": 4, "sx": 4, "window": 0}, (4, 8), 32, 7),
    ),
    precision="fp32",
    tools={"torch": "2.9.0"},
    parity=Parity("street.jpg", "2" * 64, 1.0, 0.999),
    notes=("one thing",),
)
ENGINE = EngineInfo("tensorrt_rtx", "1.5", ("8.9",), 10, 8, 8, 1 << 20, 1 << 20, 12.5, ran=False)


def as_json(manifest: Manifest) -> Any:
    return json.loads(render_manifest(manifest))


KEPT = ChannelSite(
    3, "hidden", "fixed", {"keep": 0.5, "correct": 1}, 10, 5, kept={"1.hidden": "f80"}
)


def gated(**changes: Any) -> Any:
    """Return the JSON of WHOLE with one place that has fewer channels."""
    return as_json(replace(WHOLE, channels=(replace(KEPT, **changes),), channel_images=("3" * 64,)))


def merged_as_queries(**settings: Any) -> Any:
    """Return the JSON of WHOLE with a feed-forward part that merges by its queries' match."""
    [queries] = WHOLE.reduction
    own = {**queries.settings, **settings}
    there = replace(queries, side="ffn", settings=own, match_of="q")
    return as_json(replace(WHOLE, reduction=(queries, there)))


def on_grid(**changes: Any) -> Any:
    """Return the JSON of WHOLE with a smaller grid alone."""
    settings = {"share": 0.5, "first": 1, "every": 0}
    site = ReductionSite(3, "grid", "area", settings, (4, 8), 32, 8)
    return as_json(replace(WHOLE, reduction=(replace(site, **changes),)))


def changed(*path: str | int, to: object) -> Any:
    """Return the JSON of WHOLE with one value replaced."""
    value = as_json(WHOLE)
    place = value
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = to
    return value


@pytest.fixture
def beside(tmp_path: Path) -> Callable[[bytes], Path]:
    """Write a file with the given bytes as its manifest."""

    def write(manifest: bytes) -> Path:
        path = tmp_path / "b0.onnx"
        path.write_bytes(b"onnx")
        manifest_path(path).write_bytes(manifest)
        return path

    return write


@pytest.mark.parametrize(
    "manifest", [WHOLE, replace(WHOLE, kind="engine", engine=ENGINE)], ids=["onnx", "engine"]
)
def test_what_is_written_is_read_back(manifest: Manifest, tmp_path: Path) -> None:
    path = tmp_path / "b0.onnx"
    path.write_bytes(b"onnx")
    about = replace(manifest, file=replace(manifest.file, sha256=sha256_of(path)))
    manifest_path(path).write_text(render_manifest(about), encoding="utf-8")

    assert read_manifest(path) == about


def test_a_match_of_queries_and_a_smaller_grid_are_read_back() -> None:
    assert parse_manifest(merged_as_queries()).reduction[1].match_of == "q"
    assert parse_manifest(on_grid()).reduction[0].side == "grid"


def test_fewer_channels_are_read_back() -> None:
    assert parse_manifest(gated()).channels == (KEPT,)


names = st.text(max_size=20)
numbers = st.floats(allow_nan=False, allow_infinity=False)


@given(
    names=st.lists(names, min_size=2, max_size=2).map(tuple),
    mean=st.tuples(numbers, numbers, numbers),
    notes=st.lists(names, max_size=3).map(tuple),
    tools=st.dictionaries(names, names, max_size=3),
    batch=st.integers(1, 64),
    ratio=numbers,
)
def test_any_text_and_number_survives(  # noqa: PLR0917 - hypothesis gives them by name
    names: tuple[str, ...],
    mean: tuple[float, ...],
    notes: tuple[str, ...],
    tools: dict[str, str],
    batch: int,
    ratio: float,
) -> None:
    manifest = replace(
        WHOLE,
        classes=replace(WHOLE.classes, names=names),
        input=replace(WHOLE.input, mean=mean, shape=(batch, 3, 64, 128)),
        reduction=(replace(WHOLE.reduction[0], settings={"ratio": ratio}),),
        notes=notes,
        tools=tools,
    )

    assert parse_manifest(json.loads(render_manifest(manifest).encode("utf-8"))) == manifest


def test_a_file_name_that_is_not_utf_8_survives(tmp_path: Path) -> None:
    name = b"b\xff.onnx".decode("utf-8", "surrogateescape")
    manifest = replace(WHOLE, file=replace(WHOLE.file, name=name))
    (tmp_path / "m.json").write_text(render_manifest(manifest), encoding="utf-8")

    text = (tmp_path / "m.json").read_text(encoding="utf-8")

    assert parse_manifest(json.loads(text)) == manifest
    assert "Straßenbahn" in text


@pytest.mark.parametrize("layout", ["NCHW", "NHWC"])
def test_sizes_follow_the_layout(layout: str) -> None:
    shape = (2, 3, 64, 128) if layout == "NCHW" else (2, 64, 128, 3)
    spec = replace(WHOLE.input, shape=shape, layout=layout)

    assert (spec.batch, spec.channels, spec.height, spec.width) == (2, 3, 64, 128)


def test_a_manifest_of_another_file_says_what_was_built_for_what(
    beside: Callable[[bytes], Path],
) -> None:
    path = beside(render_manifest(WHOLE).encode())

    with pytest.raises(ManifestError, match="was written for another file") as failure:
        read_manifest(path)

    assert "built for: b0.onnx 0000000000000000…" in str(failure.value)
    assert f"found:     b0.onnx {sha256_of(path)[:16]}…" in str(failure.value)
    assert read_manifest(path, verify=False) == WHOLE


def test_a_missing_manifest_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.onnx").write_bytes(b"1")

    with pytest.raises(ManifestError, match=r"manifest .*a\.onnx\.json does not exist"):
        read_manifest(tmp_path / "a.onnx")


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "is empty"),
        (b"no", "is not JSON"),
        (b'{"schema": 1', "is not JSON"),
        (b"\xff\xfe{}", "is not JSON"),
        (b"\x80\x04pickle", "is not JSON"),
        (b'{"schema": ' + b"9" * 5000 + b"}", "is not JSON"),
        (b"[" * 100_000, "is not JSON"),
        (b'{"a":' * 100_000, "is not JSON"),
        (b"[]", "has the schema None\n  this segpp reads schema 1"),
        (b"null", "has the schema None"),
        (b'{"schema": 2}', "has the schema 2"),
        (b'{"schema": "1"}', "has the schema '1'"),
        (b'{"schema": [' + b'"x",' * 9999 + b"1]}", "has the schema \\['x',"),
        (b'{"schema": true}', "lacks the key"),
        (b'{"schema": 1}', "lacks the key 'architecture'"),
        (b" " * (4 << 20) + b"{}", "is 4,194,306 bytes, too large for a manifest"),
    ],
    ids=range(16),
)
def test_what_is_no_manifest_is_one_short_error(
    beside: Callable[[bytes], Path], content: bytes, problem: str
) -> None:
    path = beside(content)

    with pytest.raises(ManifestError, match=problem) as failure:
        read_manifest(path)

    assert len(str(failure.value)) < 800


@pytest.mark.parametrize(
    ("manifest", "problem"),
    [
        (changed("precision", to="fp8"), "manifest.precision is 'fp8'"),
        (changed("kind", to="engines"), "manifest.kind is 'engines'"),
        (changed("unheard", to=1), "has the unknown key 'unheard'"),
        (changed("file", "path", to="/etc"), "manifest.file has the unknown key 'path'"),
        (changed("input", "shape", to=[1, 3, 64, 128.0]), r"input.shape\[3\] is 128.0"),
        (changed("input", "shape", to=[3, 64, 128]), r"gives the input shape \[3, 64, 128\]"),
        (changed("input", "shape", to=[1, 3, 0, 128]), "gives the input shape"),
        (changed("input", "shape", to=[1, 3, -64, -128]), "gives the input shape"),
        (changed("input", "mean", to=[1.0]), "a mean or std that does not fit its input"),
        (changed("input", "mean", to=[float("nan")] * 3), r"input.mean\[0\] is nan"),
        (changed("input", "std", to=[1.0, 0.0, 1.0]), "a mean or std that does not fit its input"),
        (changed("input", "std", to=[1.0, -1.0, 1.0]), "a mean or std that does not fit"),
        (changed("input", "std", to=[1.0, float("inf"), 1.0]), r"input.std\[1\] is inf"),
        (changed("input", "padding", to=[1, 2]), r"pads its input with \[1, 2\]"),
        (changed("input", "padding", to=[1, 2, 256]), r"pads its input with \[1, 2, 256\]"),
        (changed("outputs", to=[]), "names no output"),
        (changed("outputs", 0, "shape", to=[]), "gives the output shape"),
        (changed("outputs", 0, "shape", to=[1, 0, 16, 32]), "gives the output shape"),
        (changed("classes", "palette", to=[[0, 0, 0]]), "names 2 classes and colours 1"),
        (changed("classes", "palette", to=[[0, 0], [0, 0]]), "expected: a list of 3"),
        (changed("classes", "palette", 0, 0, to=256), "has a colour outside 0-255"),
        (changed("classes", "palette", 0, 0, to=-1), "has a colour outside 0-255"),
        (changed("architecture", "classes", to=19), "names 2 classes of a network with 19"),
        (changed("reduction", 0, "tokens_in", to=31), "makes 7 tokens of 31 on a grid of 4x8"),
        (changed("reduction", 0, "tokens_out", to=33), "makes 33 tokens of 32"),
        (changed("reduction", 0, "tokens_out", to=0), "makes 0 tokens of 32"),
        (changed("reduction", 0, "stage", to=0), "names the site of stage 0, q"),
        (changed("reduction", 0, "stage", to=-1), "names the site of stage -1, q"),
        (changed("reduction", 0, "side", to="patches"), "names the site of stage 3, patches"),
        (changed("reduction", 0, "side", to="head"), "side is 'head'"),
        (changed("reduction", 0, "settings", "deep", to=[[[]]]), r"settings\['deep'\] is \[\["),
        (changed("reduction", 0, "stage", to=5), "names stage 5 of a network with 4"),
        (changed("reduction", 0, "match_every", to=10**30), "matches every 1000"),
        (changed("reduction", 0, "settings", "sy", to=10**30), "the settings {'ratio': 0.8, 'sy'"),
        (changed("reduction", 0, "settings", "sy", to="\x1b[31m"), "the settings"),
        (merged_as_queries(ratio=0.5), "stage 3, ffn merges as its queries, which do not"),
        (on_grid(match_every=2), "says that stage 3, grid matches every 2 blocks"),
        (on_grid(grid=(1 << 40, 8), tokens_in=1 << 43), "stage 3, grid a grid of 1099511627776x8"),
        (gated(stage=0), "names the channels of stage 0"),
        (gated(groups=0), "in 0 groups"),
        (gated(groups=3), "keeps 5 channels of 10 in 3 groups"),
        (gated(channels_out=11), "keeps 11 channels of 10"),
        (gated(channels_out=0), "keeps 0 channels of 10"),
        (gated(predictor=-1), "has 10 channels and a predictor of -1"),
        (gated(predictor=10**30), "has 10 channels and a predictor of 1000"),
        (gated(stage=10**30), r"names the channels of stage 1000"),
        (gated(stage=9), "names stage 9 of a network with 4"),
        (gated(method="x"), r"channels\[0\].method is 'x'"),
        (gated(settings={"keep": 10**30}), "the settings {'keep': 1000"),
        (gated(settings={"keep\n": 1}), "the settings"),
        (gated(settings={str(n): 1 for n in range(99)}), "the settings"),
        (gated(kept={"99.hidden": "f80"}), "names block 99 of stage 3 with"),
        (gated(kept={"1.v": "f80"}), "does not say which 5 channels"),
        (gated(kept={"../1.hidden": "f80"}), "does not say which 5 channels"),
        (gated(method="dynamic", kept={"1.hidden": "f80"}), "does not say which 5 channels"),
        (gated(kept={"1.hidden": "f84"}), "does not say which 5 channels"),
        (gated(kept={"1.hidden": "F80"}), "does not say which 5 channels"),
        (gated(kept={"1.hidden": "f01"}), "does not say which 5 channels"),
        (changed("kind", to="engine"), "is about an engine and does not describe it"),
        (changed("parity", "pixel_agreement", to=float("nan")), "is nan"),
    ],
)
def test_a_manifest_that_cannot_be_true_is_refused(manifest: Any, problem: str) -> None:
    with pytest.raises(ManifestError, match=problem):
        parse_manifest(manifest)


@pytest.mark.parametrize("depth", [0.5, 0.8, 0.9, 0.95, 1.0])
def test_deep_nesting_is_our_error_at_any_depth(depth: float) -> None:
    value: Any = 1
    for _ in range(int(sys.getrecursionlimit() * depth)):
        value = [value]

    with pytest.raises(ManifestError, match=r"manifest.segpp is \[\[|is nested too deeply"):
        parse_manifest(changed("segpp", to=value))


def test_every_key_is_needed_or_has_a_default() -> None:
    whole = as_json(WHOLE)
    optional = {
        "parity", "reference", "islands", "origins", "match_search", "channels",
            "channel_images", "calibration", "engine", "certificate", "notes", "options",
    }  # fmt: skip

    for key in whole:
        rest = copy.deepcopy(whole)
        del rest[key]
        if key in optional:
            assert parse_manifest(rest).kind == "onnx"
        else:
            with pytest.raises(ManifestError, match=f"lacks the key '{key}'|has the schema None"):
                parse_manifest(rest)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
        max_leaves=6,
    ),
    st.sampled_from(sorted(as_json(WHOLE))),
)
def test_any_value_anywhere_is_our_error_or_a_manifest(value: Any, key: str) -> None:
    try:
        manifest = parse_manifest(changed(key, to=value))
    except ManifestError:
        return
    assert parse_manifest(as_json(manifest)) == manifest


def test_a_manifest_of_a_file_written_before_families_is_still_read(tmp_path: Path) -> None:
    """Of hq at 128x256 with one match for two blocks, pixels in, logits and labels out."""
    old = Path(__file__).parents[2] / "helpers/manifests/segpp_0_1_0_before_families.json"
    shutil.copy(old, manifest_path(tmp_path / "old.onnx"))

    manifest = read_manifest(tmp_path / "old.onnx", verify=False)

    assert [(site.stage, site.side, site.match_every) for site in manifest.reduction] == [
        (1, "kv", 2), (2, "kv", 2), (3, "q", 2), (4, "q", 2),
    ]  # fmt: skip
    assert (manifest.input.dtype, manifest.input.colours) == ("uint8", "RGB")
    assert [output.kind for output in manifest.outputs] == ["logits", "labels"]
    assert "known-gelu" in manifest.options["rewrites"]
    was, is_now = json.loads(old.read_text()), json.loads(render_manifest(manifest))
    more = ("input", "classes", "parity", "architecture")
    assert {key: is_now[key] | was[key] for key in more} == {key: is_now[key] for key in more}
    # Outputs have got a layout, and sites tell whose match they use.
    lists = ("outputs", "reduction")
    for key in lists:
        pairs = zip(is_now[key], was[key], strict=True)
        assert all(now | before == now for now, before in pairs)
    grown = {*more, *lists}
    assert all(is_now[key] == was[key] for key in was if key not in grown)
    # What they could not say yet is what they did.
    assert (manifest.input.fit, manifest.classes.reduce_labels) == ("stretch", False)


@pytest.mark.parametrize(("kind", "done"), [("distillation", "distilled"), ("training", "trained")])
def test_what_a_training_leaves_beside_its_checkpoint_is_told_from_a_manifest(
    kind: str, done: str
) -> None:
    record = {"segpp": "0.1.0", "schema": 1, "kind": kind, "after": {"agreement": 0.9}}

    with pytest.raises(ManifestError, match=rf"how a checkpoint was {done},.*\n  hint: inspect"):
        parse_manifest(record)


def test_a_plain_vit_tells_its_patches_and_a_file_without_them_is_another_network() -> None:
    shape = replace(WHOLE.architecture, vit=PlainViT(16, 2, 768, head_blocks=2))
    manifest = replace(WHOLE, architecture=shape)

    whole = as_json(manifest)
    before = copy.deepcopy(whole)
    del before["architecture"]["vit"]

    assert parse_manifest(whole) == manifest
    assert parse_manifest(before) == WHOLE
    # Two blocks in each of four stages, and those of the head.
    assert (WHOLE.architecture.attentions, shape.attentions) == (8, 10)
