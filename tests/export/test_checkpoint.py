"""Checkpoints of every layout and wrapping, and what is said about those that cannot be used."""

import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from onnx import TensorProto, helper
from PIL import Image
from safetensors.torch import save_file
from torch import Tensor

from segpp.errors import CheckpointError
from segpp.export.architecture import HEADS, SIZES, Numerics, segformer
from segpp.export.checkpoint import read_checkpoint, state_dict_for
from segpp.export.layouts import LAYOUTS
from segpp.export.model import SegFormer
from segpp.export.sizing import architecture_of, expected_by
from segpp.files import sha256_of
from segpp.manifest import Architecture
from segpp.palette import default_palette

AMBIGUOUS = ("bubbliiiing", "sithu31296")
MINIATURE = Architecture(
    "segformer-custom", (8, 16, 40, 64), (1, 2, 1, 1), HEADS, "conv-bn", 12, classes=3, channels=3
)

Write = Callable[[object], Path]


def ours(architecture: Architecture = MINIATURE) -> dict[str, Tensor]:
    """A state dict of ours with random weights."""
    generator = torch.Generator().manual_seed(0)
    state = SegFormer(architecture, Numerics(1e-6, 1e-6, 1e-6, 1e-6)).state_dict()
    return {
        name: torch.randn(tensor.shape, generator=generator)
        for name, tensor in state.items()
        if tensor.is_floating_point()
    }


def theirs(layout: str = "mmsegmentation", **changes: Any) -> dict[str, Tensor]:
    """A state dict as ``layout`` would save it."""
    head = LAYOUTS[layout].head
    return state_dict_for(layout, ours(replace(MINIATURE, **{"head": head, **changes})))


def nvlabs() -> dict[str, Tensor]:
    """NVlabs' files have an untrained classifier of 128 channels under mmsegmentation's name."""
    return theirs("nvlabs") | {
        "decode_head.conv_seg.weight": torch.zeros(3, 128, 1, 1),
        "decode_head.conv_seg.bias": torch.zeros(3),
    }


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def save(content: object) -> Path:
        torch.save(content, tmp_path / "x.pth")
        return tmp_path / "x.pth"

    return save


def assert_same(state: dict[str, Tensor], expected: dict[str, Tensor]) -> None:
    assert state.keys() == expected.keys()
    assert [name for name in state if not torch.equal(state[name], expected[name])] == []


@pytest.mark.parametrize("layout", sorted(set(LAYOUTS) - {*AMBIGUOUS, "nvlabs"}))
def test_a_layout_is_recognised_by_its_names(layout: str, write: Write) -> None:
    checkpoint = read_checkpoint(write(theirs(layout)))

    assert checkpoint.layout == layout
    assert checkpoint.numerics == LAYOUTS[layout].numerics
    assert checkpoint.architecture == replace(MINIATURE, head=LAYOUTS[layout].head)
    assert_same(checkpoint.state, ours(checkpoint.architecture))
    assert (checkpoint.classes, checkpoint.ignored, checkpoint.notes) == (None, (), ())


def test_nvlabs_untrained_classifier_is_reported_and_not_used(write: Write) -> None:
    checkpoint = read_checkpoint(write({"state_dict": nvlabs(), "meta": {}}))

    assert checkpoint.layout == "nvlabs"
    assert checkpoint.ignored == ("decode_head.conv_seg.weight", "decode_head.conv_seg.bias")
    assert_same(checkpoint.state, ours(replace(MINIATURE, head="linear")))


def test_names_that_several_codebases_share_need_a_source(write: Write) -> None:
    with pytest.raises(CheckpointError) as error:
        read_checkpoint(write(theirs("bubbliiiing")))

    assert "could be from bubbliiiing, nvlabs or sithu31296" in str(error.value)
    assert "bubbliiiing: block_norm_eps 1e-06, stage_norm_eps 1e-06, gelu tanh" in str(error.value)
    assert "hint: say whose code trained it: --source bubbliiiing" in str(error.value)


