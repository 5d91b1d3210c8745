"""DINOv2 and DINOv3 with linear heads compute as transformers and Meta's code; the rest is refused.

Tests models/vit/loading/dino_config.py, models/vit/loading/read_settings.py,
models/vit/loading/mm_settings.py, models/vit/loading/formats/dinov2.py,
models/vit/loading/formats/huggingface.py, models/vit/loading/detect.py,
models/vit/network/embedding.py, models/vit/input_size.py and models/_common/hf_values.py.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from segpp.errors import CheckpointError, InputError
from segpp.export.models.base import Checkpoint, family_of
from segpp.export.models.loading import load_checkpoint
from segpp.ops.grid import Size
from segpp.runtime.backends.base import BACKENDS, BackendConfig
from tests.export.models.vit.dino.networks import (
    Joined,
    joined,
    meta,
    meta_state,
    save_folder,
    save_pretrained,
)
from tests.helpers.commands import Completed

Command = Callable[..., Completed]
State = dict[str, Tensor]

SIZE = Size(56, 56)


def images(size: Size = SIZE) -> Tensor:
    return torch.randn(2, 3, *size, generator=torch.Generator().manual_seed(5))


def check_same(checkpoint: Checkpoint, network: nn.Module, size: Size = SIZE) -> None:
    x = images(size)

    with torch.inference_mode():
        expected = network(x)
        found = checkpoint.at(size).build()(x)

    # Both compute in FP32, in orders of their own.
    derived = family_of(checkpoint.architecture).tolerance(checkpoint.architecture, size)
    assert found.shape == expected.shape
    assert float((found - expected).abs().max() / expected.abs().max()) <= min(derived, 1e-4)
    assert torch.equal(found.argmax(1), expected.argmax(1))
    assert expected.argmax(1).unique().numel() > 1


def saved(path: Path, state: State, **beside: Any) -> Path:
    torch.save({"state_dict": state, **beside}, path)
    return path


# --- of transformers

NETWORKS: dict[str, tuple[str, dict[str, Any]]] = {
    "DINOv2": ("dinov2", {}),
    "DINOv2, SwiGLU": ("dinov2", {"use_swiglu_ffn": True}),
    "registers": ("registers", {"patch_size": 14}),
    "DINOv3": ("dinov3", {"patch_size": 16, "image_size": 64}),
    "DINOv3, gates": (
        "dinov3",
        {"patch_size": 16, "use_gated_mlp": True, "hidden_act": "silu", "mlp_bias": False},
    ),
}


@pytest.mark.parametrize("case", NETWORKS)
def test_it_computes_as_transformers(tmp_path: Path, case: str) -> None:
    kind, changes = NETWORKS[case]
    network = joined(kind, **changes)
    patch = network.config.patch_size

    checkpoint = load_checkpoint(save_folder(tmp_path / "folder", network))

    assert checkpoint.format == ("hf-dinov3" if kind == "dinov3" else "hf-dinov2")
    assert checkpoint.origins["heads"] == "config"
    # The grid of the positions, a smaller one and one of another form.
    for rows, columns in ((4, 4), (2, 3), (5, 6)):
        check_same(checkpoint, network, Size(rows * patch, columns * patch))


def of_version_4(network: Joined) -> State:
    """Names as version 4 of transformers has them, and the classifier in a module of its own."""
    renamed = {}
    for name, tensor in network.state_dict().items():
        own = name.replace("backbone.", "dinov2.").replace("backbone.model.layer", "backbone.layer")
        for old, new in (("q_proj", "query"), ("k_proj", "key"), ("v_proj", "value")):
            own = own.replace(f"attention.{old}", f"attention.attention.{new}")
        own = own.replace("o_proj", "output.dense")
        renamed[own.replace("classifier.", "classifier.classifier.")] = tensor
    return renamed


def test_a_lone_file_of_version_4_is_the_same_network_and_tells_what_it_assumes(
    tmp_path: Path,
) -> None:
    network = joined("dinov2")

    checkpoint = load_checkpoint(saved(tmp_path / "net.pth", of_version_4(network)))

    check_same(checkpoint, network)
    assert (checkpoint.size, checkpoint.origins["size"]) == (SIZE, "assumed")
    assert any("an epsilon of 1e-06 is assumed" in note for note in checkpoint.notes)
    assert "attention heads of 64 channels are assumed: --heads 1" in checkpoint.notes


@pytest.mark.parametrize("gated", [False, True])
def test_what_save_pretrained_writes_of_ones_own_class_is_read(
    tmp_path: Path, *, gated: bool
) -> None:
    names = {0: "road", 1: "sky", 2: "car", 3: "tree", 4: "person"}
    network = joined("dinov2", use_swiglu_ffn=gated, id2label=names)

    checkpoint = load_checkpoint(save_pretrained(tmp_path / "net", network))

    check_same(checkpoint, network)
    assert (checkpoint.format, checkpoint.size) == ("hf-dinov2", SIZE)
    assert checkpoint.classes is not None
    assert checkpoint.classes.names == tuple(names.values())


def test_a_lone_file_of_dinov3_is_the_same_network(tmp_path: Path) -> None:
    network = joined("dinov3", patch_size=16)
    state = {
        name.replace("backbone.model.layer", "dinov3.layer").replace("backbone.", "dinov3."): t
        for name, t in network.state_dict().items()
    }

    checkpoint = load_checkpoint(saved(tmp_path / "net.pth", state))

    check_same(checkpoint, network, Size(64, 48))
    assert any("1e-05 and theta of 100 is assumed" in note for note in checkpoint.notes)


def test_a_matrix_may_classify_whole_images_and_is_told(tmp_path: Path) -> None:
    network = joined("dinov2", nn.Linear(64, 5))

    checkpoint = load_checkpoint(save_folder(tmp_path / "folder", network))

    check_same(checkpoint, network)
    assert any(note.startswith("classifier.weight is a matrix") for note in checkpoint.notes)


def test_a_size_whose_pixels_would_be_dropped_is_refused(tmp_path: Path) -> None:
    checkpoint = load_checkpoint(save_folder(tmp_path / "folder", joined("dinov2")))

    with pytest.raises(
        InputError, match=r"60x70 is no multiple of the 14 .*\n(.*\n)*.*`size=56x70"
    ):
        checkpoint.at(Size(60, 70))
    with pytest.raises(InputError, match="60x70 is no multiple of the 14"):
        checkpoint.build()(images(Size(60, 70)))


def test_what_is_stored_is_what_was_read_under_its_names(tmp_path: Path) -> None:
    """Registers have no position, and version 4 other names."""
    state = of_version_4(joined("registers", use_swiglu_ffn=True))
    state.pop("dinov2.embeddings.mask_token")
    checkpoint = load_checkpoint(saved(tmp_path / "net.pth", state))

    stored = checkpoint.stored(checkpoint.state)

    assert stored.keys() == state.keys()
    assert all(torch.equal(stored[name], tensor) for name, tensor in state.items())


CONFIGS: dict[str, tuple[dict[str, Any], str]] = {
    "another kind": ({"model_type": "dinov3_vit"}, r"model_type as 'dinov3_vit'\n.*dinov2 or"),
    "activation": ({"hidden_act": "relu"}, r"gives hidden_act as 'relu'\n  expected: gelu"),
    "no biases": ({"qkv_bias": False}, r"gives qkv_bias as False\n  expected: true"),
    "no norm": ({"apply_layernorm": False}, r"gives apply_layernorm as False"),
    "several blocks": ({"out_features": ["stage1", "stage2"]}, r"out_features.*\n.*\['stage2'\]"),
    "a classifier": (
        {"architectures": ["Dinov2ForImageClassification"]},
        r"architectures as 'Dinov2ForImageClassification'\n  expected: a network for segmentation",
    ),
    "a classifier alone": (
        {"architectures": "Dinov2ForImageClassification"}, r"architectures as 'Dinov2ForImageC"
    ),
    "no square": ({"image_size": [56, 70]}, r"image_size as \[56, 70\]\n  expected: one side"),
    "hidden_size": ({"hidden_size": 128, "mlp_ratio": 1}, r"hidden_size: it says 128, and .* 64"),
    "blocks": (
        {"num_hidden_layers": 3, "out_features": ["stage3"]}, r"num_hidden_layers: it says 3.* 2"
    ),
    "image_size": ({"image_size": 70}, r"image_size: it says 25 patches, and .* 16 patches"),
    "registers": (
        {"model_type": "dinov2_with_registers"}, r"register_tokens: it says 4, and .* have 0"
    ),
    "gates": ({"use_swiglu_ffn": True}, r"use_swiglu_ffn: it says True, and .* have False"),
    "mlp_ratio": ({"mlp_ratio": 4}, r"mlp_ratio: it says 256 channels, and .* 128 channels"),
    "classes": ({"id2label": {"0": "road"}}, r"id2label: it says 1, and the weights have 5"),
}  # fmt: skip


@pytest.fixture(scope="module")
def plain() -> Joined:
    """A network that no test changes."""
    return joined("dinov2")


def test_architectures_of_no_name_say_nothing(tmp_path: Path, plain: Joined) -> None:
    checkpoint = load_checkpoint(save_folder(tmp_path / "f", plain, config={"architectures": 5}))

    check_same(checkpoint, plain)


@pytest.mark.parametrize("case", CONFIGS)
def test_a_config_that_is_not_computed_is_refused(tmp_path: Path, plain: Joined, case: str) -> None:
    config, message = CONFIGS[case]

    with pytest.raises(CheckpointError, match=message):
        load_checkpoint(save_folder(tmp_path / "folder", plain, config=config))


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"use_gated_mlp": True}, r"hidden_act as 'gelu'\n  expected: silu"),
        ({"key_bias": True}, r"missing: backbone\.model\.layer\.0\.attention\.k_proj\.bias"),
        ({"value_bias": False}, r"v_proj\.bias: it says that there is none"),
        ({"rope_parameters": {"rope_type": "yarn"}}, r"gives rope_type as 'yarn'"),
        ({"num_attention_heads": 32}, r"heads of 64 channels that turn by fours"),
        ({"image_size": 13}, r"trained at 13x13.*\n  expected: a patch of 16 pixels at least"),
        ({"image_size": 10**9}, r"trained at 1000000000x1000000000.*\n.* 67,108,864 pixels"),
    ],
)
def test_a_config_of_another_dinov3_is_refused(
    tmp_path: Path, config: dict[str, Any], message: str
) -> None:
    network = joined("dinov3", patch_size=16)

    with pytest.raises(CheckpointError, match=message):
        load_checkpoint(save_folder(tmp_path / "folder", network, config=config))


# Of both halves: what to keep of the state, and what is said.
HALVES: dict[str, tuple[Callable[[str], bool], str]] = {
    "the encoder": (
        lambda name: "classifier" not in name, r"without a decode head .*\n(.*\n)*.*join the two"
    ),
    "the head": (
        lambda name: "classifier" in name, r"head without the encoder.*\n(.*\n)*.*join the two"
    ),
}  # fmt: skip


@pytest.mark.parametrize("half", HALVES)
def test_half_a_network_is_told_what_to_join(tmp_path: Path, plain: Joined, half: str) -> None:
    keeps, message = HALVES[half]
    state = {name: t for name, t in plain.state_dict().items() if keeps(name)}

    with pytest.raises(CheckpointError, match=message):
        load_checkpoint(save_folder(tmp_path / "folder", plain, state))


def test_the_file_labels_as_transformers(tmp_path: Path, segpp: Command) -> None:
    network, path = joined("dinov3", patch_size=16), tmp_path / "net.onnx"
    options = ("--size", "64x48", "--outputs", "both", "--mean", "0", "--std", "1")

    done = segpp("export", save_folder(tmp_path / "net", network), path, *options)

    assert done.returncode == 0, done.stderr
    x = images(Size(64, 48))[:1]
    expected = network(x)
    session = BACKENDS["onnxruntime"].open(path, BackendConfig())
    found = session.run({"image": x.numpy()}, ["logits"])[0]
    assert np.abs(found - expected.numpy()).max() / float(expected.abs().max()) <= 1e-4


# --- of Meta

MM_CONFIG = """
crop_size = (56, 56)
img_norm_cfg = dict(mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375], to_rgb=True)
test_pipeline = [dict(type='Normalize', **img_norm_cfg)]
model = dict(
    type='EncoderDecoder',
    backbone=dict(type='DinoVisionTransformer', out_indices=[1]),
    decode_head=dict(type='BNHead', in_channels=[64], in_index=[0],
        input_transform='resize_concat', channels=64, num_classes=5, align_corners=False),
    test_cfg=dict(mode='slide', crop_size=(56, 56), stride=(30, 30)))
