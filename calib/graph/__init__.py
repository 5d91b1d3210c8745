"""What calibration needs to know of an ONNX graph: where its weighted products are."""
