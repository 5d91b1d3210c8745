"""Run a file as segpp does, with every optimization of ONNX Runtime but the last: layouts.

    python without_layouts.py MODEL OUT NOISE PICTURE …

On x86 the last one turns convolutions into a blocked layout, which adds up in another order; on
ARM it does not. Writes the labels of all pictures as one array. NOISE is the size of what is added
to the tensors: how far labels of a file move by rounding alone.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnxruntime

from segpp.images.preprocess import load_image, prepare
from segpp.manifest import read_manifest


def main(model: str, out: str, noise: str, *pictures: str) -> None:
    """Write the labels (pictures, H, W) that ``model`` gives."""
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(model, options, ["CPUExecutionProvider"])
    spec = read_manifest(Path(model)).input
    tensors = [prepare([load_image(picture)], spec) for picture in pictures]
    labels = [run(session, moved(tensor, float(noise))) for tensor in tensors]
    np.save(out, np.concatenate(labels))


def moved(tensor: np.ndarray, noise: float) -> np.ndarray:
    drawn = np.random.default_rng(0).standard_normal(tensor.shape)
    return (tensor + noise * drawn).astype(tensor.dtype)


def run(session: onnxruntime.InferenceSession, tensor: np.ndarray) -> np.ndarray:
    return np.asarray(session.run(None, {session.get_inputs()[0].name: tensor})[0])


def arguments(model: Path, out: Path, pictures: Sequence[Path], noise: float = 0.0) -> list[str]:
    """Return the words of this script's command line."""
    return [str(Path(__file__)), str(model), str(out), str(noise), *map(str, pictures)]


if __name__ == "__main__":
    main(*sys.argv[1:])
