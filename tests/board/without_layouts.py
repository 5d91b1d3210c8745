"""Run a file as segpp does, with every optimization of ONNX Runtime but the last: layouts.

    python without_layouts.py MODEL OUT PICTURE …

On x86 the last one turns convolutions into a blocked layout, which adds up in another order; on
ARM it does not. Writes the labels of all pictures as one array.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnxruntime

from segpp.images.preprocess import load_image, prepare
from segpp.manifest import read_manifest


def main(model: str, out: str, *pictures: str) -> None:
    """Write the labels (pictures, H, W) that ``model`` gives."""
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(model, options, ["CPUExecutionProvider"])
    spec = read_manifest(Path(model)).input
    labels = [run(session, prepare([load_image(picture)], spec)) for picture in pictures]
    np.save(out, np.concatenate(labels))


def run(session: onnxruntime.InferenceSession, tensor: np.ndarray) -> np.ndarray:
    return np.asarray(session.run(None, {session.get_inputs()[0].name: tensor})[0])


def arguments(model: Path, out: Path, pictures: Sequence[Path]) -> list[str]:
    """Return the words of this script's command line."""
    return [str(Path(__file__)), str(model), str(out), *map(str, pictures)]


if __name__ == "__main__":
    main(*sys.argv[1:])