@pytest.mark.parametrize("source", AMBIGUOUS)
def test_a_source_decides_on_the_numerics(source: str, write: Write) -> None:
    checkpoint = read_checkpoint(write(theirs(source)), source=source)

    assert (checkpoint.layout, checkpoint.numerics) == (source, LAYOUTS[source].numerics)


def test_a_source_that_does_not_fit_is_an_error(write: Write) -> None:
    with pytest.raises(CheckpointError, match=r"(?s)has none of the names of smp.*leave the sourc"):
        read_checkpoint(write(theirs("huggingface")), source="smp")


def test_an_unknown_source_is_an_error_before_the_file_is_read(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"(?s)unknown source 'nvlab'.*'nvlabs'"):
        read_checkpoint(tmp_path / "absent.pth", source="nvlab")


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_published_size_is_told_from_names_and_shapes(layout: str, size: str) -> None:
    decoder = 768 if LAYOUTS[layout].head == "linear" and size > "b1" else 256
    expected = segformer(size, classes=19, head=LAYOUTS[layout].head, decoder=decoder)
    tensors = expected_by(LAYOUTS[layout], expected)

    assert architecture_of(LAYOUTS[layout], tensors, HEADS, Path("x")) == expected


@pytest.mark.parametrize(
    "wrap",
    [
        lambda state: {"state_dict": state, "optimizer": {"state": {}}},
        lambda state: {"model": state, "epoch": 3},
        lambda state: {"model_state_dict": state},
        lambda state: {"state_dict": {f"module.{name}": t for name, t in state.items()}},
        lambda state: {f"_orig_mod.module.{name}": t for name, t in state.items()},
        lambda state: {name: torch.nn.Parameter(t) for name, t in state.items()},
    ],
)
def test_wrappers_and_prefixes_come_off(
    wrap: Callable[[dict[str, Tensor]], dict[str, Any]], write: Write
) -> None:
    checkpoint = read_checkpoint(write(wrap(theirs())))

    assert_same(checkpoint.state, ours())
    assert not any(tensor.requires_grad for tensor in checkpoint.state.values())


def test_averaged_copies_and_other_heads_are_reported_and_not_used(write: Write) -> None:
    extra = {"ema_backbone_layers_0": torch.zeros(1), "auxiliary_head.conv_seg.bias": torch.ones(2)}

    checkpoint = read_checkpoint(write({"state_dict": theirs() | extra}))

    assert set(checkpoint.ignored) == set(extra)


def test_the_family_with_nine_channels_keeps_its_own_resolution(write: Write) -> None:
    """Three frames as input, one class, a second head; the resolution is width first."""
    state = {f"model.{n}": t for n, t in theirs(channels=9, classes=1).items()}
    extra = {"visible_classification.weight": torch.zeros(2, 64)}
    info = {"model_name": "segformerpp_b0", "image_resolution": (1920, 1088)}

    checkpoint = read_checkpoint(
        write({"model_state_dict": state | extra, "additional_info": info})
    )

    assert (checkpoint.architecture.channels, checkpoint.architecture.classes) == (9, 1)
    assert checkpoint.ignored == ("visible_classification.weight",)
    assert checkpoint.size == (1088, 1920)


def test_counters_of_batch_norm_may_be_there_or_not(write: Write) -> None:
    counters = {"decode_head.convs.0.bn.num_batches_tracked": torch.tensor(7)}

    checkpoint = read_checkpoint(write(theirs() | counters))

    assert_same(checkpoint.state, ours())
    assert checkpoint.ignored == ()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_weights_become_float32(dtype: torch.dtype, write: Write) -> None:
    checkpoint = read_checkpoint(write({name: t.to(dtype) for name, t in theirs().items()}))

    assert {tensor.dtype for tensor in checkpoint.state.values()} == {torch.float32}


