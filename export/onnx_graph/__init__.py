"""From a torch module to a clean, static ONNX graph that its targets take."""
