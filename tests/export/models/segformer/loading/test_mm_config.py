"""What the configuration inside a checkpoint says is followed, or told.

Tests models/_common/colors.py and models/_common/mm_settings.py too.
"""

from dataclasses import replace
from typing import Any

import pytest
import torch

from segpp.errors import CheckpointError
from segpp.export.models.base import Checkpoint
from segpp.export.models.loading import load_checkpoint
from tests.helpers.checkpoints import MINIATURE, Write, lively, theirs
from tests.helpers.mmseg_reference import mmseg_logits

# Two orders of the same FP32 sums; see tests/export/models/segformer/test_reference_models.py.
RELATIVE = 1e-5

IMAGENET = "mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375]"
OTHER = "mean=[90.1, 95.2, 88.3], std=[40.0, 41.0, 42.0]"


STALE = f"""
img_norm_cfg = dict({IMAGENET}, to_rgb=True)
data_preprocessor = dict({OTHER}, bgr_to_rgb=True)
model = dict(data_preprocessor=data_preprocessor)
"""
RAW = f"""
img_norm_cfg = dict({IMAGENET})
model = dict(data_preprocessor=dict(type='SegDataPreProcessor', bgr_to_rgb=True))
"""
AUGMENTED = f"""
img_norm_cfg = dict({IMAGENET})
test_pipeline = [
    dict(type='MultiScaleFlipAug', transforms=[dict(type='Normalize', {OTHER})]),
]
"""
BGR = "mean=[1.0, 2.0, 3.0], std=[4.0, 5.0, 6.0]"


def read(write: Write, text: str, key: str = "cfg", state: Any = None, **meta: Any) -> Checkpoint:
    weights = lively(theirs()) if state is None else state
    return load_checkpoint(write({"state_dict": weights, "meta": {key: text, **meta}}))


def image() -> torch.Tensor:
    return torch.randn(1, 3, 64, 96, generator=torch.Generator().manual_seed(0))


def logits(checkpoint: Checkpoint) -> torch.Tensor:
    with torch.no_grad():
        computed: torch.Tensor = checkpoint.build()(image())
    return computed


def assert_close(computed: torch.Tensor, expected: torch.Tensor) -> None:
    assert (computed - expected).abs().max() <= RELATIVE * expected.abs().max()


@pytest.mark.parametrize("heads", [(1, 2, 5, 8), (2, 4, 10, 16), (1, 1, 2, 4)])
def test_the_heads_are_those_of_the_configuration(heads: tuple[int, ...], write: Write) -> None:
    state = lively(theirs(dims=(16, 32, 80, 128)))
    text = f"model = dict(backbone=dict(type='MixVisionTransformer', num_heads={list(heads)}))"

    checkpoint = read(write, text, state=state)

    assert checkpoint.architecture.heads == heads
    assert checkpoint.origins["heads"] == "config"
    assert_close(logits(checkpoint), mmseg_logits(state, image(), heads))


def test_aligned_corners_hold_inside_the_head_too(write: Write) -> None:
    state = lively(theirs())

    checkpoint = read(write, "model = dict(decode_head=dict(align_corners=True))", state=state)

    assert checkpoint.align_corners
    assert_close(logits(checkpoint), mmseg_logits(state, image(), align_corners=True))


