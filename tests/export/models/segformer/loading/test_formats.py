"""Every layout's names and forms, spelled here once more, independently of the tables.

Tests models/segformer/loading/formats/*.py.
"""

import pytest
import torch
from torch import Tensor

from segpp.errors import CheckpointError
from segpp.export.models.segformer.architecture import Numerics
from segpp.export.models.segformer.loading import state_dict_for
from segpp.export.models.segformer.loading.formats import FORMATS, from_segpp, to_segpp
from segpp.export.models.segformer.model import SegFormer
from segpp.manifest import Architecture

DIMS, DEPTHS, DECODER = (8, 16, 40, 64), (1, 2, 1, 1), 12


def random_state(head: str) -> dict[str, Tensor]:
    """A SegFormer of ours in miniature; every tensor differs from every other."""
    architecture = Architecture(
        "segformer-custom", DIMS, DEPTHS, (1, 2, 5, 8), head, DECODER, classes=3, channels=3
    )
    generator = torch.Generator().manual_seed(0)
    state = SegFormer(architecture, Numerics(1e-6, 1e-6, 1e-6, 1e-6)).state_dict()
    return {
        name: torch.randn(tensor.shape, generator=generator)
        for name, tensor in state.items()
        if tensor.is_floating_point()
    }


# What stands for one block (stage 2, block 1), one patch embedding and the head: their name, ours.
# "kv" and "qkv" are the named tensors below one another; their shape follows.
BLOCK = "stages.1.blocks.1"
MIX_TRANSFORMER = {
    "patch_embed2.proj.weight": ("stages.1.patch_embed.conv.weight", (16, 8, 3, 3)),
    "patch_embed2.norm.bias": ("stages.1.patch_embed.norm.bias", (16,)),
    "norm2.weight": ("stages.1.norm.weight", (16,)),
    "block2.1.norm1.weight": (f"{BLOCK}.norm1.weight", (16,)),
    "block2.1.attn.q.weight": (f"{BLOCK}.attention.q.weight", (16, 16)),
    "block2.1.attn.kv.weight": (f"{BLOCK}.attention.kv.weight", (32, 16)),
    "block2.1.attn.kv.bias": (f"{BLOCK}.attention.kv.bias", (32,)),
    "block2.1.attn.proj.weight": (f"{BLOCK}.attention.out.weight", (16, 16)),
    "block2.1.attn.sr.weight": (f"{BLOCK}.attention.spatial_reduction.weight", (16, 16, 4, 4)),
    "block2.1.attn.norm.weight": (f"{BLOCK}.attention.reduce_norm.weight", (16,)),
    "block2.1.norm2.weight": (f"{BLOCK}.norm2.weight", (16,)),
    "block2.1.mlp.fc1.weight": (f"{BLOCK}.ffn.fc1.weight", (64, 16)),
    "block2.1.mlp.dwconv.dwconv.weight": (f"{BLOCK}.ffn.dwconv.weight", (64, 1, 3, 3)),
    "block2.1.mlp.fc2.weight": (f"{BLOCK}.ffn.fc2.weight", (16, 64)),
}
NVLABS = {f"backbone.{name}": ours for name, ours in MIX_TRANSFORMER.items()} | {
    "decode_head.linear_c1.proj.weight": ("head.projections.0.conv.weight", (12, 8)),
    "decode_head.linear_c4.proj.bias": ("head.projections.3.conv.bias", (12,)),
    "decode_head.linear_fuse.bn.running_mean": ("head.fuse.norm.running_mean", (12,)),
    "decode_head.linear_pred.weight": ("head.classifier.weight", (3, 12, 1, 1)),
}
HUGGING_FACE_HEAD = {
    "decode_head.batch_norm.running_var": ("head.fuse.norm.running_var", (12,)),
    "decode_head.classifier.bias": ("head.classifier.bias", (3,)),
}
_DISK, _LIVE = "segformer.encoder.block.1.1", "segformer.stages.1.blocks.1"
SPELLED = {
    "nvlabs": NVLABS,
    "bubbliiiing": NVLABS,
    "sithu31296": NVLABS,
    "smp": {f"encoder.{name}": ours for name, ours in MIX_TRANSFORMER.items()}
    | {
        "decoder.mlp_stage.0.linear.weight": ("head.projections.3.conv.weight", (12, 64)),
        "decoder.mlp_stage.3.linear.weight": ("head.projections.0.conv.weight", (12, 8)),
        "decoder.fuse_stage.1.running_var": ("head.fuse.norm.running_var", (12,)),
        "segmentation_head.0.weight": ("head.classifier.weight", (3, 12, 1, 1)),
    },
    "mmsegmentation": {
        "backbone.layers.1.0.projection.weight": (
            "stages.1.patch_embed.conv.weight",
            (16, 8, 3, 3),
        ),
        "backbone.layers.1.0.norm.weight": ("stages.1.patch_embed.norm.weight", (16,)),
        "backbone.layers.1.2.bias": ("stages.1.norm.bias", (16,)),
        "backbone.layers.1.1.1.norm1.bias": (f"{BLOCK}.norm1.bias", (16,)),
        "backbone.layers.1.1.1.attn.attn.in_proj_weight": (
            f"{BLOCK}.attention.qkv.weight",
            (48, 16),
        ),
        "backbone.layers.1.1.1.attn.attn.in_proj_bias": (f"{BLOCK}.attention.qkv.bias", (48,)),
        "backbone.layers.1.1.1.attn.attn.out_proj.weight": (
            f"{BLOCK}.attention.out.weight",
            (16, 16),
        ),
        "backbone.layers.1.1.1.attn.sr.bias": (f"{BLOCK}.attention.spatial_reduction.bias", (16,)),
        "backbone.layers.1.1.1.attn.norm.bias": (f"{BLOCK}.attention.reduce_norm.bias", (16,)),
        "backbone.layers.1.1.1.norm2.bias": (f"{BLOCK}.norm2.bias", (16,)),
        "backbone.layers.1.1.1.ffn.layers.0.weight": (f"{BLOCK}.ffn.fc1.weight", (64, 16, 1, 1)),
        "backbone.layers.1.1.1.ffn.layers.1.weight": (f"{BLOCK}.ffn.dwconv.weight", (64, 1, 3, 3)),
        "backbone.layers.1.1.1.ffn.layers.4.weight": (f"{BLOCK}.ffn.fc2.weight", (16, 64, 1, 1)),
        "decode_head.convs.2.conv.weight": ("head.projections.2.conv.weight", (12, 40, 1, 1)),
        "decode_head.convs.2.bn.running_var": ("head.projections.2.norm.running_var", (12,)),
        "decode_head.fusion_conv.conv.weight": ("head.fuse.conv.weight", (12, 48, 1, 1)),
        "decode_head.fusion_conv.bn.weight": ("head.fuse.norm.weight", (12,)),
        "decode_head.conv_seg.weight": ("head.classifier.weight", (3, 12, 1, 1)),
    },
    "huggingface": HUGGING_FACE_HEAD
    | {
        "segformer.encoder.patch_embeddings.1.proj.bias": ("stages.1.patch_embed.conv.bias", (16,)),
        "segformer.encoder.patch_embeddings.1.layer_norm.bias": (
            "stages.1.patch_embed.norm.bias",
            (16,),
        ),
        "segformer.encoder.layer_norm.1.weight": ("stages.1.norm.weight", (16,)),
        f"{_DISK}.layer_norm_1.weight": (f"{BLOCK}.norm1.weight", (16,)),
        f"{_DISK}.attention.self.query.weight": (f"{BLOCK}.attention.q.weight", (16, 16)),
        f"{_DISK}.attention.self.key.weight": (f"{BLOCK}.attention.k.weight", (16, 16)),
        f"{_DISK}.attention.self.value.weight": (f"{BLOCK}.attention.v.weight", (16, 16)),
        f"{_DISK}.attention.self.sr.weight": (
            f"{BLOCK}.attention.spatial_reduction.weight",
            (16, 16, 4, 4),
        ),
        f"{_DISK}.attention.self.layer_norm.bias": (f"{BLOCK}.attention.reduce_norm.bias", (16,)),
        f"{_DISK}.attention.output.dense.weight": (f"{BLOCK}.attention.out.weight", (16, 16)),
        f"{_DISK}.layer_norm_2.weight": (f"{BLOCK}.norm2.weight", (16,)),
        f"{_DISK}.mlp.dense1.weight": (f"{BLOCK}.ffn.fc1.weight", (64, 16)),
        f"{_DISK}.mlp.dwconv.dwconv.bias": (f"{BLOCK}.ffn.dwconv.bias", (64,)),
        f"{_DISK}.mlp.dense2.weight": (f"{BLOCK}.ffn.fc2.weight", (16, 64)),
        "decode_head.linear_c.0.proj.weight": ("head.projections.0.conv.weight", (12, 8)),
    },
    "huggingface-v5": HUGGING_FACE_HEAD
    | {
        "segformer.stages.1.patch_embeddings.proj.weight": (
            "stages.1.patch_embed.conv.weight",
            (16, 8, 3, 3),
        ),
        "segformer.stages.1.patch_embeddings.layer_norm.weight": (
            "stages.1.patch_embed.norm.weight",
            (16,),
        ),
        "segformer.stages.1.layer_norm.bias": ("stages.1.norm.bias", (16,)),
        f"{_LIVE}.layernorm_before.weight": (f"{BLOCK}.norm1.weight", (16,)),
        f"{_LIVE}.attention.q_proj.weight": (f"{BLOCK}.attention.q.weight", (16, 16)),
        f"{_LIVE}.attention.k_proj.weight": (f"{BLOCK}.attention.k.weight", (16, 16)),
        f"{_LIVE}.attention.v_proj.weight": (f"{BLOCK}.attention.v.weight", (16, 16)),
        f"{_LIVE}.attention.o_proj.weight": (f"{BLOCK}.attention.out.weight", (16, 16)),
        f"{_LIVE}.attention.sequence_reduction.sequence_reduction.weight": (
            f"{BLOCK}.attention.spatial_reduction.weight",
            (16, 16, 4, 4),
        ),
        f"{_LIVE}.attention.sequence_reduction.layer_norm.weight": (
            f"{BLOCK}.attention.reduce_norm.weight",
            (16,),
        ),
        f"{_LIVE}.layernorm_after.weight": (f"{BLOCK}.norm2.weight", (16,)),
        f"{_LIVE}.mlp.fc1.weight": (f"{BLOCK}.ffn.fc1.weight", (64, 16)),
        f"{_LIVE}.mlp.dwconv.dwconv.bias": (f"{BLOCK}.ffn.dwconv.bias", (64,)),
        f"{_LIVE}.mlp.fc2.weight": (f"{BLOCK}.ffn.fc2.weight", (16, 64)),
        "decode_head.linear_projections.0.proj.weight": (
            "head.projections.0.conv.weight",
            (12, 8),
        ),
    },
}
# Epsilon of patch, block, reduce and stage norms; GELU; epsilon of BatchNorm; align_corners.
NUMERICS = {
    "bubbliiiing": (1e-5, 1e-6, 1e-5, 1e-6, "tanh", 1e-3, True),
    "huggingface": (1e-5, 1e-5, 1e-5, 1e-5, "none", 1e-5, False),
    "huggingface-v5": (1e-5, 1e-5, 1e-5, 1e-5, "none", 1e-5, False),
    "mmsegmentation": (1e-6, 1e-6, 1e-6, 1e-6, "none", 1e-5, False),
    "nvlabs": (1e-5, 1e-6, 1e-5, 1e-6, "none", 1e-5, False),
    "sithu31296": (1e-5, 1e-5, 1e-5, 1e-5, "none", 1e-5, False),
    "smp": (1e-5, 1e-6, 1e-5, 1e-6, "none", 1e-5, True),
}


