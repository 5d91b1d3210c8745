"""Frames as items: each with its time, damage when it is loaded."""

from collections.abc import Iterator

import numpy as np
import pytest

from segpp.errors import ImageError
from segpp.runtime.media.items import Frame, numbered

BLACK = np.zeros((2, 2, 3), np.uint8)


def test_a_frame_keeps_its_time_and_gets_a_number() -> None:
    first, second = numbered("a.mp4", [Frame(BLACK, 0.0), Frame(BLACK, 0.7)])

    assert (first.named.name, first.named.file, first.named.time) == ("frame-000001", "a.mp4", 0.0)
    assert second.named.time == 0.7
    assert second.load(1).shape == (2, 2, 1)


def test_damage_and_a_sudden_end_surface_when_they_are_loaded() -> None:
    def frames() -> Iterator[Frame | ImageError]:
        yield ImageError("a frame was lost")
        yield Frame(BLACK)
        raise ImageError("it breaks off")

    lost, whole, end = numbered("a.mp4", frames())

    with pytest.raises(ImageError, match="a frame was lost"):
        lost.load()
    assert whole.load() is BLACK
    with pytest.raises(ImageError, match="it breaks off"):
        end.load()
