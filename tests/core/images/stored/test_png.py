"""PNG: what is written is what is read, at every depth and in every colour type."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.core.images.stored.files import EVERY, Array, numbers, png, read, same


@st.composite
def png_cases(draw: st.DrawFn) -> tuple[Array, int, int, bytes, bool]:
    kind, depths, channels = draw(
        st.sampled_from(
            [
                (0, (1, 2, 4, 8, 16), 1),
                (2, (8, 16), 3),
                (3, (1, 2, 4, 8), 1),
                (4, (8, 16), 2),
                (6, (8, 16), 4),
            ]
        )
    )
    bits = draw(st.sampled_from(depths))
    array = numbers(draw, bits, channels, np.uint16 if bits == 16 else np.uint8)
    palette = draw(st.binary(min_size=3 << bits, max_size=3 << bits)) if kind == 3 else b""
    return array, bits, kind, palette, draw(st.booleans())


@EVERY
@given(png_cases())
def test_png(tmp_path: Path, case: tuple[Array, int, int, bytes, bool]) -> None:
    array, bits, kind, palette, interlaced = case

    found = read(png(array, bits, kind, palette, interlaced=interlaced), tmp_path)

    assert same(found.array, array)
    assert found.bits == bits
    assert (b"" if found.palette is None else found.palette.tobytes()) == palette


def test_filtered_png_of_16_bits_equals_what_was_written(tmp_path: Path) -> None:
    """Written with every filter: libpng, by imagecodecs, chooses one per row."""
    imagecodecs = pytest.importorskip("imagecodecs")
    ramp = np.arange(40 * 30 * 3, dtype=np.uint16).reshape(40, 30, 3) * 17

    assert same(read(imagecodecs.png_encode(ramp), tmp_path).array, ramp)
