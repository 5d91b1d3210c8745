"""PNM: what is written is what is read, plain and raw, of every maximum."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from segpp.errors import ImageError
from tests.core.images.stored.files import EVERY, SIDES, Array, packed, read, same


@st.composite
def pnm_cases(draw: st.DrawFn) -> tuple[Array, int, bytes]:
    kind = draw(st.sampled_from([b"P1", b"P2", b"P3", b"P4", b"P5", b"P6", b"P7"]))
    most = 1 if kind in {b"P1", b"P4"} else draw(st.integers(1, 65535))
    channels = {b"P3": 3, b"P6": 3, b"P7": draw(st.integers(1, 5))}.get(kind, 1)
    shape = (draw(SIDES), draw(SIDES), *([channels] if channels > 1 else []))
    dtype = np.uint8 if most < 256 else np.uint16
    array = draw(arrays.arrays(dtype, shape, elements=st.integers(0, most)))
    return array, most, _pnm(array, kind, most, channels, draw(st.booleans()))


def _pnm(array: Array, kind: bytes, most: int, channels: int, comment: bool) -> bytes:  # noqa: FBT001 - drawn
    height, width = array.shape[:2]
    note = b"# made by hand\n" if comment else b""
    if kind == b"P7":
        lines = f"WIDTH {width}\nHEIGHT {height}\nDEPTH {channels}\nMAXVAL {most}\nENDHDR\n"
        return (
            b"P7\n" + note + lines.encode() + array.astype(">u2" if most > 255 else "u1").tobytes()
        )
    bound = b"" if kind in {b"P1", b"P4"} else b" %d" % most
    head = kind + b"\n" + note + b"%d %d%s\n" % (width, height, bound)
    if kind in {b"P1", b"P2", b"P3"}:
        between = "" if kind == b"P1" and comment else " "
        return head + between.join(map(str, array.reshape(-1).tolist())).encode() + b"\n"
    if kind == b"P4":
        return head + b"".join(packed(array, 1))
    return head + array.astype(">u2" if most > 255 else "u1").tobytes()


@EVERY
@given(pnm_cases())
def test_pnm(tmp_path: Path, case: tuple[Array, int, bytes]) -> None:
    array, most, content = case

    found = read(content, tmp_path)

    assert same(found.array, array)
    assert found.white_is_zero == (content[:2] in {b"P1", b"P4"})
    assert found.white == (None if found.white_is_zero else most)
    with pytest.raises(ImageError, match=r"cut short|breaks off|does not end|is not an image"):
        read(content[: -max(1, len(content) // 4)].rstrip(b"0123456789 \n"), tmp_path)


def test_floats_of_pfm_begin_at_the_bottom(tmp_path: Path) -> None:
    array = np.arange(6, dtype=np.float32).reshape(2, 3)

    assert same(
        read(b"Pf\n3 2\n-1.0\n" + array[::-1].astype("<f4").tobytes(), tmp_path).array, array
    )
    assert same(
        read(b"Pf\n3 2\n1.0\n" + array[::-1].astype(">f4").tobytes(), tmp_path).array, array
    )


def test_raw_pictures_behind_each_other_are_pages(tmp_path: Path) -> None:
    content = b"P5 2 1 255\n\1\2P5 1 2 9\n\3\4"

    assert read(content, tmp_path, 1).array.tolist() == [[3], [4]]
    assert read(content, tmp_path, 0).pages == 2