def test_weights_survive_the_file(write: Write) -> None:
    """They are read from a map of the file, which may be overwritten before they are used."""
    path = write(theirs())
    checkpoint = read_checkpoint(path)
    path.write_bytes(bytes(path.stat().st_size))

    assert_same(checkpoint.state, ours())


def test_the_model_has_the_weights_and_needs_nothing_else(write: Write) -> None:
    model = read_checkpoint(write(theirs())).model()

    with torch.no_grad():
        logits = model(torch.zeros(1, 3, 64, 96))

    assert logits.shape == (1, 3, 16, 24)
    assert not model.training
    assert_same({n: t for n, t in model.state_dict().items() if t.dim()}, ours())


def test_the_real_checkpoint_tells_its_classes(shared: Path) -> None:
    path = shared / "checkpoints" / "segformer_b0_camvid_mmseg.pth"

    checkpoint = read_checkpoint(path)

    assert checkpoint.layout == "mmsegmentation"
    assert checkpoint.architecture == segformer("b0", classes=11)
    assert checkpoint.classes
    assert checkpoint.classes.names[:3] == ("Sky", "Building", "Pole")
    assert checkpoint.classes.palette[3] == (128, 64, 128)
    assert checkpoint.ignored == checkpoint.notes == ()
    assert checkpoint.sha256 == sha256_of(path)


MMSEG_1 = {"dataset_meta": {"classes": ("a", "b", "c"), "palette": [[1, 2, 3], [4, 5, 6], [7] * 3]}}
MMSEG_0 = {"CLASSES": ["a", "b", "c"], "PALETTE": [[1, 2, 3], [4, 5, 6], [7, 7, 7]]}


@pytest.mark.parametrize("meta", [MMSEG_0, MMSEG_1])
def test_both_generations_of_mmsegmentation_tell_names_and_colours(
    meta: dict[str, Any], write: Write
) -> None:
    classes = read_checkpoint(write({"state_dict": theirs(), "meta": meta})).classes

    assert classes
    assert classes.names == ("a", "b", "c")
    assert classes.palette == ((1, 2, 3), (4, 5, 6), (7, 7, 7))


def test_names_without_colours_get_default_colours(write: Write) -> None:
    meta = {"CLASSES": ("a", "b", "c"), "PALETTE": None}

    classes = read_checkpoint(write({"state_dict": theirs(), "meta": meta})).classes

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
    checkpoint = read_checkpoint(write({"state_dict": theirs(), "meta": meta}))

    assert checkpoint.classes is None
    [note] = checkpoint.notes
    assert "do not fit its 3 classes: not used" in note


