"""What the benchmarks share that score variants of a network in PyTorch, without any file."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from tqdm import tqdm

from segpp.datasets.pairs import Pair
from segpp.export.config import ExportConfig
from segpp.export.config.resolve import resolve_input
from segpp.export.models.base import Checkpoint
from segpp.export.models.loading import load_checkpoint
from segpp.export.models.network import Network
from segpp.images.postprocess import resize_argmax
from segpp.images.preprocess import prepare
from segpp.manifest import InputSpec
from segpp.ops.grid import Size
from segpp.runtime.evaluation import Score, Segmenter, evaluate


def read_stretched(file: Path, size: Size) -> tuple[Checkpoint, InputSpec]:
    """Return a checkpoint, and pictures stretched to ``size`` as its input.

    As the networks of the committed results were trained.
    """
    checkpoint = load_checkpoint(file)
    config = ExportConfig(Path(), Path(), size=size, fit="stretch")
    return checkpoint, resolve_input(config, checkpoint)


def segmenter(network: Callable[[], Network], checkpoint: Checkpoint, spec: InputSpec) -> Segmenter:
    """Return what labels a picture by a network, which is asked for anew for every picture."""

    def segment(image: Any, size: Any) -> Any:
        with torch.inference_mode():
            logits = network()(torch.from_numpy(prepare([image], spec))).numpy()
        return resize_argmax(logits, size, align_corners=checkpoint.align_corners)[0]

    return segment


def scored(
    segmenters: Sequence[Segmenter], pairs: Sequence[Pair], checkpoint: Checkpoint
) -> tuple[Score, ...]:
    """Return the score of each, its agreement with the first included."""
    classes = checkpoint.architecture.classes
    with tqdm(total=len(pairs)) as bar:
        return evaluate(
            segmenters,
            pairs,
            classes=classes,
            ignored=(classes, 255),
            after_each=bar.update,
        ).scores
