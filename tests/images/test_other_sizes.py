"""Labels of another size than their picture are looked at where the picture lies.

Tests images/fit.py and images/postprocess.py.
"""

import math
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from segpp.images.fit import Fit
from segpp.images.postprocess import labels_from
from segpp.manifest import InputSpec, OutputSpec

SPEC = InputSpec(
    name="image",
    shape=(1, 3, 64, 128),
    dtype="float32",
    layout="NCHW",
    colours="RGB",
    mean=(0.0, 0.0, 0.0),
    std=(1.0, 1.0, 1.0),
)


def rounded(value: Fraction) -> int:
    return math.floor(value + Fraction(1, 2))


@pytest.mark.parametrize("fit", ["letterbox", "crop"])
@pytest.mark.parametrize(
    ("picture", "size"),
    [
        ((101, 199), (51, 100)),
        ((199, 101), (100, 51)),
        ((33, 47), (17, 24)),
        ((37, 1000), (4, 100)),
    ],
)
def test_labels_of_another_size_are_sampled_where_the_picture_lies(
    picture: tuple[int, int], size: tuple[int, int], fit: Fit
) -> None:
    spec = replace(SPEC, fit=fit)
    numbers = np.arange(64 * 128).reshape(1, 64, 128)
    output = OutputSpec("labels", "labels", numbers.shape, "int64")

    [mask] = labels_from(numbers, output, [size], 64 * 128, spec, pictures=[picture])

    # The picture's own scale and corner; the labels only look at more or fewer of its points.
    scale = (min if fit == "letterbox" else max)(
        Fraction(64, picture[0]), Fraction(128, picture[1])
    )
    places = []
    for side, count, whole in zip(picture, size, (64, 128), strict=True):
        content = max(1, rounded(side * scale))
        start = 0 if fit == "letterbox" else (whole - content) // 2
        places.append([Fraction(2 * i + 1, 2 * count) * content + start for i in range(count)])
    expected = [
        [
            math.floor(y) * 128 + math.floor(x) if 0 <= y < 64 and 0 <= x < 128 else -1
            for x in places[1]
        ]
        for y in places[0]
    ]
    assert (mask == np.array(expected)).all()