def test_the_training_configuration_tells_size_and_normalisation(write: Write) -> None:
    text = (
        "crop_size = (512, 1024)\n"
        "img_norm_cfg = dict(mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375])\n"
        "train_pipeline = [dict(type='RandomCrop', crop_size=(512, 1024))]"
    )

    checkpoint = read_checkpoint(write({"state_dict": theirs(), "meta": {"config": text}}))

    assert checkpoint.size == (512, 1024)
    assert checkpoint.mean == (123.675, 116.28, 103.53)
    assert checkpoint.std == (58.395, 57.12, 57.375)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder as save_pretrained makes it."""
    made = tmp_path / "hf"
    made.mkdir()
    config = {
        "model_type": "segformer",
        "id2label": {"0": "road", "1": "sky", "2": "car"},
        "num_attention_heads": [1, 2, 5, 8],
        "hidden_act": "gelu",
        "strides": [4, 2, 2, 2],
        "layer_norm_eps": 1e-6,
    }
    preprocessor = {
        "size": {"height": 512, "width": 640},
        "image_mean": [0.485, 0.456, 0.406],
        "image_std": [0.229, 0.224, 0.225],
    }
    (made / "config.json").write_text(json.dumps(config))
    (made / "preprocessor_config.json").write_text(json.dumps(preprocessor))
    save_file(theirs("huggingface"), made / "model.safetensors")
    return made


def test_a_folder_tells_names_size_and_normalisation(folder: Path) -> None:
    checkpoint = read_checkpoint(folder)

    assert checkpoint.layout == "huggingface"
    assert checkpoint.classes
    assert checkpoint.classes.names == ("road", "sky", "car")
    assert checkpoint.size == (512, 640)
    assert checkpoint.mean == (123.675, 116.28, 103.53)
    assert checkpoint.std == (58.395, 57.12, 57.375)
    assert checkpoint.sha256 == sha256_of(folder / "model.safetensors")


def test_the_weights_inside_a_folder_are_read_with_its_json(folder: Path) -> None:
    whole, inside = read_checkpoint(folder), read_checkpoint(folder / "model.safetensors")

    assert replace(inside, state={}) == replace(whole, state={})
    assert_same(inside.state, whole.state)


def test_the_default_epsilon_of_a_config_is_not_honoured_as_it_is_not_by_them(
    folder: Path,
) -> None:
    assert read_checkpoint(folder).numerics == Numerics(1e-5, 1e-5, 1e-5, 1e-5)


def test_the_tanh_form_of_gelu_is_taken_from_the_config(folder: Path) -> None:
    change_config(folder, hidden_act="gelu_new")

    assert read_checkpoint(folder).numerics.gelu == "tanh"


def change_config(folder: Path, **changes: object) -> None:
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | changes))


def test_a_folder_with_a_pickle_is_read(folder: Path) -> None:
    (folder / "model.safetensors").unlink()
    torch.save(theirs("huggingface"), folder / "pytorch_model.bin")

    assert_same(read_checkpoint(folder).state, ours(replace(MINIATURE, head="linear")))


def split(folder: Path) -> None:
    state = theirs("huggingface")
    (folder / "model.safetensors").unlink()
    names = sorted(state)
    parts = {"part-1.safetensors": names[:50], "part-2.safetensors": names[50:]}
    for part, inside in parts.items():
        save_file({name: state[name] for name in inside}, folder / part)
    weight_map = {name: part for part, inside in parts.items() for name in inside}
    index = folder / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": weight_map}))


def test_split_weights_are_put_together(folder: Path) -> None:
    split(folder)

    assert_same(read_checkpoint(folder).state, ours(replace(MINIATURE, head="linear")))


def test_an_index_that_points_outside_its_folder_is_refused(folder: Path) -> None:
    split(folder)
    index = folder / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": {"a": "../../secret.safetensors"}}))

    with pytest.raises(CheckpointError, match=r"points outside its folder"):
        read_checkpoint(folder)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"model_type": "mask2former"}, r"holds the network 'mask2former'"),
        ({"hidden_act": "relu"}, r"the activation 'relu'"),
        ({"strides": [2, 2, 2, 2]}, r"the strides \[2, 2, 2, 2\]"),
        ({"num_attention_heads": [1, 2, 5]}, r"the attention heads as \[1, 2, 5\]"),
        ({"num_attention_heads": [3, 2, 5, 8]}, r"8 channels in stage 1, no multiple of 3 heads"),
    ],
)
def test_a_config_of_another_network_is_refused(
    changes: dict[str, object], says: str, folder: Path
) -> None:
    change_config(folder, **changes)

    with pytest.raises(CheckpointError, match=says):
        read_checkpoint(folder)


def test_a_folder_without_config_says_what_it_holds(tmp_path: Path) -> None:
    (tmp_path / "b0.pth").write_bytes(b"x")

    with pytest.raises(CheckpointError, match=r"(?s)has no config\.json.*it holds: b0\.pth"):
        read_checkpoint(tmp_path)


def test_a_folder_without_weights_names_what_was_expected(folder: Path) -> None:
    (folder / "model.safetensors").unlink()

    with pytest.raises(CheckpointError, match=r"(?s)and no weights.*pytorch_model\.bin"):
        read_checkpoint(folder)


def onnx_bytes() -> bytes:
    value = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1])
    graph = helper.make_graph([helper.make_node("Relu", ["x"], ["y"])], "g", [value], [])
    return bytes(helper.make_model(graph, producer_name="test").SerializeToString())


def png_bytes(folder: Path) -> bytes:
    Image.new("RGB", (2, 2)).save(folder / "image.png")
    return (folder / "image.png").read_bytes()


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"hello\nworld\n", r"x\.pth is text, not a checkpoint"),
        ("ü".encode() * 900, r"is text"),
        (b"<!DOCTYPE html><html>", r"is a web page"),
        (b"version https://git-lfs.github.com/spec/v1\noid", r"(?s)Git LFS pointer.*git lfs pull"),
        (b"\x1f\x8b\x08\x00", r"is a gzip archive"),
        (bytes(range(200, 256)), r"in no known format"),
        (b"", r"x\.pth is empty"),
        (b"\x10\0\0\0\0\0\0\0{" + b"x" * 40, r"is a damaged safetensors file"),
    ],
)
def test_other_files_are_named_by_their_first_bytes(
    content: bytes, says: str, tmp_path: Path
) -> None:
    (tmp_path / "x.pth").write_bytes(content)

    with pytest.raises(CheckpointError, match=says):
        read_checkpoint(tmp_path / "x.pth")


def test_an_onnx_file_and_an_image_are_named(tmp_path: Path) -> None:
    (tmp_path / "x.pth").write_bytes(onnx_bytes())
    (tmp_path / "y.pth").write_bytes(png_bytes(tmp_path))

    with pytest.raises(CheckpointError, match=r"(?s)is an ONNX model.*exported already"):
        read_checkpoint(tmp_path / "x.pth")
    with pytest.raises(CheckpointError, match=r"is a PNG image"):
        read_checkpoint(tmp_path / "y.pth")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"checkpoint .*absent\.pth does not exist"):
        read_checkpoint(tmp_path / "absent.pth")


def test_a_pipe_does_not_block(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "x.pth")

    with pytest.raises(CheckpointError, match=r"is a device or a pipe"):
        read_checkpoint(tmp_path / "x.pth")


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ([1, 2], r"(?s)holds no named tensors.*found: a list"),
        ({"epoch": 3}, r"(?s)holds no named tensors.*found: epoch"),
        (
            {"conv1.weight": torch.zeros(1), "layer1.0.bn1.weight": torch.zeros(1)},
            r"(?s)is not a SegFormer that segpp knows.*found: conv1\.weight.*mmsegmentation",
        ),
    ],
)
def test_a_file_without_a_segformer_says_what_it_holds(
    content: object, says: str, write: Write
) -> None:
    with pytest.raises(CheckpointError, match=says):
        read_checkpoint(write(content))


def test_two_tensors_of_one_name_are_refused(write: Write) -> None:
    state = theirs()
    twice = {f"module.{name}": tensor + 1 for name, tensor in state.items()}

    with pytest.raises(CheckpointError, match=r"two tensors for backbone\.layers\.0"):
        read_checkpoint(write(state | twice))


def test_a_half_matching_file_says_how_much_of_what_was_found(write: Write) -> None:
    state = theirs()
    total = len(state)
    missing = [n for n in state if ".1.1.attn" in n or n == "decode_head.convs.2.conv.weight"]
    for name in missing:
        del state[name]

    with pytest.raises(CheckpointError) as error:
        read_checkpoint(write(state))

    assert f"lacks {len(missing)} tensors of a SegFormer" in str(error.value)
    assert f"{total - len(missing)} of {total} tensors found" in str(error.value)
    assert "missing: backbone.layers.1.1.1.attn.attn.in_proj_weight" in str(error.value)
    assert f"and {len(missing) - 3} more" in str(error.value)


@pytest.mark.parametrize("prefix", ["backbone.", ""])
def test_a_pretrained_backbone_is_recognised_as_such(prefix: str, write: Write) -> None:
    state = theirs("nvlabs")
    backbone = {
        prefix + name.removeprefix("backbone."): tensor
        for name, tensor in state.items()
        if name.startswith("backbone.")
    }

    with pytest.raises(CheckpointError, match=r"(?s)encoder without its decode head.*trained for"):
        read_checkpoint(write(backbone), source="nvlabs" if prefix else None)


@pytest.mark.parametrize(
    ("name", "shape", "says"),
    [
        (
            "backbone.layers.0.1.0.attn.attn.in_proj_weight",
            (24, 9),
            r"in_proj_weight: expected \(24, 8\), found \(24, 9\)",
        ),
        ("backbone.layers.0.1.0.ffn.layers.0.weight", (32, 8), r"expected \(32, 8, 1, 1\), found"),
        ("decode_head.fusion_conv.conv.weight", (12, 47, 1, 1), r"expected \(12, 48, 1, 1\)"),
        ("backbone.layers.0.0.projection.weight", (8,), r"expected 4 dimensions .* found \(8,\)"),
        ("decode_head.conv_seg.weight", (0, 12, 1, 1), r"expected 4 dimensions"),
    ],
)
def test_a_wrong_shape_is_named_with_the_expected_one(
    name: str, shape: tuple[int, ...], says: str, write: Write
) -> None:
    with pytest.raises(CheckpointError, match=says):
        read_checkpoint(write(theirs() | {name: torch.zeros(shape)}))


@pytest.mark.parametrize("dtype", [torch.int8, torch.complex64, torch.float8_e4m3fn])
def test_weights_of_another_kind_of_number_are_refused(dtype: torch.dtype, write: Write) -> None:
    name = "backbone.layers.0.1.0.ffn.layers.0.weight"
    state = theirs() | {name: torch.zeros(32, 8, 1, 1).to(dtype)}

    with pytest.raises(CheckpointError, match=r"(?s)holds .*layers\.0\.weight as \w+.*quantised"):
        read_checkpoint(write(state))


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_weights_that_are_not_numbers_are_named(value: float, write: Write) -> None:
    state = theirs()
    state["backbone.layers.2.2.bias"][5] = value

    with pytest.raises(CheckpointError, match=r"(?s)NaN or infinity in 1 tensor.*layers\.2\.2\.bi"):
        read_checkpoint(write(state))


@pytest.mark.parametrize(
    "name",
    [
        "backbone.layers.0.1.0.attn.gate.weight",
        "backbone.layers.4.0.projection.weight",
        "backbone.layers.3.1.0.attn.sr.weight",
        "decode_head.convs.4.conv.weight",
    ],
)
def test_a_changed_network_is_not_taken_for_a_plain_one(name: str, write: Write) -> None:
    with pytest.raises(CheckpointError, match=r"(?s)1 tensor that a SegFormer has no place for"):
        read_checkpoint(write(theirs() | {name: torch.zeros(1)}))


def test_a_tensor_that_pretends_to_be_large_is_refused(write: Write) -> None:
    """Four bytes in the file, 4 TB in memory."""
    state = theirs() | {"decode_head.conv_seg.weight": torch.zeros(1).expand(10**6, 10**6)}

    with pytest.raises(CheckpointError, match=r"does not hold the numbers of decode_h"):
        read_checkpoint(write(state))


def test_a_block_with_an_absurd_number_does_not_make_a_network_of_its_size(write: Write) -> None:
    state = theirs() | {"backbone.layers.0.1.9999.norm1.weight": torch.zeros(8)}

    with pytest.raises(CheckpointError, match=r"lacks \d{1,4} tensors"):
        read_checkpoint(write(state))
