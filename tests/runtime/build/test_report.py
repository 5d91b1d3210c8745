"""What a report counts and warns of, from what parser and log told."""

from dataclasses import replace
from pathlib import Path

import pytest

from segpp.inspection.manifest import manifest_sections
from segpp.manifest import (
    Architecture,
    Classes,
    FileInfo,
    InputSpec,
    Manifest,
    OutputSpec,
    PluginInfo,
    Source,
)
from segpp.runtime.build.attention import AttentionSite
from segpp.runtime.build.builders import BuildConfig
from segpp.runtime.build.builders.tensorrt import TensorRt
from segpp.runtime.build.builders.tensorrt_rtx import TensorRtRtx
from segpp.runtime.build.log import LogFacts
from segpp.runtime.build.network import NetworkFacts
from segpp.runtime.build.report import BuildReport, engine_manifest, make_report
from segpp.runtime.build.choose_builder import Resolved
from segpp.runtime.system.plugin_library import PluginLibrary

LIBRARY = PluginLibrary(Path("lib/libsegpp_plugins.so"), "0.1.0", "10.3", True, "a" * 64)
OUTPUTS = (
    OutputSpec("logits", "logits", (1, 19, 8, 8), "float32"),
    OutputSpec("labels", "labels", (1, 32, 32), "int8"),
)


class Rtx(TensorRtRtx):
    def version(self) -> str:
        return "1.7.1"


class Plain(TensorRt):
    def version(self) -> str:
        return "10.3.0"


def resolved(builder: Rtx | Plain, plugin: PluginLibrary | None = None) -> Resolved:
    return Resolved(BuildConfig(Path("b0.onnx"), Path("b0.engine"), "x"), builder, plugin)


def site(number: int, kind: str = "HALF", between: tuple[str, ...] = ()) -> AttentionSite:
    return AttentionSite(f"soft{number}", (f"q{number}", f"v{number}"), (kind, kind), between)


def network(*sites: AttentionSite) -> NetworkFacts:
    return NetworkFacts(
        "strong", 100, {"SegppTokenMatch": 8}, {}, 0, sites, {"logits": "FLOAT", "labels": "INT8"}
    )


def manifest(sites: int) -> Manifest:
    return Manifest(
        kind="onnx",
        segpp="0.1.0",
        file=FileInfo("b0.onnx", "0" * 64, 1),
        source=Source("b0.pth", "0" * 64, "nvlabs"),
        architecture=Architecture("test", (32,), (sites,), (1,), "mlp", 32, 19, 3),
        classes=Classes(tuple(map(str, range(19))), ((0, 0, 0),) * 19),
        input=InputSpec("x", (1, 3, 32, 32), "float32", "NCHW", "RGB", (0.0,) * 3, (1.0,) * 3),
        outputs=OUTPUTS,
        reduction=(),
        precision="fp16",
        tools={},
    )


def report_of(
    facts: NetworkFacts,
    names: set[str],
    *,
    of: Resolved | None = None,
    sites: int | None = None,
    size: int | None = 7,
) -> BuildReport:
    told = LogFacts(frozenset(names), 1 << 20, 1 << 10)
    return make_report(
        of or resolved(Plain(), LIBRARY),
        facts,
        told,
        manifest=None if sites is None else manifest(sites),
        seconds=1.234,
        size=size,
    )


def test_a_site_counts_when_all_three_layers_are_named() -> None:
    facts = network(site(1), site(2))

    report = report_of(facts, {"soft1", "q1", "v1", "soft2", "q2"}, sites=2)

    assert (report.attention_found, report.attention_fused, report.attention_expected) == (1, 1, 2)
    assert report.warnings == (
        "the attention at soft2 is not one kernel: not recognised, though nothing stands between "
        "its products",
    )


def test_a_site_in_fp32_among_halves_is_found_and_not_fused() -> None:
    facts = network(site(1), site(2, "FLOAT"))

    report = report_of(facts, {"soft1", "q1", "v1", "soft2", "q2", "v2"})

    assert (report.attention_found, report.attention_fused) == (2, 1)
    assert report.warnings == (
        "the attention at soft2 is not one kernel: it computes in FP32, which has no fused kernel",
    )


def test_a_file_of_fp32_is_told_in_one_line_and_not_warned_of() -> None:
    report = report_of(network(site(1, "FLOAT")), {"soft1", "q1", "v1"}, sites=1)

    assert (report.attention_found, report.attention_fused) == (1, 0)
    assert report.warnings == ()


def test_attention_that_the_network_does_not_have_is_missed() -> None:
    report = report_of(network(site(1)), {"soft1", "q1", "v1"}, sites=2)

    assert report.warnings[0].startswith("1 of 2 attention sites are a product, a softmax and")


def test_many_lost_sites_are_summed_up() -> None:
    report = report_of(network(*map(site, range(8))), set())

    assert len(report.warnings) == 5
    assert report.warnings[-1] == "so are 4 more attention sites"


@pytest.mark.parametrize(
    ("plugin", "cause"),
    [(None, "no plugin library was loaded"), (LIBRARY, "libsegpp_plugins.so does not have them")],
)
def test_functions_where_plugins_could_be_are_warned_of_with_the_cause(
    plugin: PluginLibrary | None, cause: str
) -> None:
    facts = replace(network(), plugins={}, functions={"SegppTokenMatch": 8}, function_layers=900)

    report = report_of(facts, set(), of=resolved(Plain(), plugin))

    assert report.warnings == (
        f"SegppTokenMatch 8 are compiled from standard operators, 900 instead of 8: {cause}",
    )


def test_a_library_that_takes_no_plugins_is_not_warned_of() -> None:
    facts = replace(network(), plugins={}, functions={"SegppTokenMatch": 8}, function_layers=900)

    assert report_of(facts, set(), of=resolved(Rtx())).warnings == ()


def test_a_dry_run_has_no_numbers_of_an_engine_and_no_lost_attention() -> None:
    report = report_of(network(site(1)), set(), sites=1, size=None)

    assert not report.built
    assert (report.engine_bytes, report.attention_found, report.attention_fused) == (None,) * 3
    assert report.warnings == ()


def test_the_manifest_holds_the_report_and_the_engines_own_types() -> None:
    facts = replace(network(site(1)), typing="weak", outputs={"logits": "FLOAT", "labels": "INT32"})
    config = BuildConfig(
        Path("b0.onnx"), Path("b0.engine"), "tensorrt", embed_plugin=True, version_compatible=True
    )
    built = Resolved(config, Plain(), LIBRARY)
    report = report_of(facts, {"soft1", "q1", "v1"}, of=built, sites=1)

    found = engine_manifest(manifest(1), built, facts, report, FileInfo("b0.engine", "1" * 64, 7))

    assert [one.dtype for one in found.outputs] == ["float32", "int32"]
    engine = found.engine
    assert engine is not None
    assert (engine.typing, engine.plugins, engine.version_compatible) == (
        "weak", {"SegppTokenMatch": 8}, True,
    )  # fmt: skip
    assert engine.plugin_library == PluginInfo(
        "libsegpp_plugins.so", "a" * 64, "0.1.0", "10.3", embedded=True
    )
    assert (engine.attention_found, engine.attention_fused) == (1, 1)

    [told] = [" ".join(one.body.split()) for one in manifest_sections(found) if one.title == "engine"]
    assert "typing weak" in told
    assert "plugins SegppTokenMatch 8" in told
    assert f"libsegpp_plugins.so 0.1.0 for TensorRT 10.3, SHA-256 {'a' * 16}…, in the engine" in told
