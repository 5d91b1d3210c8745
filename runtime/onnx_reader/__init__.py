"""The little of ONNX that a board needs without the onnx package."""
