"""Segmenter as its own code saves it: ``checkpoint.pth``, and ``variant.yml`` beside it.

Source: Strudel et al., Segmenter, 2021 (arXiv:2105.05633). Files of CTS (Lu et al., 2023,
arXiv:2306.02095) are Segmenter's with a policy besides. Auxiliary heads are our own here.
"""

from segpp.export.models.vit.architecture import Numerics
from segpp.export.models.vit.loading.formats import FORMATS, CheckpointFormat, FeedForward, Module
from segpp.export.models.vit.loading.formats._added import POLICY, exits_at

__all__: list[str] = []


def _block(ours: str, theirs: str) -> tuple[Module, ...]:
    return (
        Module(f"{ours}.norm1", f"{theirs}.norm1"),
        Module(f"{ours}.attention.qkv", f"{theirs}.attn.qkv"),
        Module(f"{ours}.attention.out", f"{theirs}.attn.proj"),
        Module(f"{ours}.norm2", f"{theirs}.norm2"),
    )


def _feed_forward(ours: str, theirs: str) -> tuple[Module, ...]:
    return (
        Module(f"{ours}.ffn.fc1", f"{theirs}.mlp.fc1"),
        Module(f"{ours}.ffn.fc2", f"{theirs}.mlp.fc2"),
    )


FORMATS.register("segmenter")(
    CheckpointFormat(
        title="Segmenter",
        numerics=Numerics(1e-5, 1e-5, "bilinear", crops_padding=True),
        prefix=("encoder.cls_token", "encoder.dist_token"),
        positions="encoder.pos_embed",
        encoder=(
            Module("patch_embed.conv", "encoder.patch_embed.proj"),
            *_block("stages.{j}.blocks.0", "encoder.blocks.{j}"),
        ),
        final_norm=Module("norm", "encoder.norm"),
        feed_forwards=(
            FeedForward("gelu", _feed_forward("stages.{j}.blocks.0", "encoder.blocks.{j}")),
        ),
        heads={
            "mask-transformer": (
                Module("head.classes", "decoder.cls_emb", "plain"),
                Module("head.projection", "decoder.proj_dec"),
                *_block("head.blocks.{j}", "decoder.blocks.{j}"),
                *_feed_forward("head.blocks.{j}", "decoder.blocks.{j}"),
                Module("head.norm", "decoder.decoder_norm"),
                Module("head.patch_projection.weight", "decoder.proj_patch", "transposed"),
                Module("head.class_projection.weight", "decoder.proj_classes", "transposed"),
                Module("head.mask_norm", "decoder.mask_norm"),
            ),
            "linear": (Module("head.classifier", "decoder.head"),),
        },
        exits=exits_at("encoder.auxiliary_head"),
        policy=POLICY,
        told_by="variant.yml",
        unused=dict.fromkeys(
            ("encoder.head.", "encoder.head_dist."), "of the classification before"
        ),
    )
)
