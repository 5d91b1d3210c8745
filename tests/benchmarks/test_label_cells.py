"""Classes that are left in a cell are those that win somewhere in it, and few others.

Tests benchmarks/kernels/label_cells.py and left_classes.py.
"""

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from benchmarks.kernels.label_cells import warps_by_classes
from benchmarks.kernels.left_classes import read_label_cells
from segpp.export.custom_ops.torch_ops import resize_argmax


def winners(logits: Tensor, row: int, column: int) -> set[int]:
    """Return the labels of the 16 pixels between four logits, at a quarter of the labels' size."""
    height, width = logits.shape[1:]
    labels = resize_argmax(logits[None], 4 * height, 4 * width)[0]
    top, left = (max(0, 4 * place - 2) for place in (row, column))
    return set(labels[top : 4 * row + 2, left : 4 * column + 2].flatten().tolist())


def test_a_warp_goes_on_for_at_least_the_winners_of_each_of_its_cells() -> None:
    logits = torch.randn(7, 3, 40, generator=torch.Generator().manual_seed(0))

    most = warps_by_classes(logits)

    # Four rows of 41 cells, 30 to a warp.
    assert most.shape == (8,)
    for row in range(4):
        for warp, columns in enumerate((range(30), range(30, 41))):
            needed = max(len(winners(logits, row, column)) for column in columns)
            assert needed <= most[2 * row + warp] <= 7


def test_one_class_is_left_where_it_is_above_all_others_and_two_at_a_border() -> None:
    logits = torch.zeros(3, 2, 29)
    logits[1, :, :10] = 5.0
    logits[2, :, 10:] = 5.0
    logits[0] = -1.0

    assert warps_by_classes(logits[:, :, :9]).tolist() == [1, 1, 1]
    assert warps_by_classes(logits).tolist() == [2, 2, 2]


def test_what_is_read_is_what_was_counted(tmp_path: Path) -> None:
    path = tmp_path / "cells.json"
    path.write_text('{"warps": {"512x1024": {"1": 3, "2": 5}}}')

    assert read_label_cells(path) == {"512x1024": {1: 3, 2: 5}}
    # Of every committed size all warps: four pictures, and so many cells each.
    for size, counts in read_label_cells().items():
        height, width = (int(side) // 4 for side in size.split("x"))
        assert sum(counts.values()) == 4 * (height + 1) * int(np.ceil((width + 1) / 30))