"""


@pytest.mark.parametrize("size", [SIZE, Size(28, 70), Size(60, 71)], ids=str)
@pytest.mark.parametrize(
    ("kind", "choices"),
    [
        ("dinov2", {}),
        ("dinov2", {"normed": False, "use_swiglu_ffn": True}),
        ("registers", {}),
    ],
    ids=["BatchNorm", "SwiGLU", "registers"],
)
def test_it_computes_as_metas_code(
    tmp_path: Path, kind: str, choices: dict[str, Any], size: Size
) -> None:
    network = meta(kind, **choices)
    path = saved(tmp_path / "both.pth", meta_state(network), meta={"config": MM_CONFIG})
    if not choices.get("normed", True):
        path = saved(tmp_path / "both.pth", meta_state(network))

    checkpoint = load_checkpoint(path)

    assert checkpoint.format == "mmsegmentation-dinov2"
    check_same(checkpoint, network, size)


def test_its_configuration_is_read(tmp_path: Path) -> None:
    state = meta_state(meta(), prefix="")

    checkpoint = load_checkpoint(saved(tmp_path / "a.pth", state, meta={"config": MM_CONFIG}))

    assert (checkpoint.size, checkpoint.colors) == (SIZE, "rgb")
    assert checkpoint.mean == (123.675, 116.28, 103.53)
    assert checkpoint.architecture.head == "bn-linear"
    assert any("sliding window" in note for note in checkpoint.notes)
    assert "mask_token" in checkpoint.ignored


MM_CHANGES = {
    "another block": ("[1]", "[0]", r"has a head that reads block 0, .*\n  expected: the last of"),
    "several": ("in_index=[0]", "in_index=[0, 1]", r"in_index \[0, 1\]\n.*heads that see several"),
    "no block": ("in_index=[0]", "in_index=[3]", r"reads none of the blocks"),
    "scales": ("channels=64", "resize_factors=[1, 2]", r"resize_factors \[1, 2\]\n"),
}


@pytest.mark.parametrize("case", MM_CHANGES)
def test_a_changed_head_of_meta_is_refused(tmp_path: Path, case: str) -> None:
    old, new, message = MM_CHANGES[case]
    config = MM_CONFIG.replace(old, new)
    path = saved(tmp_path / "both.pth", meta_state(meta()), meta={"config": config})

    with pytest.raises(CheckpointError, match=message):
        load_checkpoint(path)


@pytest.mark.parametrize("half", ["decode_head.", "backbone."])
def test_the_halves_that_meta_publishes_are_told_how_to_join(tmp_path: Path, half: str) -> None:
    """An encoder is published without ``backbone.`` before its names."""
    state = {
        name.removeprefix("backbone."): t
        for name, t in meta_state(meta()).items()
        if name.startswith(half)
    }

    with pytest.raises(CheckpointError, match=r"join the two, in Python: .*'state_dict'\] \|= "):
        load_checkpoint(saved(tmp_path / "half.pth", state))


def test_a_head_of_four_blocks_is_of_another_shape(tmp_path: Path) -> None:
    state = meta_state(meta(normed=False))
    state["decode_head.conv_seg.weight"] = torch.ones(5, 256, 1, 1)

    with pytest.raises(CheckpointError, match=r"conv_seg\.weight: expected \(5, 64, 1, 1\), found"):
        load_checkpoint(saved(tmp_path / "both.pth", state))
