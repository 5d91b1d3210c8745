"""Hugging Face transformers' ``EomtForUniversalSegmentation``, as ``save_pretrained`` writes it.

Source: Kerssies et al., Your ViT is Secretly an Image Segmentation Model, 2025 (arXiv:2503.19108),
over the encoder of DINOv2 with registers (Darcet et al., 2023, arXiv:2309.16588).
"""

from segpp.export.models.vit.architecture import Numerics
from segpp.export.models.vit.loading.formats import FORMATS, CheckpointFormat, FeedForward, Module

__all__: list[str] = []

_BLOCK, _LAYER = "stages.{j}.blocks.0", "layers.{j}"
_UPSCALING, _SCALE = "head.upscaling.{j}", "upscale_block.block.{j}"

FORMATS.register("hf-eomt")(
    CheckpointFormat(
        title="Hugging Face transformers (EoMT)",
        # The norms of the upscaling have an epsilon of their own, whatever config.json says; that
        # of the others stands there. Their code takes one size; DINOv2's positions are resized so.
        numerics=Numerics(1e-6, 1e-6, "bicubic", crops_padding=True),
        prefix=("embeddings.cls_token",),
        registers="embeddings.register_tokens",
        positions="embeddings.position_embeddings.weight",
        patch_positions=True,
        is_whole=True,
        encoder=(
            Module("patch_embed.conv", "embeddings.patch_embeddings.projection"),
            Module("queries", "query.weight", "plain"),
            Module(f"{_BLOCK}.norm1", f"{_LAYER}.norm1"),
            Module(f"{_BLOCK}.attention.q", f"{_LAYER}.attention.q_proj"),
            Module(f"{_BLOCK}.attention.k", f"{_LAYER}.attention.k_proj"),
            Module(f"{_BLOCK}.attention.v", f"{_LAYER}.attention.v_proj"),
            Module(f"{_BLOCK}.attention.out", f"{_LAYER}.attention.out_proj"),
            Module(f"{_BLOCK}.scale1.gamma", f"{_LAYER}.layer_scale1.lambda1", "plain"),
            Module(f"{_BLOCK}.norm2", f"{_LAYER}.norm2"),
            Module(f"{_BLOCK}.scale2.gamma", f"{_LAYER}.layer_scale2.lambda1", "plain"),
        ),
        final_norm=Module("norm", "layernorm"),
        feed_forwards=(
            FeedForward(
                "gelu",
                (
                    Module(f"{_BLOCK}.ffn.fc1", f"{_LAYER}.mlp.fc1"),
                    Module(f"{_BLOCK}.ffn.fc2", f"{_LAYER}.mlp.fc2"),
                ),
            ),
            FeedForward(
                "swiglu",
                (
                    Module(
                        f"{_BLOCK}.ffn.fc1",
                        f"{_LAYER}.mlp.{{part}}",
                        parts=("gate_proj", "up_proj"),
                    ),
                    Module(f"{_BLOCK}.ffn.fc2", f"{_LAYER}.mlp.down_proj"),
                ),
            ),
            # As version 4 has it.
            FeedForward(
                "swiglu",
                (
                    Module(f"{_BLOCK}.ffn.fc1", f"{_LAYER}.mlp.weights_in"),
                    Module(f"{_BLOCK}.ffn.fc2", f"{_LAYER}.mlp.weights_out"),
                ),
            ),
        ),
        heads={
            "mask-classification": (
                Module("head.mask.fc1", "mask_head.fc1"),
                Module("head.mask.fc2", "mask_head.fc2"),
                Module("head.mask.fc3", "mask_head.fc3"),
                Module(f"{_UPSCALING}.conv", f"{_SCALE}.conv1"),
                Module(f"{_UPSCALING}.dwconv", f"{_SCALE}.conv2"),
                Module(f"{_UPSCALING}.norm", f"{_SCALE}.layernorm2d"),
                Module("head.classifier", "class_predictor"),
            ),
        },
        told_by="config.json",
        unused={"attn_mask_probs": "masks of attention in training", "criterion.": "a loss"},
    )
)
