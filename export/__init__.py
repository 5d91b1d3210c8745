"""Checkpoint to static ONNX: imports torch, onnx and onnxruntime."""
