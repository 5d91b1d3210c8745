"""What the benchmarks share: turns, ratios, and the big product whose rate is known by hand."""

from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pytest

from benchmarks.common.interleaved import columns, interleaved, opened, summary
from benchmarks.networks.gemm_efficiency import macs_in, write_product
from segpp.errors import InputError


def test_everything_has_its_turn_in_every_round() -> None:
    calls: list[str] = []

    times = interleaved({"a": lambda: calls.append("a"), "b": lambda: calls.append("b")}, 3)

    # One round warms up.
    assert calls == ["a", "b"] * 4
    assert {name: len(series) for name, series in times.items()} == {"a": 3, "b": 3}
    assert min(map(min, times.values())) > 0


def test_ratios_are_of_neighbouring_calls() -> None:
    found = summary({"slow": [10.0, 20.0, 40.0], "fast": [5.0, 5.0, 10.0]})

    assert found["slow"]["faster"] == 1
    assert found["fast"] == {
        "median_ms": 5.0,
        "faster": 4.0,
        "faster_lower_quartile": 2.0,
        "faster_upper_quartile": 4.0,
    }


def test_the_big_product_is_a_product_and_counted_as_one(tmp_path: Path) -> None:
    path = write_product(tmp_path / "product.onnx", 8)

    with ExitStack() as stack:
        engine = opened(stack, path, backend="onnxruntime", threads=1)
        [once] = engine.run({"a": np.eye(8, dtype=np.float32)}, ["c"])
        [twice] = engine.run({"a": once}, ["c"])

    assert np.array_equal(once, np.random.default_rng(1).standard_normal((8, 8), np.float32))
    # Sums of 8 products, each rounded to 2^-24 of terms below 10.
    assert np.abs(twice - once.astype(np.float64) @ once).max() < 8 * 10 * 2**-24 * 10
    assert macs_in(path) == 8**3


def test_an_unknown_engine_is_refused(tmp_path: Path) -> None:
    with ExitStack() as stack, pytest.raises(InputError, match="unknown backend 'onnx'"):
        opened(stack, tmp_path / "x.onnx", backend="onnx", threads=1)


def test_a_table_is_markdown() -> None:
    assert columns(["a", "b"], [["1", "2"]]) == "| a | b |\n| --- | ---: |\n| 1 | 2 |"
