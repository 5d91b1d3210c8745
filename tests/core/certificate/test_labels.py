"""What the reference says of a picture: the runtime's own labels, and where it cannot tell."""

from dataclasses import replace

import numpy as np
import pytest

from segpp.certificate.labels import expected_labels, mask_output
from segpp.images.fit import FITS
from segpp.images.postprocess import labels_from
from segpp.manifest import InputSpec, OutputSpec

SPEC = InputSpec("image", (1, 3, 32, 64), "float32", "NCHW", "RGB", (0.0,) * 3, (1.0,) * 3)
LOGITS = OutputSpec("logits", "logits", (1, 5, 8, 16), "float32")
LABELS = OutputSpec("labels", "labels", (1, 32, 64), "int8")


def drawn(classes: int = 5) -> np.ndarray:
    return np.random.default_rng(0).normal(size=(1, classes, 8, 16)).astype(np.float32)


@pytest.mark.parametrize("fit", FITS)
@pytest.mark.parametrize("size", [(32, 64), (31, 17), (9, 50), (128, 200)])
def test_labels_are_those_of_the_runtime(fit: str, size: tuple[int, int]) -> None:
    spec = replace(SPEC, fit=fit)  # type: ignore[arg-type]  # a case

    found = expected_labels(drawn(), LOGITS, spec, size=size, classes=5, margin=0.0)

    [labels] = labels_from(drawn(), LOGITS, [size], 5, spec)
    assert np.array_equal(found.labels, labels)
    assert not found.ties.any()


@pytest.mark.parametrize("output", [LOGITS, LABELS])
def test_a_pixel_whose_two_best_are_closer_than_the_margin_is_a_tie(output: OutputSpec) -> None:
    logits = np.zeros((1, 3, 8, 16), np.float32)
    # Left the classes 0 and 2 are 0.5 apart, right 2 and 1 are 0.05.
    logits[:, 0, :, :8], logits[:, 2, :, :8] = 2.0, 1.5
    logits[:, 2, :, 8:], logits[:, 1, :, 8:] = 2.0, 1.95

    found = expected_labels(logits, output, SPEC, size=(32, 64), classes=3, margin=0.1)

    # Between the halves, at a quarter of the size, both are mixed for two pixels on either side.
    assert not found.ties[:, :30].any()
    assert found.ties[:, 34:].all()


def test_one_channel_is_a_tie_around_zero() -> None:
    logits = np.full((1, 1, 8, 16), 0.01, np.float32)
    logits[..., 8:] = -3

    found = expected_labels(
        logits, replace(LOGITS, shape=(1, 1, 8, 16)), SPEC, size=(32, 64), classes=2, margin=0.1
    )

    assert found.ties[:, :28].all()
    assert not found.ties[:, 36:].any()
    assert found.labels[0, 0] == 1


def test_equal_logits_go_to_the_lower_class_and_are_ties_under_any_margin() -> None:
    logits = np.zeros((1, 4, 8, 16), np.float32)

    found = expected_labels(logits, LOGITS, SPEC, size=(32, 64), classes=4, margin=1e-6)

    assert not found.labels.any()
    assert found.ties.all()


def test_masks_are_of_labels_where_a_file_gives_both() -> None:
    assert mask_output((LOGITS, LABELS)) is LABELS
    assert mask_output((LOGITS,)) is LOGITS
