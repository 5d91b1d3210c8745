"""The dialects a file can be written in."""

__all__ = ["ONNXRUNTIME", "PLAIN", "PORTABLE", "TARGETS"]

# Standard operators that every engine reads: ONNX Runtime, OpenVINO, TensorRT, TensorRT-RTX.
PORTABLE = "portable"

# With operators and forms that ONNX Runtime alone has.
ONNXRUNTIME = "onnxruntime"

# One flat graph without functions and with everything folded: for OpenCV, converters and whoever
# reads ONNX without all of it. A plugin finds nothing to replace there.
PLAIN = "plain"

TARGETS = (PORTABLE, ONNXRUNTIME, PLAIN)
