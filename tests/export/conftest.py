"""What the tests of the export write."""

from pathlib import Path

import pytest
import torch

from tests.helpers.checkpoints import Write


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def save(content: object) -> Path:
        torch.save(content, tmp_path / "x.pth")
        return tmp_path / "x.pth"

    return save
