"""Fixtures of the export's tests: files to write, and a network that is traced in no time."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from segpp.export.models.segformer.loading import state_dict_for
from segpp.export.models.segformer.loading.formats import FORMATS
from segpp.export.models.segformer.model import SegFormer
from tests.helpers.checkpoints import MINIATURE, Write


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def save(content: object) -> Path:
        torch.save(content, tmp_path / "x.pth")
        return tmp_path / "x.pth"

    return save


@pytest.fixture(scope="session")
def tiny_checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SegFormer of 19 classes, five blocks and few channels, as mmsegmentation saves it."""
    path = tmp_path_factory.mktemp("checkpoint") / "tiny.pth"
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = SegFormer(replace(MINIATURE, classes=19), FORMATS["mmsegmentation"].numerics)
    torch.save(state_dict_for("mmsegmentation", model.state_dict()), path)
    return path
