"""The report of a benchmark whose times were made by hand."""

import csv
import io
import json
from dataclasses import replace
from pathlib import Path

import pytest

from segpp.runtime.benchmark.environment import SystemState
from segpp.runtime.benchmark.interleave import STAGES, Sample
from segpp.runtime.benchmark.memory import PeakMemory
from segpp.runtime.benchmark.plot import draw
from segpp.runtime.benchmark.reliability import reliability_warnings
from segpp.runtime.benchmark.report import BenchmarkReport, CaseResult, Environment, as_csv, as_json
from segpp.runtime.benchmark.tables import as_markdown, as_text


def entry(name: str, engine: list[float], agreement: float | None) -> CaseResult:
    return CaseResult(
        name=name,
        file=f"{name}.onnx",
        backend="onnxruntime 1.23.2 (cpu)",
        size=(512, 1024),
        batch=2,
        load_seconds=0.5,
        agreement=agreement,
        memory=PeakMemory(peak=300_000_000, before=60_000_000),
        samples=tuple(Sample(5, 10, ms, 25, ms + 40) for ms in engine),
    )


ENVIRONMENT = Environment(
    cpu="A CPU, 2 cores",
    system="Linux 6, x86_64",
    board=None,
    versions={"segpp": "0.1.0", "onnxruntime": "1.23.2"},
    before=SystemState(load=(0.1, 0.2, 0.3), temperatures={"cpu": 40.0, "gpu": 45.4}),
    after=SystemState(temperatures={"cpu": 61.0}),
    others=0.03,
    stolen=0.0,
)
BENCH = BenchmarkReport(
    image="street.png, 512x1024",
    threads=2,
    warmup=3,
    percents=(50, 90),
    environment=ENVIRONMENT,
    results=(
        entry("plain", [100, 200, 160], 1.0),
        entry("hq", [50, 100, 40], 0.979),
        entry("other", [100, 200, 160], None),
    ),
)


def test_the_table_shows_stages_and_what_was_gained() -> None:
    lines = as_text(BENCH).splitlines()

    assert lines[1].split() == [*STAGES, "p90"]
    assert lines[2].split() == ["plain", "5.0", "10.0", "160.0", "25.0", "200.0", "~240.0"]
    assert lines[3].split() == ["hq", "5.0", "10.0", "50.0", "25.0", "90.0", "~140.0"]
    [hq] = [line for line in lines if line.startswith("hq") and "MB" in line]
    # Rounds: 2, 2 and 4 in the engine; 140/90, 240/140 and 200/80 in all.
    assert " ".join(hq.split()).startswith(
        "hq 19.35 300 MB 2.00x [2.00-4.00] 1.71x [1.56-2.50] 97.900% onnxruntime"
    )
    # Images a second: six in 90 + 140 + 80 ms are 19.35.
    assert any("45 °C at the start, 61 °C at the end" in line for line in lines)
    assert lines[-1].startswith("~ too few samples")


def test_a_model_alone_is_compared_with_nothing() -> None:
    text = as_text(replace(BENCH, results=BENCH.results[:1]))

    assert "faster" not in text
    assert "same labels" not in text


def test_markdown_is_one_table_and_a_note() -> None:
    head, rule, plain, hq, other, blank, note = as_markdown(BENCH).splitlines()

    assert {line.count("|") for line in (head, rule, plain, hq, other)} == {11}
    assert hq.startswith("| hq | onnxruntime 1.23.2 (cpu) | 50.0 | ~90.0 | ~140.0 | ")
    assert plain.endswith("| 1 | 1 | all |")
    assert other.endswith("| - |")
    assert blank == ""
    assert "machine: A CPU, 2 cores; threads: 2" in note


@pytest.mark.parametrize(
    ("agreement", "shown"), [(1.0, "all"), (0.9999999, "99.999%"), (0.5, "50.000%"), (None, "-")]
)
def test_nearly_all_is_not_all(agreement: float | None, shown: str) -> None:
    bench = replace(BENCH, results=(BENCH.results[0], entry("hq", [50, 60, 70], agreement)))

    assert as_markdown(bench).splitlines()[3].endswith(f"| {shown} |")


def test_json_holds_every_single_time() -> None:
    found = json.loads(as_json(BENCH))

    [plain, hq, _] = found["models"]
    assert plain["samples_ms"]["inference"] == [100, 200, 160]
    assert set(plain["stages_ms"]) == set(STAGES)
    assert plain["stages_ms"]["inference"]["p50"] == 160
    assert plain["stages_ms"]["inference"]["max"] == 200
    assert hq["speed_up_over_first"]["inference"] == {
        "median": 2, "lower_quartile": 2, "upper_quartile": 4, "minimum": 2, "maximum": 4,
    }  # fmt: skip
    assert hq["peak_memory_bytes"] == 300_000_000
    assert hq["pixel_agreement_with_first"] == 0.979
    assert found["environment"]["versions"]["onnxruntime"] == "1.23.2"
    assert found["environment"]["before"]["temperatures"]["gpu"] == 45.4
    assert found["percentile_definition"] == "nearest rank"


def test_csv_has_a_row_per_model_and_stage() -> None:
    rows = list(csv.DictReader(io.StringIO(as_csv(BENCH))))

    assert [(row["model"], row["stage"]) for row in rows] == [
        (name, stage) for name in ("plain", "hq", "other") for stage in STAGES
    ]
    hq = rows[len(STAGES) + STAGES.index("total")]
    assert hq["p90"] == "140.0000"
    assert hq["peak_memory_bytes"] == "300000000"
    assert float(hq["speed_up"]) == pytest.approx(240 / 140, abs=1e-4)


def test_the_plot_is_a_png_with_ink_in_it(tmp_path: Path) -> None:
    image_module = pytest.importorskip("PIL.Image")
    pytest.importorskip("matplotlib", reason="matplotlib (segpp[plot]) draws")

    draw(BENCH, tmp_path / "times.part")

    with image_module.open(tmp_path / "times.part") as image:
        assert image.format == "PNG"
        colours = {color for _, color in image.convert("RGB").getcolors(1 << 24)}
    # The bars of the engine and of what comes after it.
    assert {(0x00, 0x72, 0xB2), (0xE6, 0x9F, 0x00)} <= colours


# --- warnings


def warnings(bench: BenchmarkReport) -> str:
    return "\n".join(reliability_warnings(bench))


STEADY = replace(BENCH, results=(entry("plain", [100.0, 101.0] * 400, 1.0),))


def test_a_steady_run_on_a_quiet_machine_is_not_doubted() -> None:
    assert warnings(STEADY) == ""


@pytest.mark.parametrize(
    ("bench", "told"),
    [
        (replace(BENCH, percents=(50, 99)), "3 calls are few: p50 11, p99 662 would be needed"),
        (BENCH, "unsteady: the inference time of plain varies by 33%"),
        (
            replace(STEADY, environment=replace(ENVIRONMENT, others=0.5)),
            "others used 50% of the CPUs",
        ),
        (replace(STEADY, environment=replace(ENVIRONMENT, stolen=0.05)), "hypervisor gave 5%"),
        (
            replace(
                STEADY,
                environment=replace(ENVIRONMENT, before=SystemState(governors=("powersave",))),
            ),
            "clocks follow the load (governor powersave)",
        ),
        (
            replace(
                STEADY,
                environment=replace(
                    ENVIRONMENT, before=SystemState(power_mode="0", clocks_fixed=False)
                ),
            ),
            "jetson_clocks is off",
        ),
    ],
)
def test_what_speaks_against_the_numbers_is_said(bench: BenchmarkReport, told: str) -> None:
    assert told in warnings(bench)
