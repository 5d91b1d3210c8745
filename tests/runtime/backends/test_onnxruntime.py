"""onnxruntime as a backend: its providers, threads and errors. Sessions test the rest of it."""

import os
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest

from segpp.errors import GraphError, MissingError
from segpp.runtime.backends._providers import ProviderChoice
from segpp.runtime.backends.base import BACKENDS, BackendConfig, TensorInfo
from segpp.runtime.backends.onnxruntime import _notes, _reason
from segpp.runtime.inference.open_session import open_session

Network = Callable[..., Path]
Stripes = Callable[[int, int], np.ndarray]


def test_a_provider_that_is_not_installed_is_missing_not_ignored(network: Network) -> None:
    if "CUDAExecutionProvider" in onnxruntime.get_available_providers():
        pytest.skip("this onnxruntime has CUDA")
    with pytest.raises(MissingError, match="no provider 'cuda'"):
        open_session(network(), provider="cuda")


def test_threads_and_sleeping_threads_do_not_change_the_answer(
    network: Network, stripes: Stripes
) -> None:
    path = network()
    with open_session(path) as usual, open_session(path, threads=1, spinning=False) as quiet:
        assert (usual(stripes(32, 64)).masks[0] == quiet(stripes(32, 64)).masks[0]).all()


THREADS = """
import os, sys
os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
from segpp.runtime.inference.open_session import open_session
with open_session(sys.argv[1], backend=sys.argv[2], cache=False) as session:
    tasks = os.listdir("/proc/self/task")
    used = {cpu for task in tasks for cpu in os.sched_getaffinity(int(task))}
    print(session.threads, *sorted(used))
"""


@pytest.mark.parametrize("backend", ["onnxruntime", "openvino"])
@pytest.mark.skipif((os.cpu_count() or 1) < 2, reason="one CPU cannot be limited further")
def test_a_pinned_process_runs_one_thread_and_stays_on_its_cpu(
    network: Network, backend: str
) -> None:
    command = [sys.executable, "-c", THREADS, str(network()), backend]
    done = subprocess.run(command, capture_output=True, text=True, check=True)

    assert done.stdout.split() == ["1", str(min(os.sched_getaffinity(0)))]


def test_it_declares_what_the_file_takes_and_gives(network: Network) -> None:
    with closing(BACKENDS["onnxruntime"].open(network("uint8"), BackendConfig())) as backend:
        assert backend.inputs == (TensorInfo("image", (1, 32, 64, 3), "uint8"),)
        assert backend.outputs == (TensorInfo("out", (1, 3, 8, 16), "float32"),)
        assert backend.description == f"onnxruntime {onnxruntime.__version__} (cpu)"


def test_a_run_that_fails_is_one_sentence(network: Network) -> None:
    with (
        closing(BACKENDS["onnxruntime"].open(network(), BackendConfig())) as backend,
        pytest.raises(
            GraphError, match=r"^onnxruntime .* failed to run\n  .*dimensions"
        ) as failure,
    ):
        backend.run({"image": np.zeros((1, 3, 8, 8), np.float32)}, ["out"])

    assert "[ONNXRuntimeError]" not in str(failure.value)


def test_a_file_of_bf16_is_refused_with_the_libraries_that_run_it(tmp_path: Path) -> None:
    text = """<ir_version: 10, opset_import: ["": 22]> brain (bfloat16[1,1,4,4] x)
        => (bfloat16[1,1,3,3] y) <bfloat16[1,1,2,2] w>
        { w = Constant<value = bfloat16[1,1,2,2] {1, 1, 1, 1}>()
          y = Conv(x, w) }"""
    onnx.save(onnx.parser.parse_model(text), tmp_path / "x.onnx")

    with pytest.raises(GraphError, match=r"Conv.*\n  hint: files of BF16 .* --backend openvino"):
        BACKENDS["onnxruntime"].open(tmp_path / "x.onnx", BackendConfig())


@pytest.mark.parametrize(
    ("automatic", "asked", "ran", "said"),
    [
        (True, "cuda", "cuda", ["it runs on the GPU (cuda), which answers here"]),
        (True, "cuda", "cpu", ["it runs on the CPU: onnxruntime's cuda does not start here"]),
        (True, "cpu", "cpu", []),
        (False, "cuda", "cuda", []),
    ],
)
def test_which_provider_ran_is_said_where_nobody_asked_and_a_gpu_is_here(
    asked: str, ran: str, said: list[str], *, automatic: bool
) -> None:
    notes = _notes(ProviderChoice(asked, is_automatic=automatic, providers=()), ran)

    assert len(notes) == len(said)
    assert all(note.startswith(start) for note, start in zip(notes, said, strict=True))


def test_the_place_in_its_own_source_is_left_out_of_a_reason() -> None:
    # As onnxruntime-gpu 1.31.1 words it without TensorRT's libraries.
    failure = RuntimeError(
        "/onnxruntime_src/onnxruntime/python/onnxruntime_pybind_state.cc:729 void onnxruntime::"
        "python::RegisterTensorRTPluginsAsCustomOps(PySessionOptions&, const onnxruntime::"
        "ProviderOptions&) Please install TensorRT libraries as mentioned in the GPU requirements"
    )

    assert _reason(failure) == (
        "Please install TensorRT libraries as mentioned in the GPU requirements"
    )
