"""The dialects a file can be written in."""

__all__ = ["ONNXRUNTIME", "PORTABLE", "TARGETS"]

# Standard operators that every engine reads: ONNX Runtime, OpenVINO, TensorRT, TensorRT-RTX.
PORTABLE = "portable"

# With operators and forms that ONNX Runtime alone has.
ONNXRUNTIME = "onnxruntime"

TARGETS = (PORTABLE, ONNXRUNTIME)
