"""How sure: the softmax of the best class, and its picture."""

import numpy as np
import pytest

from segpp.images.drawing.confidence import confidence_of, draw_confidence
from segpp.images.fit import Fit
from segpp.manifest import InputSpec

torch = pytest.importorskip("torch", reason="torch computes what is expected")


def random_logits(classes: int, height: int, width: int) -> np.ndarray:
    drawn = torch.randn(classes, height, width, generator=torch.Generator().manual_seed(0))
    found: np.ndarray = (5 * drawn).numpy()
    return found


@pytest.mark.parametrize("align_corners", [False, True])
@pytest.mark.parametrize("size", [(5, 7), (10, 14), (37, 53)])
def test_it_is_torchs_softmax_resized_bilinearly(
    size: tuple[int, int], *, align_corners: bool
) -> None:
    logits = random_logits(4, 5, 7)

    found = confidence_of(logits, size, align_corners=align_corners)

    best = torch.from_numpy(logits).softmax(0).amax(0)[None, None]
    expected = torch.nn.functional.interpolate(
        best, size, mode="bilinear", align_corners=align_corners
    )[0, 0]
    # Pillow's weights are float64 and its sums float32: a few units in the last place of 1.
    assert np.abs(found - expected.numpy()).max() < 8 * 2**-24 * 8


def test_one_channel_is_a_sigmoid_of_the_better_side() -> None:
    logits = np.array([[[-2.0, 0.0, 3.0]]])

    found = confidence_of(logits, (1, 3))

    expected = torch.sigmoid(torch.tensor([2.0, 0.0, 3.0])).numpy()
    assert found[0] == pytest.approx(expected, abs=1e-6)


def test_large_logits_do_not_overflow() -> None:
    assert confidence_of(np.array([[[1e4]], [[-1e4]]]), (2, 2)).tolist() == [[1, 1], [1, 1]]


def test_the_picture_is_brighter_where_it_is_surer_and_has_a_scale() -> None:
    ramp = np.tile(np.linspace(0, 1, 300, dtype=np.float32), (100, 1))

    drawn = draw_confidence(ramp)

    assert drawn.shape[1] == 300
    assert drawn.shape[0] > 100
    brightness = drawn[0].astype(int) @ [299, 587, 114]
    assert (np.diff(brightness[::10]) > 0).all()
    # The ends of the scale are the colours of nothing and of certainty.
    scale = {tuple(pixel) for pixel in drawn[100:].reshape(-1, 3).tolist()}
    assert {tuple(drawn[0, 0].tolist()), tuple(drawn[0, -1].tolist())} <= scale


@pytest.mark.parametrize("fit", ["letterbox", "crop"])
def test_it_lies_where_the_picture_lay_and_is_none_where_it_was_not_seen(fit: Fit) -> None:
    spec = InputSpec(
        "x", (1, 3, 64, 128), "float32", "NCHW", "RGB", (0.0,) * 3, (1.0,) * 3, fit=fit
    )
    # Sure of the left half of the picture, unsure of the right; a letterbox has it at the left.
    logits = np.zeros((2, 8, 16), np.float32)
    logits[1, :, : 4 if fit == "letterbox" else 8] = 50

    found = confidence_of(logits, (40, 40), spec=spec)

    assert found[20, 1] == pytest.approx(1.0)
    assert found[20, 38] == pytest.approx(0.5)
    # A crop of a square to twice its height in width cuts a quarter above and below.
    assert np.isnan(found[1]).any() == (fit == "crop")
    assert (found[12:28] > 0).all()
    gray = draw_confidence(found)[1]
    assert (gray == 128).all() == (fit == "crop")
