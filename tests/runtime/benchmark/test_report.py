"""The report for machines: JSON and CSV."""

import csv
import io
import json
from dataclasses import replace

import pytest

from segpp.runtime.benchmark.interleave import STAGES
from segpp.runtime.benchmark.report import as_csv, as_json
from tests.helpers.reports.benchmark_reports import BENCH, on_a_gpu


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


def test_a_name_made_to_harm_is_plain_text_in_a_csv_file() -> None:
    odd = replace(BENCH, results=[replace(BENCH.results[0], name="@SUM(A1)", file="a\n\x1b.onnx")])

    first = next(csv.DictReader(io.StringIO(as_csv(odd))))

    assert first["model"] == "'@SUM(A1)"
    assert first["file"] == r"a\x0a\x1b.onnx"


def test_json_and_csv_tell_what_a_gpu_took_where_one_was_timed() -> None:
    mixed = replace(BENCH, results=(BENCH.results[0], on_a_gpu("hq", [3.0, 3.0, 4.0])))

    plain, hq = json.loads(as_json(mixed))["models"]
    rows = list(csv.DictReader(io.StringIO(as_csv(mixed))))

    assert plain["gpu"] is None
    assert hq["gpu"]["samples_ms"] == {
        "upload": [0.25] * 3,
        "engine": [3.0, 3.0, 4.0],
        "download": [0.25] * 3,
    }
    assert hq["gpu"]["cuda_graph"] is True
    assert hq["gpu"]["engine_images_per_second"] == pytest.approx(600.0)
    assert hq["gpu"]["stages_ms"]["engine"]["max"] == 4.0
    stages = {(row["model"], row["stage"]): row["p50"] for row in rows}
    assert stages["hq", "engine"] == "3.0000"
    assert ("plain", "engine") not in stages


def test_a_network_that_was_timed_only_now_and_then_has_no_time_of_a_gpu() -> None:
    timed = on_a_gpu("hq", [3.0, 4.0])
    samples = (timed.samples[0], replace(timed.samples[1], device=None))

    partly = replace(timed, samples=samples)

    assert partly.device_summary("engine", ()) is None
    assert partly.engine_rate is None