@pytest.mark.parametrize(
    ("text", "mean", "says"),
    [
        (f"img_norm_cfg = dict({IMAGENET}, to_rgb=True)", (123.675, 116.28, 103.53), None),
        (f"data_preprocessor = dict({OTHER}, bgr_to_rgb=True)", (90.1, 95.2, 88.3), None),
        (
            STALE,
            (90.1, 95.2, 88.3),
            "mean and std are the data_preprocessor's; img_norm_cfg beside it has others",
        ),
        (
            AUGMENTED,
            (90.1, 95.2, 88.3),
            None,
        ),
        ("img_norm_cfg = dict(mean=[1.0], std=[1.0])", None, "do not fit 3 channels: not used"),
        (
            f"test_pipeline = [dict(type='mmcv.transforms.Normalize', {OTHER})]",
            (90.1, 95.2, 88.3),
            None,
        ),
        (f"img_norm_cfg = dict({IMAGENET})\nimg_norm_cfg['mean'] = [1, 2, 3]", None, "line 2 of"),
        (
            "img_norm_cfg = dict(mean=[0.485, 0.456, 0.406], std=[0.229, 0.224, 0.225])",
            (0.485, 0.456, 0.406),
            "are those of pixels from 0 to 1",
        ),
        (
            RAW,
            (0.0, 0.0, 0.0),
            "mean and std are the data_preprocessor's",
        ),
    ],
)  # fmt: skip
def test_mean_and_std_are_those_that_tests_use(
    text: str, mean: tuple[float, ...] | None, says: str | None, write: Write
) -> None:
    checkpoint = read(write, text)

    assert checkpoint.mean == mean
    assert checkpoint.origins.get("mean") == ("config" if mean else None)
    assert any(says in note for note in checkpoint.notes) if says else True


@pytest.mark.parametrize(
    ("key", "text"),
    [
        ("cfg", f"data_preprocessor = dict({BGR}, bgr_to_rgb=False)"),
        ("cfg", f"data_preprocessor = dict({BGR})"),
        ("config", f"img_norm_cfg = dict({BGR}, to_rgb=False)"),
    ],
)
def test_a_network_trained_on_bgr_takes_rgb(key: str, text: str, write: Write) -> None:
    state = lively(theirs())

    checkpoint = read(write, text, key, state)

    # What it was trained on: BGR pixels, normalised in that order.
    pixels = torch.randint(0, 256, (1, 3, 64, 96), generator=torch.Generator().manual_seed(1))
    mean, std = torch.tensor([1.0, 2.0, 3.0]), torch.tensor([4.0, 5.0, 6.0])
    expected = mmseg_logits(state, (pixels.flip(1) - mean[:, None, None]) / std[:, None, None] / 20)
    ours_mean, ours_std = torch.tensor(checkpoint.mean), torch.tensor(checkpoint.std)
    with torch.no_grad():
        computed = checkpoint.build()(
            (pixels - ours_mean[:, None, None]) / ours_std[:, None, None] / 20
        )
    assert_close(computed, expected)
    assert (checkpoint.mean, checkpoint.std) == ((3.0, 2.0, 1.0), (6.0, 5.0, 4.0))
    assert (checkpoint.colors, checkpoint.origins["colors"]) == ("bgr", "config")
    assert any("trained on BGR" in note for note in checkpoint.notes)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("backbone=dict(sr_ratios=[8, 4, 2, 2])", "backbone's sr_ratios"),
        ("backbone=dict(patch_sizes=[7, 3, 3, 5])", "backbone's patch_sizes"),
        ("backbone=dict(strides=(2, 2, 2, 2))", "backbone's strides"),
        ("backbone=dict(mlp_ratio=2)", "backbone's mlp_ratio"),
        ("backbone=dict(act_cfg=dict(type='ReLU'))", "backbone's act_cfg.type 'ReLU'"),
        ("decode_head=dict(interpolate_mode='nearest')", "decode_head's interpolate_mode"),
        ("decode_head=dict(threshold=0.3)", "decode_head's threshold 0.3"),
        ("backbone=dict(num_heads=[1, 2])", r"attention heads as \[1, 2\]"),
    ],
)
def test_another_network_is_refused(text: str, says: str, write: Write) -> None:
    with pytest.raises(CheckpointError, match=says):
        read(write, f"model = dict({text})")


def test_a_sliding_window_is_told(write: Write) -> None:
    [*_, note] = read(write, "model = dict(test_cfg=dict(mode='slide'))").notes

    assert "segpp-eval --protocol slide" in note


