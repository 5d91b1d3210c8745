"""Sizes that a SegFormer takes, and what is said about the others."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from segpp.errors import InputError
from segpp.export.models.segformer.input_size import DEFAULT_SIZE, MAX_PIXELS, check_size
from segpp.ops.grid import Size, parse_size


@given(st.integers(32, 8192), st.integers(32, 8192))
def test_every_size_from_32_pixels_on_passes(height: int, width: int) -> None:
    check_size(Size(height, width))


@pytest.mark.parametrize("size", [DEFAULT_SIZE, Size(32, 32), Size(8192, 8192), Size(1080, 1920)])
def test_published_and_extreme_sizes_pass(size: Size) -> None:
    check_size(size)


@pytest.mark.parametrize(
    ("size", "nearest"),
    [(Size(1, 1), "32x32"), (Size(31, 65), "32x65"), (Size(720, 20), "720x32")],
    ids=str,
)
def test_a_smaller_size_is_refused_with_the_nearest_that_works(size: Size, nearest: str) -> None:
    with pytest.raises(InputError) as failure:
        check_size(size)

    assert str(failure.value) == (
        f"the size {size} is below 32 pixels in a side\n"
        f"  hint: the nearest that works: `size={nearest}`"
    )


@given(st.integers(1, 8192), st.integers(1, 8192))
def test_what_is_proposed_works(height: int, width: int) -> None:
    try:
        check_size(Size(height, width))
    except InputError as failure:
        check_size(parse_size(str(failure).rpartition("`size=")[2].rstrip("`")))


@pytest.mark.parametrize("size", [Size(8192, 8224), Size(999_968, 999_968)], ids=str)
def test_a_size_that_no_memory_holds_is_refused(size: Size) -> None:
    with pytest.raises(InputError, match=f"{size} has more than {MAX_PIXELS:,} pixels"):
        check_size(size)
