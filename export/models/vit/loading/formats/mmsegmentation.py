"""mmsegmentation's VisionTransformer under Segmenter's heads, SETR's naive and PUP; and DoViT.

Source: mmsegmentation 1.2.2 (Apache-2.0), ``mmseg/models/backbones/vit.py`` and
``mmseg/models/decode_heads/``; Liu et al., DoViT, 2024 (arXiv:2308.01944), whose encoder has heads
of these inside and names its attention as timm does.
"""

from dataclasses import replace

from segpp.export.models.vit.architecture import Numerics
from segpp.export.models.vit.loading.formats import FORMATS, CheckpointFormat, FeedForward, Module
from segpp.export.models.vit.loading.formats._added import POLICY, exits_at

__all__: list[str] = []


def _block(ours: str, theirs: str) -> tuple[Module, ...]:
    return (
        Module(f"{ours}.norm1", f"{theirs}.ln1"),
        Module(f"{ours}.attention.qkv", f"{theirs}.attn.attn.in_proj_{{leaf}}"),
        Module(f"{ours}.attention.out", f"{theirs}.attn.attn.out_proj"),
        Module(f"{ours}.norm2", f"{theirs}.ln2"),
    )


def _feed_forward(ours: str, theirs: str) -> tuple[Module, ...]:
    return (
        Module(f"{ours}.ffn.fc1", f"{theirs}.ffn.layers.0.0"),
        Module(f"{ours}.ffn.fc2", f"{theirs}.ffn.layers.1"),
    )


_BLOCK, _LAYER = "stages.{j}.blocks.0", "backbone.layers.{j}"
_EMBEDDING = Module("patch_embed.conv", "backbone.patch_embed.projection")

_MMSEGMENTATION = CheckpointFormat(
    title="mmsegmentation (ViT)",
    numerics=Numerics(1e-6, 1e-5, "bicubic"),
    prefix=("backbone.cls_token",),
    positions="backbone.pos_embed",
    encoder=(_EMBEDDING, *_block(_BLOCK, _LAYER)),
    final_norm=Module("norm", "backbone.ln1"),
    feed_forwards=(FeedForward("gelu", _feed_forward(_BLOCK, _LAYER)),),
    heads={
        "mask-transformer": (
            Module("head.classes", "decode_head.cls_emb", "plain"),
            Module("head.projection", "decode_head.dec_proj"),
            *_block("head.blocks.{j}", "decode_head.layers.{j}"),
            *_feed_forward("head.blocks.{j}", "decode_head.layers.{j}"),
            Module("head.norm", "decode_head.decoder_norm"),
            Module("head.patch_projection", "decode_head.patch_proj"),
            Module("head.class_projection", "decode_head.classes_proj"),
            Module("head.mask_norm", "decode_head.mask_norm"),
        ),
        "setr-pup": (
            Module("head.convs.{j}.conv", "decode_head.up_convs.{j}.0.conv"),
            Module("head.convs.{j}.batch_norm", "decode_head.up_convs.{j}.0.bn"),
            Module("head.norm", "decode_head.norm"),
            Module("head.classifier", "decode_head.conv_seg"),
        ),
        "setr-naive": (
            Module("head.conv", "decode_head.up_convs.0.0.conv"),
            Module("head.batch_norm", "decode_head.up_convs.0.0.bn"),
            Module("head.norm", "decode_head.norm"),
            Module("head.classifier", "decode_head.conv_seg"),
        ),
        "linear": (Module("head.classifier", "decode_head.conv_seg", "conv"),),
    },
    # Trained here, or of whoever has both: mmsegmentation itself has neither.
    exits=exits_at("backbone.auxiliary_head"),
    policy=POLICY,
    told_by="configuration",
    head_norm_eps={"setr-naive": 1e-6, "setr-pup": 1e-6},
    # The naive one has a single convolution.
    told_heads={"setr-pup": r"decode_head\.up_convs\.[1-9]\d{0,3}\.0\.conv\.weight"},
)

FORMATS.register("mmsegmentation-vit")(_MMSEGMENTATION)

FORMATS.register("dovit")(
    replace(
        _MMSEGMENTATION,
        title="DoViT",
        encoder=(
            _EMBEDDING,
            Module(f"{_BLOCK}.norm1", f"{_LAYER}.ln1"),
            Module(f"{_BLOCK}.attention.qkv", f"{_LAYER}.attn.qkv"),
            Module(f"{_BLOCK}.attention.out", f"{_LAYER}.attn.proj"),
            Module(f"{_BLOCK}.norm2", f"{_LAYER}.ln2"),
        ),
        has_exits=True,
    )
)
