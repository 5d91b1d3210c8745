"""The dialects a file can be written in, and the versions of ONNX in all of them."""

__all__ = [
    "BF16_IR_VERSION",
    "BF16_OPSET",
    "MAX_IR_VERSION",
    "ONNXRUNTIME",
    "OPSET",
    "PLAIN",
    "PORTABLE",
    "TARGETS",
    "TENSORRT",
]

# Standard operators that every engine reads: ONNX Runtime, OpenVINO, TensorRT, TensorRT-RTX.
PORTABLE = "portable"

# With operators and forms that ONNX Runtime alone has.
ONNXRUNTIME = "onnxruntime"

# One flat graph without functions and with everything folded: for OpenCV, converters and whoever
# reads ONNX without all of it. A plugin finds nothing to replace there.
PLAIN = "plain"

# What every engine reads too, with operators that pay where TensorRT has segpp's plugins: without
# them their functions run, which are what the operators replace.
TENSORRT = "tensorrt"

TARGETS = (PORTABLE, ONNXRUNTIME, PLAIN, TENSORRT)

# Read by onnxruntime 1.23 and TensorRT 10.3; the first with LayerNormalization is 17.
OPSET = 18

# Read by onnxruntime 1.16 and later, and by every TensorRT 10.
MAX_IR_VERSION = 9

# The first with a convolution of BF16, and what it asks for: for TensorRT-RTX and its like.
BF16_OPSET = 22
BF16_IR_VERSION = 10
