"""The boards' peaks are those of their data sheets, and the page repeats them."""

import re
from pathlib import Path

import pytest

from segpp.errors import InputError
from segpp.inspection.board.boards import BOARDS, board_named

ROOT = Path(__file__).resolve().parents[4]

# NVIDIA's own figures: INT8 of the GPU with structured sparsity, twice the dense rate, in TOPS.
SPARSE_INT8 = {"orin-nano": 41, "orin-nano-super": 67, "orin-nx": 60, "agx-orin": 170}


@pytest.mark.parametrize("name", SPARSE_INT8)
def test_a_rate_is_half_of_what_the_data_sheet_says_of_sparse_int8(name: str) -> None:
    dense = 2 * BOARDS[name].rates["int8"] / 1e12

    assert dense == pytest.approx(SPARSE_INT8[name] / 2, rel=0.02)


def test_thors_halves_are_an_eighth_of_what_the_data_sheet_says_of_sparse_fp4() -> None:
    """FP4 is four times FP16, and sparsity doubles it: 2,070 TFLOPS."""
    assert 2 * BOARDS["thor"].rates["fp16"] / 1e12 == pytest.approx(2070 / 8, rel=0.01)


def test_cuda_cores_of_the_largest_orin_give_the_published_fp32_rate() -> None:
    assert 2 * BOARDS["agx-orin"].rates["cores"] / 1e12 == pytest.approx(5.3, rel=0.02)


def test_an_unknown_board_lists_those_that_are_known() -> None:
    with pytest.raises(InputError) as failure:
        board_named("nano")

    assert "unknown board 'nano'" in str(failure.value)
    assert all(name in str(failure.value) for name in BOARDS)


def test_the_page_has_the_numbers_of_every_board() -> None:
    page = (ROOT / "docs" / "jetson.md").read_text(encoding="utf-8")

    for name, board in BOARDS.items():
        [row] = re.findall(rf"^\| `{name}` \|.*$", page, re.MULTILINE)
        rates = board.rates
        assert f"| {board.title} |" in row
        assert f"| {2 * rates['fp16'] / 1e12:.1f} |" in row
        assert f"| {2 * rates['int8'] / 1e12:.1f} |" in row
        assert f"| {board.bandwidth / 1e9:g} |" in row
        assert f"| {board.memory / 1e9:g} |" in row
