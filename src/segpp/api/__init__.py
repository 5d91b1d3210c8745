"""The functions of ``import segpp``: what the commands do, for programs.

They check what they are given, name for name, and hand it to a stage. torch, onnx and the backends
are imported when a function needs them, so that a board without torch runs files and a laptop
without TensorRT exports them. Everything a program may use is listed in ``segpp.__all__``.
"""

from segpp.api.infer import load, predict
from segpp.api.make import build_engine, export_onnx
from segpp.api.measure import benchmark, evaluate, inspect
from segpp.api.prove import verify
from segpp.api.quantize import calibrate
from segpp.api.train import distill, fine_tune, train_policy

__all__ = [
    "benchmark",
    "build_engine",
    "calibrate",
    "distill",
    "evaluate",
    "export_onnx",
    "fine_tune",
    "inspect",
    "load",
    "predict",
    "train_policy",
    "verify",
]
