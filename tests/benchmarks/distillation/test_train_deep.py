"""A network made deeper starts close to the old one, learns in all its blocks, and goes on."""

import subprocess
import sys
from pathlib import Path
from typing import cast

import numpy as np
import pytest
import torch
from PIL import Image

from benchmarks.distillation.deeper import b2_depths, deeper
from segpp.export.models.loading import load_checkpoint
from segpp.export.models.segformer.loading import SegFormerCheckpoint, state_dict_for
from tests.helpers.checkpoints import MINIATURE, lively, ours

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    path = tmp_path / "small.pth"
    torch.save(state_dict_for("mmsegmentation", lively(ours())), path)
    return path


def loaded(path: Path) -> SegFormerCheckpoint:
    return cast("SegFormerCheckpoint", load_checkpoint(path))


def test_the_one_that_was_trained_has_the_depths_of_a_b2_and_the_classes_of_camvid() -> None:
    checkpoint = loaded(ROOT / "benchmarks" / "distillation" / "b0_deep.pth")

    assert checkpoint.architecture.depths == b2_depths()
    assert checkpoint.classes is not None
    assert len(checkpoint.classes.names) == checkpoint.architecture.classes == 11


def test_of_the_same_depth_it_is_the_same_network(checkpoint: Path) -> None:
    image = torch.randn(1, 3, 64, 96)
    old, new = loaded(checkpoint).build(), deeper(loaded(checkpoint), MINIATURE.depths).eval()

    with torch.inference_mode():
        assert torch.equal(old(image), new(image))


def test_the_parts_of_a_block_add_up_to_what_it_added_and_all_of_them_learn(
    checkpoint: Path,
) -> None:
    depths = tuple(3 * depth for depth in MINIATURE.depths)
    old, new = loaded(checkpoint).build(), deeper(loaded(checkpoint), depths).eval()

    for stage, depth in enumerate(MINIATURE.depths):
        for block in range(depth):
            name = f"stages.{stage}.blocks.{{}}.ffn.fc2.weight"
            parts = [new.get_parameter(name.format(3 * block + part)) for part in range(3)]
            whole = old.get_parameter(name.format(block))
            torch.testing.assert_close(sum(parts, torch.zeros(())), whole)
    new(torch.randn(1, 3, 64, 96)).square().mean().backward()
    last = [(n, p) for n, p in new.named_parameters() if n.endswith("ffn.fc2.weight")]
    assert len(last) == sum(depths)
    assert all(p.grad is not None and p.grad.abs().max() > 0 for _, p in last)


def test_it_trains_in_two_starts_and_writes_what_the_export_reads(
    checkpoint: Path, tmp_path: Path
) -> None:
    draw = np.random.default_rng(0)
    for folder, high, shape in (("images", 256, (48, 64, 3)), ("labels", 3, (48, 64))):
        (tmp_path / "data" / folder).mkdir(parents=True)
        for number in range(2):
            pixels = draw.integers(0, high, shape, np.uint8)
            Image.fromarray(pixels).save(tmp_path / "data" / folder / f"{number}.png")
    out = tmp_path / "deep.pth"

    for minutes in (0.02, 0.04):
        done = subprocess.run(
            [
                *(sys.executable, "-m", "benchmarks.distillation.train_deep", "--batch", "2"),
                *("--checkpoint", checkpoint, "--data", tmp_path / "data", "--out", out),
                *("--minutes", str(minutes), "--threads", "1"),
            ],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr

    assert loaded(out).architecture.depths == b2_depths()
    kept = torch.load(f"{out}.resume", weights_only=True)  # noqa: TID251 - written above
    assert kept["seconds"] >= 60 * 0.04
