"""A Segmenter from nothing is read as what it is, and learns labels and what its teacher says."""

from pathlib import Path
from typing import cast

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional as F

from benchmarks.distillation.crops import IGNORE
from benchmarks.distillation.vit.mimetic import mimetic
from benchmarks.distillation.vit.new_segmenter import new_segmenter, sines, write_segmenter
from benchmarks.distillation.vit.train_segmenter import loss_of
from benchmarks.distillation.vit.windows import Taught, View, ahead, taught, window_of
from segpp.datasets.pairs import Pair
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


def test_attention_begins_near_the_identity_and_values_near_its_negative() -> None:
    torch.manual_seed(0)
    joint, projection = mimetic(128, 2)

    queries, keys, values = joint.chunk(3)
    alike, apart = queries[:64].T @ keys[:64], (projection @ values).T
    for product, share in ((alike, 0.7), (apart, -0.4)):
        # Half of the ranks of a head keep the larger half of the identity.
        mean = float(product.diagonal().mean())
        assert share * mean > 0
        assert abs(float(product.mean())) < abs(mean) / 10
    assert float(apart.diagonal().mean()) == pytest.approx(-0.4, abs=0.05)


def test_it_learns_labels_where_they_count_and_the_teacher_everywhere() -> None:
    logits = torch.tensor([4.0, 0.0]).view(1, 2, 1, 1)
    agreeing, other = Fixed(logits), Fixed(-logits)
    labels = torch.tensor([[[0, IGNORE], [IGNORE, 0]]])
    said = logits.softmax(1).expand(1, 2, 2, 2)
    image = torch.zeros(1, 3, 8, 8)

    alike = loss_of(agreeing, (image, labels, said))
    assert alike.item() == pytest.approx(-torch.log_softmax(logits, 1)[0, 0].item(), rel=1e-5)
    unlabelled = torch.full_like(labels, IGNORE)
    unlabelled[0, 0, 0] = 0
    assert loss_of(other, (image, unlabelled, said)) > alike
    assert loss_of(other, (image, labels, (-logits).softmax(1).expand(1, 2, 2, 2))) > alike


# --- windows


def striped() -> Taught:
    """Return a picture whose columns are two classes, which the teacher says too."""
    labels = np.zeros((48, 64), np.uint8)
    labels[:, 32:] = 1
    pixels = np.where(labels[..., None] == 1, 220, 30).repeat(3, 2).astype(np.uint8)
    cells = torch.from_numpy(labels[::4, ::4].astype(np.int64))
    return Taught(pixels, labels, F.one_hot(cells, 2).permute(2, 0, 1).half())


def test_pixels_labels_and_what_the_teacher_says_are_of_one_window() -> None:
    view, shifted = View((32, 32), (0.7, 1.4)), set()
    for seed in range(12):
        image, labels, said = window_of(striped(), view, np.random.default_rng(seed))

        assert (image.shape, labels.shape, said.shape) == ((3, 32, 32), (8, 8), (2, 8, 8))
        bright = F.avg_pool2d(image[None], 4)[0].mean(0)
        sure = (said.max(0).values > 0.99) & ~torch.isclose(said[0], said[1])
        assert torch.equal(said.argmax(0)[sure], labels[sure])
        one = bright[sure & (labels == 1)]
        other = bright[sure & (labels == 0)]
        if len(one) and len(other):
            assert one.mean() > other.mean() + 0.5
        shifted.add(int(labels.sum()))
    assert len(shifted) > 4


@pytest.mark.parametrize("crop", [(32, 32), (48, 48)])
def test_labels_lie_where_the_teacher_sees_them(crop: tuple[int, int]) -> None:
    """Not half a cell above: on average over windows a border has one place."""
    labels = np.zeros((64, 64), np.uint8)
    labels[30:] = 1
    pixels = np.zeros((64, 64, 3), np.uint8)
    share = torch.from_numpy(labels).float().reshape(16, 4, 16, 4).mean((1, 3))
    picture = Taught(pixels, labels, torch.stack((1 - share, share)).half())

    rows = []
    for seed in range(200):
        _, numbers, said = window_of(picture, View(crop, (1.0, 1.6)), np.random.default_rng(seed))
        # Rows of cells below the border, of the labels and of the teacher.
        rows.append([float(numbers.float().mean(1).sum()), float(said[1].mean(1).sum())])

    ours, theirs = np.mean(rows, 0)
    assert abs(ours - theirs) < 0.1


def test_what_a_teacher_says_is_asked_once_and_labels_that_do_not_count_are_told(
    tmp_path: Path,
) -> None:
    Image.fromarray(np.full((10, 13, 3), 90, np.uint8)).save(tmp_path / "a.png")
    labels = np.array([[0, 1, 11, 200]] * 10, np.uint8).repeat(4, 1)[:, :13]
    Image.fromarray(labels).save(tmp_path / "l.png")
    teacher = Fixed(torch.tensor([1.0, 0.0]).view(1, 2, 1, 1))

    [one] = taught((Pair(tmp_path / "a.png", tmp_path / "l.png"),), teacher, 2)

    assert one.pixels.shape == (8, 12, 3)
    assert one.said.shape == (2, 2, 3)
    assert set(one.labels.flatten().tolist()) == {0, 1, IGNORE}
    assert torch.allclose(one.said[0].float(), torch.tensor(1.0).sigmoid(), atol=1e-3)


def test_batches_go_on_as_if_they_had_never_stopped() -> None:
    view, pictures = View((16, 16), (0.5, 1.0)), [striped()]
    first = ahead(pictures, view, 2, 0)
    batches = [next(first) for _ in range(3)]

    again = next(ahead(pictures, view, 2, 2))

    assert all(torch.equal(a, b) for a, b in zip(again, batches[2], strict=True))
    assert not torch.equal(again[0], batches[1][0])
