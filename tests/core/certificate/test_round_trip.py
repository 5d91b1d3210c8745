"""Drawn masks through every fit and back: equal in every pixel, and a shift would show."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from segpp.certificate import round_trip
from segpp.certificate.round_trip import round_trips
from segpp.images.fit import FITS, place
from segpp.manifest import InputSpec

SPEC = InputSpec("image", (1, 3, 64, 96), "float32", "NCHW", "RGB", (127.5,) * 3, (64.0,) * 3)


@pytest.mark.parametrize("resize", ["pillow-bilinear", "pillow-bicubic", "pillow-nearest"])
@pytest.mark.parametrize("size", [(32, 32), (33, 47), (40, 1000), (352, 480), (512, 1024)])
def test_every_pixel_comes_back_at_every_size(size: tuple[int, int], resize: str) -> None:
    spec = replace(SPEC, shape=(1, 3, *size), resize=resize)  # type: ignore[arg-type]  # a case

    trips = round_trips(spec)

    assert {trip.fit for trip in trips} == set(FITS)
    assert [trip for trip in trips if trip.different] == []


def test_no_picture_has_the_inputs_aspect_alone_so_that_fits_pad_and_cut() -> None:
    for trip in round_trips(SPEC):
        placed = place(trip.size, replace(SPEC, fit=trip.fit))

        if trip.fit == "crop" and trip.size[0] != SPEC.height // 2 - 1:
            assert placed.is_cut
    shares = [
        place(t.size, replace(SPEC, fit="letterbox")).share_padding for t in round_trips(SPEC)
    ]
    assert max(shares) > 0.5


@pytest.mark.parametrize("layout", ["NCHW", "NHWC"])
@pytest.mark.parametrize("dtype", ["float32", "float16", "uint8"])
def test_it_does_not_depend_on_how_the_network_takes_its_pixels(dtype: str, layout: str) -> None:
    shape = (2, 3, 64, 96) if layout == "NCHW" else (2, 64, 96, 3)
    spec = replace(SPEC, shape=shape, dtype=dtype, layout=layout)  # type: ignore[arg-type]  # a case

    assert not any(trip.different for trip in round_trips(spec))


@pytest.mark.parametrize("fit", FITS)
def test_half_a_pixel_of_shift_shows(fit: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Break the way back: labels are looked up half an input pixel of a small picture away."""
    right = round_trip.labels_from

    def shifted(raw: np.ndarray, *given: Any) -> Any:
        # Half of a picture's pixel, since the picture is half as large as the input.
        return right(np.roll(raw, 1, axis=-1), *given)

    monkeypatch.setattr(round_trip, "labels_from", shifted)

    assert any(trip.different for trip in round_trips(SPEC) if trip.fit == fit)