def stacked(state: dict[str, Tensor], name: str) -> Tensor:
    """The tensor of ours called ``name``, or those that ``….kv.…`` or ``….qkv.…`` stack."""
    head, module, leaf = name.rsplit(".", 2)
    parts = module if module in ("qkv", "kv") else ""
    return torch.cat([state[f"{head}.{part}.{leaf}"] for part in parts]) if parts else state[name]


def test_every_layout_is_spelled_in_this_test() -> None:
    assert set(SPELLED) == set(NUMERICS) == set(FORMATS)


@pytest.mark.parametrize("name", FORMATS)
def test_names_forms_and_rows_are_those_of_the_codebase(name: str) -> None:
    state = random_state(FORMATS[name].head)

    theirs = state_dict_for(name, state)

    for key, (ours, shape) in SPELLED[name].items():
        assert tuple(theirs[key].shape) == shape, key
        if ours != "head.fuse.conv.weight":
            assert torch.equal(theirs[key].flatten(), stacked(state, ours).flatten()), key


@pytest.mark.parametrize("name", FORMATS)
def test_there_and_back_changes_nothing(name: str) -> None:
    layout = FORMATS[name]
    state = random_state(layout.head)

    back = to_segpp(layout, from_segpp(layout, state))

    assert back.keys() == state.keys()
    assert all(torch.equal(back[key], state[key]) for key in state)


