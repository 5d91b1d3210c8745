"""One network made ready and called, stage by stage."""

import os
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from segpp.errors import InputError
from segpp.images import sample_image
from segpp.images.preprocess import load_image
from segpp.runtime.benchmark.case import BenchmarkCase
from segpp.runtime.benchmark.environment import CpuUsage, SystemState, read_cpu_usage
from segpp.runtime.benchmark.runner import environment_between, load_case

Network = Callable[..., Path]


def test_a_case_is_loaded_called_and_summed_up(network: Network, tmp_path: Path) -> None:
    case = BenchmarkCase(network(batch=2), "auto", "fp32")

    with load_case("net", case, None, tmp_path, {"threads": 1}) as loaded:
        samples = [loaded.sample() for _ in range(3)]
        result = loaded.result(samples, loaded)

    assert loaded.module == "onnxruntime"
    assert loaded.image_text == "street-32x64.jpg, 32x64"
    assert (result.name, result.file, result.size, result.batch) == (
        "net",
        "logits.onnx",
        (32, 64),
        2,
    )
    assert result.agreement == 1.0
    assert result.samples == tuple(samples)
    for sample in samples:
        parts = (
            sample.decode_ms + sample.preprocess_ms + sample.inference_ms + sample.postprocess_ms
        )
        assert 0 < parts <= sample.total_ms


def test_the_bundled_street_is_resized_as_every_image_is(network: Network, tmp_path: Path) -> None:
    with load_case("net", BenchmarkCase(network(), "auto", "fp32"), None, tmp_path, {"threads": 1}):
        found = load_image(tmp_path / "street-32x64.jpg").astype(int)

    with Image.open(sample_image()) as street:
        shrunk = street.resize((64, 32), Image.Resampling.BILINEAR)
        unlike = street.resize((64, 32), Image.Resampling.BICUBIC)
    shrunk.save(tmp_path / "expected.jpg", quality=95)
    assert (found == load_image(tmp_path / "expected.jpg")).all()
    assert np.asarray(unlike).tolist() != np.asarray(shrunk).tolist()


def test_a_case_that_cannot_be_loaded_says_so(network: Network, tmp_path: Path) -> None:
    case = BenchmarkCase(network(), "onnx", "fp32")

    with pytest.raises(InputError, match="unknown backend 'onnx'"):
        load_case("net", case, None, tmp_path, {})


def test_the_environment_names_what_took_part() -> None:
    before = SystemState(load=(0.5,))

    environment = environment_between(before, read_cpu_usage(), {"onnxruntime"})

    assert environment.before == before
    assert list(environment.versions) == ["segpp", "python", "numpy", "PIL", "onnxruntime"]
    assert environment.versions["onnxruntime"] == version("onnxruntime")


def test_where_the_system_tells_nothing_no_share_is_made_up() -> None:
    environment = environment_between(SystemState(), None, ())

    assert (environment.others, environment.stolen) == (None, None)


def test_a_machine_in_which_nobody_else_computes() -> None:
    start = CpuUsage(busy=0.0, stolen=0.0, own=0.0, total=0.0)
    end = CpuUsage(busy=2.0, stolen=0.0, own=2.0, total=2.0 * (os.cpu_count() or 1))

    assert end.since(start) == (0.0, 0.0)
