"""The pictures of docs/looking.md: there, small, and made by the script that the page names."""

import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from examples.demo.looks import KINDS, shrink

ROOT = Path(__file__).resolve().parents[3]
PAGE = (ROOT / "docs" / "looking.md").read_text(encoding="utf-8")
MOST_BYTES = 150_000


def test_the_page_shows_a_picture_of_every_look_that_the_script_draws() -> None:
    drawn = {f"look_{kind.replace('-', '_')}.jpg" for kind in KINDS}

    shown = set(re.findall(r"images/(look_\w+\.\w+)", PAGE))

    assert shown == drawn | {"look_confusion.png", "look_iou.png"}
    assert "python -m examples.demo.looks docs/images" in PAGE


@pytest.mark.parametrize("name", sorted(set(re.findall(r"images/look_\w+\.\w+", PAGE))))
def test_a_picture_of_the_page_is_small(name: str) -> None:
    assert (ROOT / "docs" / name).stat().st_size <= MOST_BYTES


@pytest.mark.parametrize("suffix", [".jpg", ".png"])
def test_a_picture_is_made_no_wider_than_a_page(tmp_path: Path, suffix: str) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (600, 2400, 3), np.uint8)
    Image.fromarray(noise).save(tmp_path / "large.png")

    shrink(tmp_path / "large.png", tmp_path / f"small{suffix}")

    with Image.open(tmp_path / f"small{suffix}") as image:
        assert image.size == (1200, 300)
