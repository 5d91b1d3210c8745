"""The little of ONNX that a board needs without the onnx package.

Read here and not by onnx: ``segpp-run`` has to look at every file before a native parser does, on
boards that have numpy, pillow, tqdm and one backend, and the walk skips the weights, so a large
file takes no longer than a small one. Where a whole file is rewritten (OpenVINO takes functions
only inlined), the onnx package does it.
"""
