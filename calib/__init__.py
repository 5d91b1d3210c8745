"""Pictures to ranges of activations to INT8 ONNX, for one engine; ``pipeline`` is read first."""
