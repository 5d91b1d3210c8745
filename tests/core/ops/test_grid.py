"""Rectangles of tokens, and sizes as people type them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from segpp.errors import InputError
from segpp.ops.grid import Grid, Size, parse_size


def test_a_grid_counts_its_tokens_and_reads_height_first() -> None:
    grid = Grid(33, 47)

    assert grid.tokens == 1551
    assert str(grid) == "33x47"


@given(height=st.integers(1, 999_999), width=st.integers(1, 999_999))
def test_what_a_size_prints_is_read_back(height: int, width: int) -> None:
    assert parse_size(str(Size(height, width))) == Size(height, width)


@pytest.mark.parametrize("text", ["512x1024", "512X1024", " 512x1024\n", "0512x1024"])
def test_a_size_is_height_by_width(text: str) -> None:
    size = parse_size(text)

    assert (size.height, size.width) == (512, 1024)


@pytest.mark.parametrize(
    "text",
    [
        *("", "x", "512", "512x", "x1024", "512x1024x3", "512*1024", "-512x1024", "5e2x1024"),
        *(
            "512.0x1024",
            "1000000x1",
            "512 x 1024",
            "\u096b\u0967\u0968x1024",
            "0x200x200",
            "512x1024\0",
        ),
    ],
)
def test_what_is_no_size_is_told_with_an_example(text: str) -> None:
    with pytest.raises(InputError, match="is not a size\n  hint: write height x width, like 512x"):
        parse_size(text)


@pytest.mark.parametrize("text", ["0x0", "0x512", "512x0", "000x512"])
def test_a_size_without_pixels_is_refused(text: str) -> None:
    with pytest.raises(InputError, match=r"size \d+x\d+ has no pixels"):
        parse_size(text)


def test_a_text_of_a_megabyte_does_not_fill_the_screen() -> None:
    with pytest.raises(InputError) as failure:
        parse_size("9" * (1 << 20))

    assert len(str(failure.value)) < 200
