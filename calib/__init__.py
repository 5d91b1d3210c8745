"""Images to activation ranges to INT8 ONNX: not there yet; this version writes FP32 and FP16."""
