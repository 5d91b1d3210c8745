"""Bodies of custom operators for ONNX Runtime alone, faster there than the portable ones."""

from segpp.errors import GraphError
from segpp.export.custom_ops.functions import FunctionFor
from segpp.utils.registry import Registry

__all__ = ["FOR_ONNXRUNTIME"]

FOR_ONNXRUNTIME: Registry[FunctionFor] = Registry(__name__, "custom operator", GraphError)
