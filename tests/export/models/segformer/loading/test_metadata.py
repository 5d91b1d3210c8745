"""What a checkpoint says about its classes and its input.

Tests models/segformer/loading/class_names.py and models/_common/class_names.py too.
"""

from typing import Any

import pytest

from segpp.export.models.loading import load_checkpoint
from segpp.images.palette import default_palette
from tests.helpers.checkpoints import Write, theirs, told

MMSEG_1 = {"dataset_meta": {"classes": ("a", "b", "c"), "palette": [[1, 2, 3], [4, 5, 6], [7] * 3]}}
MMSEG_0 = {"CLASSES": ["a", "b", "c"], "PALETTE": [[1, 2, 3], [4, 5, 6], [7, 7, 7]]}


@pytest.mark.parametrize("meta", [MMSEG_0, MMSEG_1])
def test_both_generations_of_mmsegmentation_tell_names_and_colours(
    meta: dict[str, Any], write: Write
) -> None:
    classes = load_checkpoint(write({"state_dict": theirs(), "meta": meta})).classes

    assert classes
    assert classes.names == ("a", "b", "c")
    assert classes.palette == ((1, 2, 3), (4, 5, 6), (7, 7, 7))


def test_names_without_colours_get_default_colours(write: Write) -> None:
    meta = {"CLASSES": ("a", "b", "c"), "PALETTE": None}

    classes = load_checkpoint(write({"state_dict": theirs(), "meta": meta})).classes

    assert classes
    assert classes.palette == default_palette(3)


@pytest.mark.parametrize(
    "meta",
    [
        {"CLASSES": ("a", "b")},
        {"CLASSES": "abc"},
        {"PALETTE": [[1, 2, 3], [4, 5, 6], [7, 8, 900]]},
        {"PALETTE": [[1, 2], [4, 5], [7, 8]]},
    ],
)
def test_names_and_colours_that_do_not_fit_are_noted_and_not_used(
    meta: dict[str, Any], write: Write
) -> None:
    checkpoint = load_checkpoint(write({"state_dict": theirs(), "meta": meta}))

    assert checkpoint.classes is None
    [note] = told(checkpoint)
    assert "do not fit its 3 classes: not used" in note


def test_the_training_configuration_tells_size_and_normalisation(write: Write) -> None:
    text = (
        "crop_size = (512, 1024)\n"
        "img_norm_cfg = dict(mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375])\n"
        "train_pipeline = [dict(type='RandomCrop', crop_size=(512, 1024))]"
    )

    checkpoint = load_checkpoint(write({"state_dict": theirs(), "meta": {"config": text}}))

    assert checkpoint.size == (512, 1024)
    assert checkpoint.mean == (123.675, 116.28, 103.53)
    assert checkpoint.std == (58.395, 57.12, 57.375)


def test_one_channel_tells_the_background_from_what_is_named(write: Write) -> None:
    meta = {"CLASSES": ("road",), "PALETTE": [[1, 2, 3]]}

    classes = load_checkpoint(write({"state_dict": theirs(classes=1), "meta": meta})).classes

    assert classes
    assert classes.names == ("background", "road")
    assert classes.palette == ((0, 0, 0), (1, 2, 3))
