"""The report as text."""

from dataclasses import replace

import pytest

from segpp.runtime.benchmark.gpu_state import GpuState
from segpp.runtime.benchmark.interleave import STAGES
from segpp.runtime.benchmark.tables import as_markdown, as_text
from tests.helpers.reports.benchmark_reports import BENCH, on_a_gpu, result


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


def test_a_sign_that_is_not_in_the_table_is_not_explained() -> None:
    assert "~" not in as_text(replace(BENCH, percents=(50,)))


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
    bench = replace(BENCH, results=(BENCH.results[0], result("hq", [50, 60, 70], agreement)))

    assert as_markdown(bench).splitlines()[3].endswith(f"| {shown} |")


def test_a_name_with_a_bar_or_a_line_in_it_keeps_to_its_cell() -> None:
    odd = result("a|b\nc", [100.0, 200.0, 160.0], 1.0)

    lines = as_markdown(replace(BENCH, results=(odd, *BENCH.results))).splitlines()

    assert lines[2].startswith(r"| a\|b\x0ac | ")
    assert lines[2].replace(r"\|", "").count("|") == lines[0].count("|")


ENGINE = on_a_gpu("hq", [3.0, 3.0, 4.0])
MIXED = replace(BENCH, results=(BENCH.results[0], ENGINE))


def test_what_a_gpu_took_stands_apart_from_what_is_around_it() -> None:
    lines = as_text(MIXED).splitlines()

    start = lines.index(next(line for line in lines if line.startswith("ms on the GPU")))
    head, row = lines[start + 1 : start + 3]
    assert head.split()[:3] == ["upload", "engine", "download"]
    # Two images a call: six in 10 ms of the engine, and in 44.5 ms of it all.
    assert " ".join(row.split()) == ("hq 0.25 3.00 0.25 600.0 134.83 as a CUDA graph pinned memory")
    assert not any("on the GPU" in line for line in as_text(BENCH).splitlines())


def test_markdown_says_how_the_time_on_the_gpu_was_measured() -> None:
    note = as_markdown(MIXED).splitlines()[-1]

    assert (
        "hq on the GPU, median by CUDA events: upload 0.25 ms, engine 3.00 ms, download 0.25 ms "
        "(as a CUDA graph; transfers: pinned memory); the engine alone makes 600.0 images/s, "
        "picture to mask 134.83"
    ) in note
    kernels = on_a_gpu("hq", [3.0], transfer=0, cuda_graph=False)
    assert "kernel by kernel; transfers: none, shared memory" in as_markdown(
        replace(BENCH, results=(kernels,))
    )


def test_the_gpus_clock_heat_and_power_stand_with_the_machine() -> None:
    before = GpuState("H200", "580.1", 345.0, 1980.0, 3201.0, 38.0, 79.0, 700.0)
    after = replace(before, megahertz=1980.0, celsius=52.0, watts=310.0)
    environment = replace(
        BENCH.environment,
        before=replace(BENCH.environment.before, gpu=before),
        after=replace(BENCH.environment.after, gpu=after),
    )

    [line] = [
        line
        for line in as_text(replace(MIXED, environment=environment)).splitlines()
        if line.startswith("GPU ")
    ]
    assert line.removeprefix("GPU").strip() == (
        "H200, driver 580.1, 345 MHz at the start, 1980 at the end of at most 1980, 38 °C at the "
        "start, 52 at the end, 79 W at the start, 310 at the end of at most 700"
    )
