"""A benchmark whose times were made by hand."""

from dataclasses import replace

from segpp.runtime.backends.base import DeviceTimes
from segpp.runtime.benchmark.environment import SystemState
from segpp.runtime.benchmark.interleave import Sample
from segpp.runtime.benchmark.memory import PeakMemory
from segpp.runtime.benchmark.report import BenchmarkReport, CaseResult, Environment

__all__ = ["BENCH", "ENVIRONMENT", "on_a_gpu", "result"]


def result(name: str, inference: list[float], agreement: float | None) -> CaseResult:
    return CaseResult(
        name=name,
        file=f"{name}.onnx",
        backend="onnxruntime 1.23.2 (cpu)",
        size=(512, 1024),
        batch=2,
        load_seconds=0.5,
        agreement=agreement,
        memory=PeakMemory(peak=300_000_000, before=60_000_000),
        samples=tuple(Sample(5, 10, ms, 25, ms + 40) for ms in inference),
    )


def on_a_gpu(
    name: str, engine: list[float], *, transfer: float = 0.25, cuda_graph: bool = True
) -> CaseResult:
    """Return an engine's result: 2 images a call, 4 ms around the GPU's part of inference."""
    samples = tuple(
        Sample(
            *(5, 1, ms + 2 * transfer + 4, 1, ms + 2 * transfer + 11),
            DeviceTimes(transfer, ms, transfer, cuda_graph=cuda_graph, shared_memory=not transfer),
        )
        for ms in engine
    )
    backend = "tensorrt 10.3.0 (Orin, CUDA graph)"
    return replace(result(name, [], 1.0), file=f"{name}.engine", backend=backend, samples=samples)


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
        result("plain", [100, 200, 160], 1.0),
        result("hq", [50, 100, 40], 0.979),
        result("other", [100, 200, 160], None),
    ),
)
