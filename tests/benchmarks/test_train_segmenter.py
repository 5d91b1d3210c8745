"""A Segmenter from nothing is read as what it is, and learns labels and what its teacher says."""

from pathlib import Path
from typing import cast

import pytest
import torch
from torch import Tensor, nn

from benchmarks.distillation.crops import IGNORE
from benchmarks.distillation.new_segmenter import new_segmenter, sines, write_segmenter
from benchmarks.distillation.train_segmenter import loss_of
from segpp.export.models.loading import load_checkpoint
from segpp.export.models.vit.loading import ViTCheckpoint
from segpp.ops.grid import Grid

GRID = Grid(2, 3)


class Fixed(nn.Module):
    """Says the same whatever it sees."""

    def __init__(self, logits: Tensor) -> None:
        super().__init__()
        self.logits = nn.Parameter(logits)

    def forward(self, image: Tensor) -> Tensor:
        return self.logits.expand(len(image), -1, -1, -1)


@pytest.fixture
def written(tmp_path: Path) -> Path:
    path = tmp_path / "new.pth"
    meta = {"classes": ["road", "sky", "tree"], "palette": [[0, 0, 0], [1, 1, 1], [2, 2, 2]]}
    write_segmenter(path, new_segmenter(64, 2, 16, GRID, 3), GRID, meta)
    return path


def test_it_is_read_as_a_segmenter_of_its_sizes_and_classes(written: Path) -> None:
    checkpoint = cast("ViTCheckpoint", load_checkpoint(written))

    assert checkpoint.format == "mmsegmentation-vit"
    assert checkpoint.architecture.head == "mask-transformer"
    assert checkpoint.architecture.dims == (64, 64)
    assert checkpoint.classes is not None
    assert checkpoint.classes.names == ("road", "sky", "tree")
    assert checkpoint.build()(torch.randn(1, 3, 32, 48)).shape == (1, 3, 2, 3)


def test_what_was_trained_is_written_under_the_same_names(written: Path) -> None:
    checkpoint = cast("ViTCheckpoint", load_checkpoint(written))
    before = new_segmenter(64, 2, 16, GRID, 3)

    stored = checkpoint.stored(checkpoint.build().state_dict())

    assert {name: value.shape for name, value in stored.items()} == {
        name: value.shape for name, value in before.items()
    }


def test_every_patch_has_its_own_position() -> None:
    positions = sines(GRID, 64)[0]

    assert positions.shape == (6, 64)
    distances = torch.cdist(positions, positions) + 9 * torch.eye(6)
    assert distances.min() > 0.5


def test_it_learns_labels_where_they_count_and_the_teacher_everywhere() -> None:
    said = torch.tensor([4.0, 0.0]).view(1, 2, 1, 1)
    agreeing, other = Fixed(said), Fixed(-said)
    labels = torch.tensor([[[0, IGNORE], [IGNORE, 0]]])
    batch = (torch.zeros(1, 3, 2, 2), labels)

    alike = loss_of(agreeing, agreeing, batch)
    assert alike.item() == pytest.approx(-torch.log_softmax(said, 1)[0, 0].item(), rel=1e-5)
    assert loss_of(other, agreeing, batch) > loss_of(other, other, batch) > alike
