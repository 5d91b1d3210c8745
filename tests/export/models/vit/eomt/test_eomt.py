"""An EoMT computes as transformers does, to the labels; what is not computed is refused by name.

Tests models/vit/network/mask_classification.py, models/vit/network/choose_head.py,
models/vit/loading/eomt_config.py, models/vit/loading/formats/eomt.py,
models/vit/loading/settings.py and models/_common/hf_settings.py.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from segpp.errors import CheckpointError
from segpp.export.checkpoints.choices import ReadChoices
from segpp.export.models.base import Checkpoint, family_of
from segpp.export.models.loading import load_checkpoint
from segpp.export.models.vit.loading import ViTCheckpoint
from segpp.export.reduction.methods.bsm import BipartiteSoftMatching
from segpp.export.reduction.sites import Site
from segpp.images.preprocess import IMAGENET_MEAN, IMAGENET_STD
from segpp.ops.grid import Size
from tests.export.models.vit.eomt.folders import eomt, of_another_size, save_eomt, semantic

State = dict[str, Tensor]

SIZE = Size(64, 64)


def images(size: Size = SIZE) -> Tensor:
    return torch.randn(2, 3, *size, generator=torch.Generator().manual_seed(5))


def check_same(checkpoint: Checkpoint, x: Tensor, scores: Tensor, labels: Tensor) -> None:
    size = Size(*x.shape[2:])

    with torch.inference_mode():
        ready, resizing = checkpoint.at(size).build()(x), checkpoint.build()(x)

    # Both compute in FP32, in orders of their own.
    derived = family_of(checkpoint.architecture).tolerance(checkpoint.architecture, size)
    for logits in (ready, resizing):
        assert logits.shape == scores.shape
        assert float((logits - scores).abs().max() / scores.abs().max()) <= min(derived, 1e-4)
        assert torch.equal(logits.argmax(1), labels)
    assert labels.unique().numel() > 1


NETWORKS: dict[str, dict[str, Any]] = {
    "as released": {},
    "SwiGLU without registers": {"use_swiglu_ffn": True, "num_register_tokens": 0},
    "queries in every block": {"num_blocks": 3, "num_upscale_blocks": 1, "patch_size": 8},
    "patches of 14, masks of their size": {
        "patch_size": 14, "image_size": 56, "num_upscale_blocks": 0, "num_blocks": 1,
    },
    "another epsilon": {"layer_norm_eps": 1e-2, "num_register_tokens": 4},
}  # fmt: skip


@pytest.mark.parametrize("case", NETWORKS)
def test_its_labels_are_those_of_transformers(tmp_path: Path, case: str) -> None:
    network = eomt(**NETWORKS[case])
    side = network.config.image_size
    x = images(Size(side, side))

    checkpoint = load_checkpoint(save_eomt(tmp_path, network))

    assert (checkpoint.format, checkpoint.size) == ("hf-eomt", Size(side, side))
    check_same(checkpoint, x, *semantic(network, x))


@pytest.mark.parametrize("size", [Size(32, 96), Size(96, 80)], ids=str)
def test_at_another_size_positions_are_resized(tmp_path: Path, size: Size) -> None:
    network = eomt()
    x = images(size)

    checkpoint = load_checkpoint(save_eomt(tmp_path, network))

    check_same(checkpoint, x, *semantic(of_another_size(network, size), x))


def test_zeros_that_fill_the_last_patches_are_cut_off_again(tmp_path: Path) -> None:
    network = eomt()
    x = images(Size(50, 75))

    checkpoint = load_checkpoint(save_eomt(tmp_path, network))

    filled = F.pad(x, (0, 5, 0, 14))
    scores, labels = semantic(of_another_size(network, (64, 80)), filled)
    check_same(checkpoint, x, scores[:, :, :50, :75], labels[:, :50, :75])


def test_sums_on_the_masks_own_map_would_have_other_labels() -> None:
    """Why the head computes at full size: see ``MaskClassification``."""
    network, x = eomt(), images()
    with torch.inference_mode():
        found = network(x)
    classes = found.class_queries_logits.softmax(2)[:, :, :-1]
    sums = torch.einsum("bqk,bqhw->bkhw", classes, found.masks_queries_logits.sigmoid())

    resized = F.interpolate(sums, SIZE, mode="bilinear", align_corners=False)

    _, labels = semantic(network, x)
    assert 0.7 < float((resized.argmax(1) == labels).float().mean()) < 0.999


def test_swiglu_is_read_as_version_4_saves_it_too(tmp_path: Path) -> None:
    network = eomt(use_swiglu_ffn=True)

    def joined(state: State) -> None:
        for name in [name for name in state if ".gate_proj." in name]:
            gate, up = state.pop(name), state.pop(name.replace("gate_proj", "up_proj"))
            state[name.replace("gate_proj", "weights_in")] = torch.cat((gate, up))
            down = name.replace("gate_proj", "down_proj")
            state[down.replace("down_proj", "weights_out")] = state.pop(down)

    old, new = tmp_path / "old", tmp_path / "new"
    of_4 = load_checkpoint(save_eomt(old, network, state=joined))
    of_5 = load_checkpoint(save_eomt(new, network))

    assert of_4.architecture == of_5.architecture
    assert of_4.state.keys() == of_5.state.keys()
    assert all(torch.equal(of_4.state[name], of_5.state[name]) for name in of_4.state)


def test_merging_no_token_away_gives_the_same_masks(tmp_path: Path) -> None:
    checkpoint = load_checkpoint(save_eomt(tmp_path, eomt()))
    x = images()
    # In the first block without queries before the patches, in the others with them.
    sites = [Site(block, side) for block in (1, 2, 3) for side in ("q", "kv")]  # type: ignore[arg-type]
    nothing = dict.fromkeys([*sites, Site(3, "tokens")], BipartiteSoftMatching(0.0))

    plain = checkpoint.build()(x)
    merged = checkpoint.build().apply_reductions(nothing)(x)

    assert torch.allclose(merged, plain, atol=1e-5)


# --- what stands beside the weights


def test_a_folder_and_the_file_in_it_are_the_same(tmp_path: Path) -> None:
    folder = save_eomt(tmp_path, eomt())

    whole, inside = (load_checkpoint(path) for path in (folder, folder / "model.safetensors"))

    assert whole.sha256 == inside.sha256
    assert whole.architecture == inside.architecture
    assert whole.classes is not None
    assert whole.classes.names == ("road", "sky", "car", "tree", "person")
    shape = whole.architecture.vit
    assert shape is not None
    assert (shape.prefix, shape.queries, shape.query_blocks, shape.upscalings) == (3, 7, 2, 2)
    assert (whole.architecture.heads, whole.architecture.classes) == ((2, 2, 2), 5)
    assert whole.origins["heads"] == "config"
    assert set(whole.ignored) == {"attn_mask_probs", "criterion.empty_weight"}


def test_without_a_processor_nothing_is_told_of_pictures(tmp_path: Path) -> None:
    checkpoint = load_checkpoint(save_eomt(tmp_path, eomt()))

    assert (checkpoint.mean, checkpoint.std, checkpoint.fit, checkpoint.resize) == (None,) * 4
    assert not {"mean", "std", "fit", "resize", "colors"} & checkpoint.origins.keys()


PROCESSOR = {
    "image_processor_type": "EomtImageProcessor",
    "size": {"shortest_edge": 64, "longest_edge": 64},
    "resample": 2,
}


def test_a_processor_that_pads_has_black_beside_the_picture(tmp_path: Path) -> None:
    processor = {**PROCESSOR, "do_pad": True, "image_mean": [0.5] * 3}

    checkpoint = load_checkpoint(save_eomt(tmp_path, eomt(), processor=processor))

    assert (checkpoint.fit, checkpoint.padding) == ("letterbox", (0, 0, 0))
    assert (checkpoint.mean, checkpoint.std) == ((127.5,) * 3, IMAGENET_STD)
    assert (checkpoint.resize, checkpoint.colors) == ("pillow-bilinear", "rgb")
    assert not checkpoint.reduce_labels


def test_a_processor_that_splits_slides_and_labels_may_start_at_one(tmp_path: Path) -> None:
    size = {"shortest_edge": 64, "longest_edge": None}
    processor = {**PROCESSOR, "size": size, "do_split_image": True, "ignore_index": 255}

    checkpoint = load_checkpoint(save_eomt(tmp_path, eomt(), processor=processor))

    assert checkpoint.size == SIZE
    assert (checkpoint.fit, checkpoint.padding) == (None, None)
    assert (checkpoint.mean, checkpoint.std) == (IMAGENET_MEAN, IMAGENET_STD)
    assert checkpoint.reduce_labels
    assert any("sliding window" in note for note in checkpoint.notes)


def test_a_processor_of_a_fixed_size_stretches(tmp_path: Path) -> None:
    processor = {**PROCESSOR, "size": {"height": 64, "width": 64}}

    checkpoint = load_checkpoint(save_eomt(tmp_path, eomt(), processor=processor))

    assert (checkpoint.fit, checkpoint.padding, checkpoint.size) == ("stretch", None, SIZE)


def test_what_config_json_leaves_out_is_transformers_default(tmp_path: Path) -> None:
    network = eomt(num_register_tokens=4, num_upscale_blocks=2, layer_norm_eps=1e-6)
    absent = ("num_register_tokens", "num_upscale_blocks", "layer_norm_eps", "hidden_act")
    config = dict.fromkeys((*absent, "model_type", "id2label"))

    checkpoint = load_checkpoint(save_eomt(tmp_path, network, config=config))

    assert isinstance(checkpoint, ViTCheckpoint)
    assert checkpoint.numerics.norm_eps == 1e-6
    assert checkpoint.classes is None


def test_heads_that_the_caller_gives_count(tmp_path: Path) -> None:
    folder = save_eomt(tmp_path, eomt())

    checkpoint = load_checkpoint(folder, choices=ReadChoices(heads=(4,)))

    assert checkpoint.architecture.heads == (4, 4, 4)


# --- what is refused

CONFIGS: dict[str, tuple[dict[str, Any], str]] = {
    "another activation": ({"hidden_act": "relu"}, r"gives hidden_act as 'relu'\n  expected: gelu"),
    "another kind": ({"model_type": "segformer"}, r"gives model_type as 'segformer'"),
    "no known kind": ({"model_type": "eomt_next"}, r"holds the network 'eomt_next'"),
    "sides": ({"image_size": [64, 64]}, r"gives image_size as \[64, 64\]\n  .*a whole number"),
    "a size in a patch": ({"image_size": 70}, r"image_size as 70\n.*a multiple of the 16 pixels"),
    "no blocks": ({"num_blocks": 0}, r"gives num_blocks as 0\n  expected: a whole number from 1"),
    "more blocks": ({"num_blocks": 4}, r"gives num_blocks as 4\n  expected: at most 3"),
    "a truth for a number": ({"num_queries": True}, r"gives num_queries as True"),
    "no epsilon": ({"layer_norm_eps": 0}, r"gives layer_norm_eps as 0\n  .*a positive number"),
    "a large epsilon": ({"layer_norm_eps": 2}, r"gives layer_norm_eps as 2.0"),
    "an endless ratio": ({"mlp_ratio": 1e300}, r"gives mlp_ratio as 1e\+300"),
    "a word": ({"use_swiglu_ffn": "no"}, r"gives use_swiglu_ffn as 'no'\n  .*true or false"),
    "heads that do not divide": ({"num_attention_heads": 3}, r"64 channels, no multiple of 3 head"),
}


@pytest.mark.parametrize("case", CONFIGS)
def test_a_config_that_is_not_computed_is_refused(tmp_path: Path, case: str) -> None:
    config, message = CONFIGS[case]

    with pytest.raises(CheckpointError, match=message):
        load_checkpoint(save_eomt(tmp_path, eomt(), config=config))


OTHERS: dict[str, tuple[dict[str, Any], str]] = {
    "hidden_size": ({"hidden_size": 128, "mlp_ratio": 1}, "it says 128, and the weights have 64"),
    "num_hidden_layers": ({"num_hidden_layers": 4}, "it says 4, and the weights have 3"),
    "num_channels": ({"num_channels": 1}, "it says 1, and the weights have 3"),
    "patch_size": ({"patch_size": 8}, "it says 8, and the weights have 16"),
    "image_size": ({"image_size": 96}, "it says 36 patches, and the weights have 16 patches"),
    "num_register_tokens": ({"num_register_tokens": 4}, "it says 4, and the weights have 2"),
    "num_queries": ({"num_queries": 100}, "it says 100, and the weights have 7"),
    "num_upscale_blocks": ({"num_upscale_blocks": 3}, "it says 3, and the weights have 2"),
    "use_swiglu_ffn": ({"use_swiglu_ffn": True}, "it says True, and the weights have False"),
    "mlp_ratio": ({"mlp_ratio": 4}, "it says 256 channels, and the weights have 128 channels"),
    "id2label": ({"id2label": {"0": "road"}}, "it says 1, and the weights have 5"),
}


@pytest.mark.parametrize("key", OTHERS)
def test_a_config_of_another_network_is_refused(tmp_path: Path, key: str) -> None:
    config, message = OTHERS[key]

    with pytest.raises(CheckpointError, match=rf"is of another network .*\n  {key}: {message}"):
        load_checkpoint(save_eomt(tmp_path, eomt(), config=config))


def shortened(name: str) -> Callable[[State], object]:
    return lambda state: state.update({name: state[name][:-1].clone()})


STATES: dict[str, tuple[Callable[[State], object], str]] = {
    "masked attention": (
        lambda s: s["attn_mask_probs"].copy_(torch.tensor([0.0, 0.25])),
        r"masks its attention: attn_mask_probs is 0, 0.25\n  expected: zeros",
    ),
    "no probabilities": (
        lambda s: s["attn_mask_probs"].fill_(float("nan")),
        r"masks its attention: attn_mask_probs is nan, nan",
    ),
    "probabilities of another network": (
        shortened("attn_mask_probs"),
        r"attn_mask_probs: expected \(2,\), as num_blocks says, found \(1,\)",
    ),
    "whole probabilities": (
        lambda s: s.update(attn_mask_probs=torch.zeros(2, dtype=torch.int32)),
        r"holds attn_mask_probs as int32",
    ),
    "no class token": (lambda s: s.pop("embeddings.cls_token"), r"missing: embeddings.cls_token"),
    "no registers": (
        lambda s: s.pop("embeddings.register_tokens"),
        r"missing: embeddings.register_tokens",
    ),
    "registers in no row": (
        lambda s: s.update({"embeddings.register_tokens": torch.ones(2, 64)}),
        r"embeddings.register_tokens: expected \(1, registers, channels\), found \(2, 64\)",
    ),
    "registers of another width": (
        lambda s: s.update({"embeddings.register_tokens": torch.ones(1, 2, 32)}),
        r"embeddings.register_tokens: expected \(1, 2, 64\), found \(1, 2, 32\)",
    ),
    "no last norm": (
        lambda s: [s.pop(f"layernorm.{leaf}") for leaf in ("weight", "bias")],
        r"lacks 2 tensors of a plain ViT\n(.*\n)*.*missing: layernorm.weight, layernorm.bias",
    ),
    "no scale": (
        lambda s: s.pop("layers.1.layer_scale2.lambda1"),
        r"missing: layers.1.layer_scale2.lambda1",
    ),
    "no queries": (lambda s: s.pop("query.weight"), r"missing: query.weight"),
    "positions of no square": (
        shortened("embeddings.position_embeddings.weight"),
        r"has positions of 15 patches, which are no square",
    ),
    "positions of another width": (
        lambda s: s.update({"embeddings.position_embeddings.weight": torch.ones(16, 32)}),
        r"position_embeddings.weight: expected \(patches, 64\), found \(16, 32\)",
    ),
    "a class for nothing alone": (
        lambda s: s.update({"class_predictor.weight": torch.ones(1, 64)}),
        r"has a class for nothing and no other",
    ),
    "upscalings beyond the pixel": (
        lambda s: s.update({"upscale_block.block.77.conv1.weight": torch.ones(1)}),
        r"has 78 upscalings\n  expected: 0 to 5",
    ),
    "half of a feed-forward part": (
        lambda s: s.pop("layers.2.mlp.fc2.bias"), r"missing: layers.2.mlp.fc2.bias"
    ),
    "a tensor too many": (
        lambda s: s.update({"layers.0.attention.q_norm.weight": torch.ones(64)}),
        r"has 1 tensor that the network has no place for\n(.*\n)*.*attention.q_norm.weight",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", STATES)
def test_weights_that_are_no_whole_eomt_are_refused(tmp_path: Path, case: str) -> None:
    change, message = STATES[case]

    with pytest.raises(CheckpointError, match=message):
        load_checkpoint(save_eomt(tmp_path, eomt(), state=change))


def test_of_one_class_every_pixel_would_be_of_it(tmp_path: Path) -> None:
    folder = save_eomt(tmp_path / "eomt", eomt(id2label={0: "road"}))

    with pytest.raises(CheckpointError, match=r"is an EoMT of 1 class, which would be the label"):
        load_checkpoint(folder)


def test_a_network_that_transformers_has_just_made_masks_its_attention(tmp_path: Path) -> None:
    network = eomt()
    network.attn_mask_probs.fill_(1)
    x = images()

    # It is another computation: were it exported, its labels would be wrong.
    masked = semantic(network, x)[0]
    network.attn_mask_probs.zero_()
    assert not torch.allclose(masked, semantic(network, x)[0], atol=1e-2)
    network.attn_mask_probs.fill_(1)
    with pytest.raises(CheckpointError, match=r"attn_mask_probs is 1, 1\n(.*\n)*.*\.zero_\(\)"):
        load_checkpoint(save_eomt(tmp_path, network))


def test_a_file_without_probabilities_would_mask_too(tmp_path: Path) -> None:
    # Transformers makes ones of what a file lacks.
    folder = save_eomt(tmp_path, eomt(), state=lambda s: s.pop("attn_mask_probs"))

    with pytest.raises(CheckpointError, match=r"does not hold attn_mask_probs\n.*takes ones then"):
        load_checkpoint(folder)


def test_a_lone_file_tells_not_enough(tmp_path: Path) -> None:
    folder = save_eomt(tmp_path, eomt())
    (folder / "config.json").unlink()

    with pytest.raises(CheckpointError, match=r"is an EoMT without its config.json\n(.*\n)*.*hint"):
        load_checkpoint(folder / "model.safetensors")
