"""GIF: the numbers of every frame, as they are seen."""

import struct
from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from tests.core.images.stored.files import EVERY, SIDES, lzw, read, same


@EVERY
@given(st.data(), st.lists(st.booleans(), min_size=1, max_size=4))
def test_gif(tmp_path: Path, data: Any, partly: list[bool]) -> None:
    """Frames of one palette, some with a hole through which the ones before are seen."""
    colors = np.random.default_rng(0).permutation(256 * 3)[: 256 * 3].astype(np.uint8).tobytes()
    height, width = data.draw(SIDES), data.draw(SIDES)
    frames = data.draw(arrays.arrays(np.uint8, (len(partly), height, width)))
    content, seen, canvas = (
        b"GIF89a" + struct.pack("<HHBBB", width, height, 0xF7, 0, 0) + colors,
        [],
        None,
    )
    for frame, hole in zip(frames, partly, strict=True):
        control = bytes((0x21, 0xF9, 4, 4 | hole, 0, 0, 77, 0))
        content += control + b"," + struct.pack("<HHHHB", 0, 0, width, height, 0) + lzw(frame)
        canvas = frame if canvas is None or not hole else np.where(frame == 77, canvas, frame)
        seen.append(canvas)

    for number, canvas in enumerate(seen):
        found = read(content + b";", tmp_path, number)

        assert same(found.array, canvas)
        assert found.palette is not None
        assert found.palette.tobytes() == colors
        assert found.pages == len(seen)
