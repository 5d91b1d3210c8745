"""Counts of each image's own are those that the published method has for it.

Tests benchmarks/frontier/in_pytorch/by_image.py.
"""

from pathlib import Path

import numpy as np
import pytest
import torch

from benchmarks.distillation.vit.new_segmenter import new_segmenter, write_segmenter
from benchmarks.frontier.in_pytorch.by_image import ByImage
from segpp.export.config import ExportConfig
from segpp.export.config.resolve import resolve_input
from segpp.export.models.base import Checkpoint
from segpp.export.models.loading import load_checkpoint
from segpp.export.reduction.config import ReductionConfig
from segpp.export.reduction.methods.clap import ConditionalLocalPooling
from segpp.export.reduction.methods.gbm import GlobalBipartiteMatching
from segpp.export.reduction.sites import Site
from segpp.images.postprocess import resize_argmax
from segpp.images.preprocess import ImageArray, prepare
from segpp.ops.grid import Grid, Size

SIZE = Size(64, 96)
REDUCTION: ReductionConfig = {
    Site(1, "tokens"): ConditionalLocalPooling(),
    Site(2, "tokens"): GlobalBipartiteMatching(),
}


@pytest.fixture
def checkpoint(tmp_path: Path) -> Checkpoint:
    torch.manual_seed(0)
    grid = Grid(4, 6)
    write_segmenter(tmp_path / "new.pth", new_segmenter(64, 2, 16, grid, 3), grid, {})
    return load_checkpoint(tmp_path / "new.pth")


def pictures() -> list[ImageArray]:
    """Return a flat one, and one of noise."""
    noise = np.random.default_rng(0).integers(0, 256, (64, 96, 3)).astype(np.uint8)
    return [np.full((64, 96, 3), 90, np.uint8), noise]


def test_an_image_of_one_colour_wants_more_to_merge_than_noise(checkpoint: Checkpoint) -> None:
    spec = resolve_input(ExportConfig(Path(), Path(), size=SIZE, fit="stretch"), checkpoint)
    network = ByImage(checkpoint, spec, REDUCTION, {Site(1, "tokens"): 0.9})

    labels = [network(picture, (64, 96)) for picture in pictures()]

    assert [one.shape for one in labels] == [(64, 96)] * 2
    assert network.left[0] < network.left[1] <= 24


def test_labels_are_those_of_a_network_with_these_counts(checkpoint: Checkpoint) -> None:
    spec = resolve_input(ExportConfig(Path(), Path(), size=SIZE, fit="stretch"), checkpoint)
    network = ByImage(checkpoint, spec, REDUCTION, {Site(1, "tokens"): 0.2})
    pixels = prepare([pictures()[1]], spec)

    counts = network.counts_of(pixels)
    labels = network(pictures()[1], (64, 96))

    assert counts
    other = checkpoint.build().apply_reductions(counts)
    with torch.inference_mode():
        expected = resize_argmax(other(torch.from_numpy(pixels)).numpy(), (64, 96))[0]
    assert np.array_equal(labels, expected)
    same = ByImage(checkpoint, spec, REDUCTION, {}, fixed=counts)
    assert np.array_equal(same(pictures()[1], (64, 96)), expected)
    assert same.left == network.left
