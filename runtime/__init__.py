"""ONNX or engine to masks: imports numpy, pillow and one engine library, never torch."""
