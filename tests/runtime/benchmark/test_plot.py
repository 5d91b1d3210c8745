"""The report as a picture."""

from pathlib import Path

import pytest

from segpp.runtime.benchmark.plot import draw
from tests.helpers.reports.benchmark_reports import BENCH


def test_the_plot_is_a_png_with_ink_in_it(tmp_path: Path) -> None:
    image_module = pytest.importorskip("PIL.Image")
    pytest.importorskip("matplotlib", reason="matplotlib (segpp[plot]) draws")

    draw(BENCH, tmp_path / "times.part")

    with image_module.open(tmp_path / "times.part") as image:
        assert image.format == "PNG"
        colors = {color for _, color in image.convert("RGB").getcolors(1 << 24)}
    # The bars of the engine and of what comes after it.
    assert {(0x00, 0x72, 0xB2), (0xE6, 0x9F, 0x00)} <= colors