@pytest.mark.parametrize("name", FORMATS)
def test_a_block_of_a_layout_has_no_name_that_the_spelling_forgot(name: str) -> None:
    theirs = state_dict_for(name, random_state(FORMATS[name].head))
    spelled = {key.rsplit(".", 1)[0] for key in SPELLED[name]}
    [prefix] = {key.split("norm1")[0].split("layer_norm_1")[0].split("layernorm_before")[0]
                for key, (ours, _) in SPELLED[name].items() if ".norm1." in ours}  # fmt: skip

    block = {key.rsplit(".", 1)[0] for key in theirs if key.startswith(prefix)}

    assert len(block) in (9, 10, 11)
    assert block <= spelled


@pytest.mark.parametrize("name", FORMATS)
def test_numerics_are_those_of_the_codebase(name: str) -> None:
    numerics = FORMATS[name].numerics

    assert tuple(vars(numerics).values()) == NUMERICS[name]


@pytest.mark.parametrize(
    ("name", "key", "levels"),
    [
        ("mmsegmentation", "decode_head.fusion_conv.conv.weight", (0, 1, 2, 3)),
        ("nvlabs", "decode_head.linear_fuse.conv.weight", (3, 2, 1, 0)),
        ("sithu31296", "decode_head.linear_fuse.conv.weight", (3, 2, 1, 0)),
        ("bubbliiiing", "decode_head.linear_fuse.conv.weight", (3, 2, 1, 0)),
        ("huggingface", "decode_head.linear_fuse.weight", (3, 2, 1, 0)),
        ("huggingface-v5", "decode_head.linear_fuse.weight", (3, 2, 1, 0)),
        ("smp", "decoder.fuse_stage.0.weight", (3, 2, 1, 0)),
    ],
)
def test_the_fuse_convolution_reads_the_levels_in_the_codebases_order(
    name: str, key: str, levels: tuple[int, ...]
) -> None:
    state = random_state(FORMATS[name].head)
    # Each input channel carries the number of its level; ours go from the finest to the deepest.
    level = torch.arange(4.0).repeat_interleave(DECODER)
    state["head.fuse.conv.weight"] = level.expand(DECODER, -1)[:, :, None, None]

    theirs = state_dict_for(name, state)

    assert theirs[key][0, ::DECODER, 0, 0].tolist() == list(levels)


def test_a_linear_head_is_not_written_as_mmsegmentation() -> None:
    with pytest.raises(CheckpointError, match=r"a linear head is no part of mmsegmentation"):
        state_dict_for("mmsegmentation", random_state("linear"))


def test_an_unknown_layout_proposes_the_nearest() -> None:
    with pytest.raises(
        CheckpointError, match=r"(?s)unknown checkpoint format 'mmseg'.*'mmsegmentation'"
    ):
        state_dict_for("mmseg", {})
