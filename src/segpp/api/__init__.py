"""The functions of ``import segpp``: what the commands do, for programs.

Each imports its stage when it is called, so that a board without torch runs files and a laptop
without TensorRT exports them. Everything a program may use is listed in ``segpp.__all__``.
"""

from segpp.api.infer import load, predict
from segpp.api.make import build_engine, export_onnx
from segpp.api.measure import benchmark, evaluate, inspect

__all__ = ["benchmark", "build_engine", "evaluate", "export_onnx", "inspect", "load", "predict"]
