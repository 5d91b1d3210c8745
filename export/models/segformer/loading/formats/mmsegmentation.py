"""mmsegmentation 0.x and 1.x, and SegFormer++, which shares its names and numerics."""

from segpp.export.models.segformer.architecture import Numerics
from segpp.export.models.segformer.loading.formats import LAYOUTS, Layout, Rule

__all__ = ["MMSEGMENTATION"]

_BLOCK = "stages.{i}.blocks.{j}"
_THEIRS = "backbone.layers.{i}.1.{j}"

MMSEGMENTATION = LAYOUTS.register("mmsegmentation")(
    Layout(
        title="mmsegmentation or SegFormer++",
        head="conv-bn",
        numerics=Numerics(
            patch_norm_eps=1e-6,
            block_norm_eps=1e-6,
            reduce_norm_eps=1e-6,
            stage_norm_eps=1e-6,
        ),
        rules=(
            Rule("stages.{i}.patch_embed.conv", "backbone.layers.{i}.0.projection"),
            Rule("stages.{i}.patch_embed.norm", "backbone.layers.{i}.0.norm"),
            Rule("stages.{i}.norm", "backbone.layers.{i}.2"),
            Rule(f"{_BLOCK}.norm1", f"{_THEIRS}.norm1"),
            Rule(f"{_BLOCK}.attention.qkv", f"{_THEIRS}.attn.attn.in_proj_{{leaf}}"),
            Rule(f"{_BLOCK}.attention.out", f"{_THEIRS}.attn.attn.out_proj"),
            Rule(f"{_BLOCK}.attention.reduce", f"{_THEIRS}.attn.sr"),
            Rule(f"{_BLOCK}.attention.reduce_norm", f"{_THEIRS}.attn.norm"),
            Rule(f"{_BLOCK}.norm2", f"{_THEIRS}.norm2"),
            Rule(f"{_BLOCK}.ffn.fc1", f"{_THEIRS}.ffn.layers.0", stored="conv"),
            Rule(f"{_BLOCK}.ffn.dwconv", f"{_THEIRS}.ffn.layers.1"),
            Rule(f"{_BLOCK}.ffn.fc2", f"{_THEIRS}.ffn.layers.4", stored="conv"),
            Rule("head.projections.{i}.conv", "decode_head.convs.{i}.conv"),
            Rule("head.projections.{i}.norm", "decode_head.convs.{i}.bn"),
            Rule("head.fuse.conv", "decode_head.fusion_conv.conv"),
            Rule("head.fuse.norm", "decode_head.fusion_conv.bn"),
            Rule("head.classifier", "decode_head.conv_seg"),
        ),
    )
)
