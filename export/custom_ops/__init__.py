"""The operators of the ONNX domain segpp, as torch operators and as functions of standard ones."""
