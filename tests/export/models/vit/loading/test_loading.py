"""What stands in a checkpoint and beside it is taken; what does not fit is an error that names it.

Tests models/vit/loading/__init__.py, models/vit/loading/detect.py, models/vit/loading/validate.py,
models/vit/loading/settings.py, models/vit/loading/read_settings.py,
models/vit/loading/mm_settings.py, models/vit/loading/infer_architecture.py, models/vit/family.py,
models/vit/architecture.py, models/vit/loading/formats/*.py, models/_common/tensors.py,
models/_common/class_names.py and models/_common/mm_settings.py.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from segpp.errors import CheckpointError
from segpp.export.checkpoints.choices import ReadChoices
from segpp.export.models.base import Checkpoint
from segpp.export.models.loading import load_checkpoint
from segpp.export.models.vit.loading import ViTCheckpoint
from segpp.export.models.vit.loading.formats import FORMATS
from segpp.images.preprocess import IMAGENET_MEAN, IMAGENET_STD
from segpp.ops.grid import Size
from tests.export.models.vit.checkpoints import (
    mmsegmentation,
    save_mmsegmentation,
    save_segmenter,
    variant_of,
)
from tests.export.models.vit.dino.networks import joined, meta, meta_state
from tests.export.models.vit.dovit.dynamic import auxiliaries, dovit_state
from tests.export.models.vit.eomt.folders import eomt, eomt_dinov3, original_state
from tests.export.models.vit.references import mmsegmentation_state, reference, segmenter_state

State = dict[str, Tensor]

# Formats over encoders of one codebase, and those that one codebase trains: they share names.
ALIKE = [
    {"hf-eomt", "hf-eomt-dinov3", "eomt", "hf-dinov2", "hf-dinov3", "mmsegmentation-dinov2"},
    {"mmsegmentation-vit", "mmsegmentation-dinov2", "dovit"},
]
# One that another was made of, with its ends.
MM = {"dovit", "mmsegmentation-vit"}


def saved(path: Path, state: State) -> Path:
    torch.save({"model": state}, path / "other.pth")
    return path / "other.pth"


def changed(tmp_path: Path, change: Callable[[State], object]) -> Path:
    state = segmenter_state(reference(size=(64, 64)))
    change(state)
    return saved(tmp_path, state)


def numerics(checkpoint: Checkpoint) -> dict[str, object]:
    assert isinstance(checkpoint, ViTCheckpoint)
    return checkpoint.numeric_settings


def test_a_segmenter_is_told_by_its_names_and_what_lies_beside_it(tmp_path: Path) -> None:
    checkpoint = load_checkpoint(save_segmenter(tmp_path, reference(size=(96, 96))))

    shape = checkpoint.architecture
    assert (checkpoint.format, shape.dims, shape.depths, shape.heads) == (
        "segmenter", (128, 128), (1, 1), (2, 2),
    )  # fmt: skip
    assert (shape.head, shape.decoder, shape.classes) == ("mask-transformer", 128, 5)
    assert shape.vit is not None
    assert (shape.vit.patch, shape.vit.prefix, shape.vit.hidden, shape.vit.head_blocks) == (
        16, 1, 512, 2,
    )  # fmt: skip
    assert shape.attentions == 4
    assert (checkpoint.size, checkpoint.mean, checkpoint.std) == (
        Size(96, 96), (127.5,) * 3, (127.5,) * 3,
    )  # fmt: skip
    assert checkpoint.ignored == ("encoder.head.weight", "encoder.head.bias")
    assert {key: checkpoint.origins[key] for key in ("heads", "mean", "size")} == dict.fromkeys(
        ("heads", "mean", "size"), "config"
    )
    assert numerics(checkpoint) | {"norm_eps": 1e-5, "position_resize": "bilinear"} == numerics(
        checkpoint
    )


def test_a_distilled_encoder_takes_two_tokens_and_pictures_as_deit(tmp_path: Path) -> None:
    checkpoint = load_checkpoint(save_segmenter(tmp_path, reference(distilled=True)))

    assert checkpoint.architecture.vit is not None
    assert checkpoint.architecture.vit.prefix == 2
    assert (checkpoint.mean, checkpoint.std) == (IMAGENET_MEAN, IMAGENET_STD)
    assert "encoder.head_dist.weight" in checkpoint.ignored


@pytest.mark.parametrize("distilled", [False, True])
def test_without_a_variant_normalisation_and_heads_are_assumed_and_told(
    tmp_path: Path, *, distilled: bool
) -> None:
    network = reference(distilled=distilled, size=(64, 64))
    checkpoint = load_checkpoint(save_segmenter(tmp_path, network, {}))

    assert checkpoint.mean == (IMAGENET_MEAN if distilled else (127.5,) * 3)
    assert {checkpoint.origins[key] for key in ("heads", "mean", "std")} == {"assumed"}
    assert "attention heads of 64 channels are assumed: --heads 2" in checkpoint.notes
    assert any(note.startswith("variant.yml is not beside") for note in checkpoint.notes)
    assert checkpoint.size is None


def test_labels_of_ade20k_start_at_one(tmp_path: Path) -> None:
    network = reference()
    variant = {**variant_of(network), "dataset_kwargs": {"dataset": "ade20k"}}

    assert load_checkpoint(save_segmenter(tmp_path, network, variant)).reduce_labels


def test_what_the_caller_says_of_heads_and_colours_counts(tmp_path: Path) -> None:
    path = save_segmenter(tmp_path, reference())

    checkpoint = load_checkpoint(path, choices=ReadChoices(heads=(4,), colors="bgr"))

    plain = load_checkpoint(path)
    assert checkpoint.architecture.heads == (4, 4)
    first = "patch_embed.conv.weight"
    assert torch.equal(checkpoint.state[first], plain.state[first].flip(1))


def test_settings_of_mmsegmentation_count(tmp_path: Path) -> None:
    network = mmsegmentation()
    path = save_mmsegmentation(
        tmp_path / "mm.pth", network, backbone="interpolate_mode='bilinear', ", **{"1e-6": "1e-4"}
    )

    checkpoint = load_checkpoint(path)

    assert checkpoint.format == "mmsegmentation-vit"
    assert numerics(checkpoint)["norm_eps"] == 1e-4
    assert numerics(checkpoint)["position_resize"] == "bilinear"
    assert (checkpoint.mean, checkpoint.size, checkpoint.colors) == (
        (127.5,) * 3, Size(64, 96), "rgb",
    )  # fmt: skip
    assert checkpoint.classes is not None
    assert checkpoint.classes.names == ("c0", "c1", "c2", "c3", "c4")


def test_setr_has_a_norm_in_its_head_and_need_have_none_before(tmp_path: Path) -> None:
    network = mmsegmentation(head="setr", size=(64, 64))
    state = mmsegmentation_state(network)
    bare = {name: t for name, t in state.items() if not name.startswith("backbone.ln1")}

    loaded = [load_checkpoint(saved(tmp_path, one)) for one in (state, bare)]

    assert [one.architecture.head for one in loaded] == ["setr-naive", "setr-naive"]
    assert ["norm.weight" in one.state for one in loaded] == [True, False]
    assert numerics(loaded[0])["head_norm_eps"] == 1e-6
    assert loaded[1].build()(torch.zeros(1, 3, 64, 64)).shape == (1, 5, 16, 16)


MISTAKES: dict[str, tuple[Callable[[State], object], str]] = {
    "a missing tensor": (
        lambda s: s.pop("encoder.blocks.1.mlp.fc2.weight"),
        r"lacks 1 tensor of a plain ViT\n(.*\n)*.*missing: encoder\.blocks\.1\.mlp\.fc2\.weight",
    ),
    "a missing block": (
        lambda s: [s.pop(name) for name in list(s) if name.startswith("encoder.blocks.0.")],
        r"lacks 12 tensors of a plain ViT",
    ),
    "a tensor too many": (
        lambda s: s.update({"encoder.blocks.0.attn.bias_table": torch.ones(3)}),
        r"has 1 tensor that the network has no place for\n(.*\n)*.*attn\.bias_table",
    ),
    "another shape": (
        lambda s: s.update({"encoder.blocks.1.attn.proj.weight": torch.ones(3, 4)}),
        r"has 1 tensor of the wrong shape for vit-custom\n.*expected \(128, 128\), found \(3, 4\)",
    ),
    "a NaN": (
        lambda s: s["encoder.norm.weight"].fill_(float("nan")),
        r"has NaN or infinity in 1 tensor\n.*encoder\.norm\.weight",
    ),
    "whole numbers": (
        lambda s: s.update({"encoder.norm.bias": torch.ones(128, dtype=torch.int32)}),
        r"holds encoder\.norm\.bias as int32",
    ),
    "no head": (
        lambda s: [s.pop(name) for name in list(s) if name.startswith("decoder.")],
        r"holds a plain ViT without a decode head that segpp knows",
    ),
    "positions of no grid": (
        lambda s: s.update({"encoder.pos_embed": torch.ones(1, 24, 128)}),
        r"has positions of 23 patches, which are no square",
    ),
    "positions of another width": (
        lambda s: s.update({"encoder.pos_embed": torch.ones(1, 17, 64)}),
        r"encoder\.pos_embed: expected \(1, 1 \+ patches, 128\), found \(1, 17, 64\)",
    ),
    "no positions": (
        lambda s: s.pop("encoder.pos_embed"),
        r"lacks 1 tensor of a plain ViT\n(.*\n)*.*encoder\.pos_embed",
    ),
    "a token of another shape": (
        lambda s: s.update({"encoder.cls_token": torch.ones(128)}),
        r"encoder\.cls_token: expected \(1, 1, 128\), found \(128,\)",
    ),
    "patches that are no squares": (
        lambda s: s.update({"encoder.patch_embed.proj.weight": torch.ones(128, 3, 16, 8)}),
        r"has patches of 16x8 pixels, not squares",
    ),
    "thousands of blocks": (
        lambda s: s.update({"encoder.blocks.9999.norm1.weight": torch.ones(128)}),
        r"has 10000 blocks\n.*1 to 48",
    ),
}


@pytest.mark.parametrize("case", MISTAKES)
def test_what_is_wrong_is_named(tmp_path: Path, case: str) -> None:
    change, message = MISTAKES[case]

    with pytest.raises(CheckpointError, match=message):
        load_checkpoint(changed(tmp_path, change))


OTHERS: dict[str, tuple[dict[str, Any], str]] = {
    "d_model": ({"d_model": 192}, r"d_model: it says 192, and the weights have 128"),
    "n_layers": ({"n_layers": 12}, r"n_layers: it says 12, and the weights have 2"),
    "patch_size": ({"patch_size": 32}, r"patch_size: it says 32, and the weights have 16"),
    "n_cls": ({"n_cls": 150}, r"n_cls: it says 150, and the weights have 5"),
    "distilled": ({"distilled": True}, r"distilled: it says True, and the weights have False"),
    "decoder": (
        {"decoder": {"name": "linear"}},
        r"decoder: it says linear, and the weights have m",
    ),
    "decoder depth": (
        {"decoder": {"name": "mask_transformer", "n_layers": 3}},
        r"decoder\.n_layers: it says 3, and the weights have 2",
    ),
}


@pytest.mark.parametrize("case", OTHERS)
def test_a_variant_of_another_network_is_refused(tmp_path: Path, case: str) -> None:
    changes, message = OTHERS[case]
    network = reference()
    path = save_segmenter(tmp_path, network, variant_of(network, **changes))

    with pytest.raises(CheckpointError, match=rf"is of another network than .*\n  {message}"):
        load_checkpoint(path)


CHANGES = {
    "backbone": ("patch_norm=True", r"the backbone's patch_norm True\n  expected: False"),
    "with_cls_token": ("with_cls_token=False", r"the backbone's with_cls_token False"),
    "out_indices": ("out_indices=(0,)", r"has a head that does not read the last block"),
    "interpolate_mode": ("interpolate_mode='area'", r"gives interpolate_mode as 'area'"),
}


@pytest.mark.parametrize("case", CHANGES)
def test_a_changed_network_of_mmsegmentation_is_refused(tmp_path: Path, case: str) -> None:
    setting, message = CHANGES[case]
    path = save_mmsegmentation(tmp_path / "mm.pth", mmsegmentation(), backbone=f"{setting}, ")

    with pytest.raises(CheckpointError, match=message):
        load_checkpoint(path)


def test_a_progressive_head_is_refused_and_not_taken_for_the_naive_one(tmp_path: Path) -> None:
    path = save_mmsegmentation(
        tmp_path / "mm.pth", mmsegmentation(head="setr"), **{"up_scale=4": "up_scale=2"}
    )

    with pytest.raises(CheckpointError, match=r"the decode_head's up_scale 2\n  expected: 4"):
        load_checkpoint(path)


def test_a_progressive_head_upsamples_as_published(tmp_path: Path) -> None:
    network = mmsegmentation(head="pup", size=(64, 64))
    state = mmsegmentation_state(network)
    shorter = {name: t for name, t in state.items() if ".up_convs.3." not in name}

    plain = load_checkpoint(saved(tmp_path, state))

    assert plain.architecture.head == "setr-pup"
    assert plain.architecture.vit is not None
    assert plain.architecture.vit.upscalings == 4
    with pytest.raises(CheckpointError, match="has a SETR-PUP with 3 upsamplings, expected: 4"):
        load_checkpoint(saved(tmp_path, shorter))


@pytest.mark.parametrize(
    ("old", "new"),
    [("up_scale=2, ", ""), ("up_scale=2", "up_scale=4"), ("num_convs=4", "num_convs=2")],
)
def test_a_progressive_head_with_other_factors_is_refused(
    tmp_path: Path, old: str, new: str
) -> None:
    network = mmsegmentation(head="pup", size=(64, 64))
    path = save_mmsegmentation(tmp_path / "mm.pth", network, **{old: new})

    with pytest.raises(CheckpointError, match=r"decode_head's num_convs, up_scale .*\n.*: 4, 2"):
        load_checkpoint(path)


def test_blocks_that_the_settings_have_and_the_file_lacks_are_told(tmp_path: Path) -> None:
    deeper = {"num_layers=2, num_heads=2, norm": "num_layers=3, num_heads=2, norm"}
    path = save_mmsegmentation(tmp_path / "mm.pth", mmsegmentation(), **deeper)

    with pytest.raises(CheckpointError, match="has 2 blocks, and its configuration says 3"):
        load_checkpoint(path)


def test_heads_that_do_not_divide_the_width_are_refused(tmp_path: Path) -> None:
    path = save_segmenter(tmp_path, reference())

    with pytest.raises(CheckpointError, match="has 128 channels, no multiple of 3 heads"):
        load_checkpoint(path, choices=ReadChoices(heads=(3,)))


def test_a_format_can_be_named_and_must_have_some_names(tmp_path: Path) -> None:
    path = save_segmenter(tmp_path, reference())

    assert load_checkpoint(path, checkpoint_format="segmenter").format == "segmenter"
    with pytest.raises(CheckpointError, match="has none of the names of mmsegmentation-vit"):
        load_checkpoint(path, checkpoint_format="mmsegmentation-vit")


def test_every_format_knows_all_of_its_own_names() -> None:
    states = {
        "segmenter": segmenter_state(reference()),
        "mmsegmentation-vit": mmsegmentation_state(mmsegmentation()),
        "dovit": dovit_state(mmsegmentation(), auxiliaries(mmsegmentation())),
        "hf-eomt": eomt().state_dict(),
        "hf-eomt-dinov3": eomt_dinov3().state_dict(),
        "hf-dinov2": joined("registers").state_dict(),
        "hf-dinov3": joined("dinov3", patch_size=16).state_dict(),
        "mmsegmentation-dinov2": meta_state(meta("registers")),
        "eomt": original_state(eomt()),
    }

    assert set(states) == set(FORMATS)
    for name, state in states.items():
        counts = {other: fmt.count_known(state) for other, fmt in FORMATS.items()}
        assert counts.pop(name) == len(state)
        # Two codebases share no name; two networks of one may share many, and not all.
        alike = {other for formats in ALIKE if name in formats for other in formats}
        assert {other for other, count in counts.items() if count} <= alike
        assert max(counts.values()) < len(state)
        ends = {other for other, fmt in FORMATS.items() if fmt.has_both_ends(state)}
        assert ends == (MM if name in MM else {name})
