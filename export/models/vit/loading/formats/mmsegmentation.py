"""mmsegmentation's VisionTransformer under Segmenter's heads, and SETR's naive and PUP.

Source: mmsegmentation 1.2.2 (Apache-2.0), ``mmseg/models/backbones/vit.py`` and
``mmseg/models/decode_heads/``.
"""

from segpp.export.models.vit.architecture import Numerics
from segpp.export.models.vit.loading.formats import FORMATS, CheckpointFormat, FeedForward, Module

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


FORMATS.register("mmsegmentation-vit")(
    CheckpointFormat(
        title="mmsegmentation (ViT)",
        numerics=Numerics(1e-6, 1e-5, "bicubic"),
        prefix=("backbone.cls_token",),
        positions="backbone.pos_embed",
        encoder=(
            Module("patch_embed.conv", "backbone.patch_embed.projection"),
            *_block("stages.{j}.blocks.0", "backbone.layers.{j}"),
        ),
        final_norm=Module("norm", "backbone.ln1"),
        feed_forwards=(
            FeedForward("gelu", _feed_forward("stages.{j}.blocks.0", "backbone.layers.{j}")),
        ),
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
        told_by="configuration",
        head_norm_eps={"setr-naive": 1e-6, "setr-pup": 1e-6},
        # The naive one has a single convolution.
        told_heads={"setr-pup": r"decode_head\.up_convs\.[1-9]\d{0,3}\.0\.conv\.weight"},
    )
)