@pytest.mark.parametrize(
    ("text", "fit"),
    [
        ("test_pipeline = [dict(type='Resize', scale=(2048, 512), keep_ratio=True)]", "letterbox"),
        ("test_pipeline = [dict(type='Resize', scale=(512, 512), keep_ratio=False)]", "stretch"),
        ("test_pipeline = [dict(type='Resize', scale=(512, 512))]", "stretch"),
        (
            "data = dict(test=dict(pipeline=[dict(transforms=[dict(type='Resize')])]))",
            "letterbox",
        ),
        ("test_pipeline = [dict(type='PackSegInputs')]", None),
    ],
)
def test_the_fit_is_that_of_the_test_pipeline(text: str, fit: str | None, write: Write) -> None:
    checkpoint = read(write, text)

    assert checkpoint.fit == fit
    assert checkpoint.origins.get("fit") == ("config" if fit else None)


@pytest.mark.parametrize(
    ("text", "meta", "reduced"),
    [
        ("", {"dataset_meta": {"reduce_zero_label": True}}, True),
        ("", {"dataset_meta": {"reduce_zero_label": False}}, False),
        ("test_dataloader = dict(dataset=dict(type='X', reduce_zero_label=True))", {}, True),
        ("p = [dict(type='LoadAnnotations', reduce_zero_label=True)]", {}, True),
        ("data = dict(test=dict(type='ADE20KDataset'))", {}, True),
        ("data = dict(test=dict(type='ADE20KDataset', reduce_zero_label=False))", {}, False),
        ("data = dict(test=dict(type='CityscapesDataset'))", {}, False),
        ("data = dict(test=dict(type='mmseg.datasets.ADE20KDataset'))", {}, True),
    ],
)
def test_labels_that_count_from_one_are_known(
    text: str,
    meta: dict[str, Any],
    reduced: bool,  # noqa: FBT001 - a case
    write: Write,
) -> None:
    assert read(write, text, **meta).reduce_labels is reduced


@pytest.mark.parametrize("flag", ["bgr_to_rgb", "rgb_to_bgr"])
def test_both_names_turn_the_colors_round(flag: str, write: Write) -> None:
    checkpoint = read(write, f"data_preprocessor = dict({BGR}, {flag}=True)")

    assert (checkpoint.mean, checkpoint.colors) == ((1.0, 2.0, 3.0), "rgb")


def test_settings_that_are_kept_as_they_are_count_too(write: Write) -> None:
    kept: Any = {"model": {"backbone": {"num_heads": [1, 1, 1, 1]}}}

    assert read(write, kept).architecture.heads == (1, 1, 1, 1)


@pytest.mark.parametrize(
    ("head", "says"),
    [
        ("out_channels=1", "at a probability of 0.3, which is its default"),
        ("out_channels=1, threshold=0.5", None),
        ("out_channels=3", None),
    ],
)
def test_where_one_channel_is_cut_is_told(head: str, says: str | None, write: Write) -> None:
    state = lively(theirs(classes=1))

    checkpoint = read(write, f"model = dict(decode_head=dict({head}))", state=state)

    assert [note for note in checkpoint.notes if "probability" in note] == (
        [f"mmsegmentation cuts the one channel of this head {says}; masks here are cut at 0.5"]
        if says
        else []
    )


def test_a_block_that_is_missing_is_an_error(write: Write) -> None:
    with pytest.raises(CheckpointError, match=r"1,2,1,1 blocks in its stages, .* says 1,2,2,1"):
        read(write, "model = dict(backbone=dict(num_layers=[1, 2, 2, 1]))")


@pytest.mark.parametrize("crop", ["[[64, 64]]", "(dict(a=1), 2)", "[64]", "(0, 0)"])
def test_a_crop_that_is_no_size_is_passed_over(crop: str, write: Write) -> None:
    assert read(write, f"crop_size = {crop}").size is None


def test_a_broken_configuration_is_a_note(write: Write) -> None:
    checkpoint = read(write, "model = dict(")

    assert any("is not read: SyntaxError" in note for note in checkpoint.notes)
    assert replace(checkpoint.architecture) == MINIATURE
