"""EoMT as Hugging Face transformers' ``save_pretrained`` writes it, and as its own code does.

The first is ``EomtForUniversalSegmentation``, over the encoder of DINOv2 with registers (Darcet et
al., 2023, arXiv:2309.16588), and ``EomtDinov3ForUniversalSegmentation``, over that of DINOv3
(Siméoni et al., 2025, arXiv:2508.10104). The names of the second are those that transformers'
script ``convert_eomt_to_hf.py`` (Apache-2.0) turns into the first's.

Source: Kerssies et al., Your ViT is Secretly an Image Segmentation Model, 2025 (arXiv:2503.19108).
"""

from segpp.export.models.vit.architecture import Numerics
from segpp.export.models.vit.loading.formats import FORMATS, CheckpointFormat, FeedForward, Module

__all__: list[str] = []

# The norms of the upscaling have an epsilon of their own, whatever config.json says; that of the
# others stands there. transformers takes one size; DINOv2's positions are resized so.
_NUMERICS = Numerics(1e-6, 1e-6, "bicubic", crops_padding=True)
_UNUSED = {"attn_mask_probs": "masks of attention in training", "criterion.": "a loss"}
_BLOCK, _LAYER = "stages.{j}.blocks.0", "layers.{j}"
_UPSCALING, _SCALE = "head.upscaling.{j}", "upscale_block.block.{j}"

_HEAD = (
    Module("head.mask.fc1", "mask_head.fc1"),
    Module("head.mask.fc2", "mask_head.fc2"),
    Module("head.mask.fc3", "mask_head.fc3"),
    Module(f"{_UPSCALING}.conv", f"{_SCALE}.conv1"),
    Module(f"{_UPSCALING}.dwconv", f"{_SCALE}.conv2"),
    Module(f"{_UPSCALING}.norm", f"{_SCALE}.layernorm2d"),
    Module("head.classifier", "class_predictor"),
)


def _blocks(out: str) -> tuple[Module, ...]:
    return (
        Module("queries", "query.weight", "plain"),
        Module(f"{_BLOCK}.norm1", f"{_LAYER}.norm1"),
        Module(f"{_BLOCK}.attention.q", f"{_LAYER}.attention.q_proj"),
        Module(f"{_BLOCK}.attention.k", f"{_LAYER}.attention.k_proj"),
        Module(f"{_BLOCK}.attention.v", f"{_LAYER}.attention.v_proj"),
        Module(f"{_BLOCK}.attention.out", f"{_LAYER}.attention.{out}"),
        Module(f"{_BLOCK}.scale1.gamma", f"{_LAYER}.layer_scale1.lambda1", "plain"),
        Module(f"{_BLOCK}.norm2", f"{_LAYER}.norm2"),
        Module(f"{_BLOCK}.scale2.gamma", f"{_LAYER}.layer_scale2.lambda1", "plain"),
    )


FORMATS.register("hf-eomt")(
    CheckpointFormat(
        title="Hugging Face transformers (EoMT)",
        numerics=_NUMERICS,
        prefix=("embeddings.cls_token",),
        registers="embeddings.register_tokens",
        positions="embeddings.position_embeddings.weight",
        patch_positions=True,
        is_whole=True,
        encoder=(
            Module("patch_embed.conv", "embeddings.patch_embeddings.projection"),
            *_blocks("out_proj"),
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
        heads={"mask-classification": _HEAD},
        told_by="config.json",
        unused=_UNUSED,
    )
)

FORMATS.register("hf-eomt-dinov3")(
    CheckpointFormat(
        title="Hugging Face transformers (EoMT over DINOv3)",
        numerics=_NUMERICS,
        prefix=("embeddings.cls_token",),
        registers="embeddings.register_tokens",
        positions=None,
        is_whole=True,
        encoder=(Module("patch_embed.conv", "embeddings.patch_embeddings"), *_blocks("o_proj")),
        final_norm=Module("norm", "layernorm"),
        feed_forwards=(
            FeedForward(
                "gelu",
                (
                    Module(f"{_BLOCK}.ffn.fc1", f"{_LAYER}.mlp.up_proj"),
                    Module(f"{_BLOCK}.ffn.fc2", f"{_LAYER}.mlp.down_proj"),
                ),
            ),
        ),
        heads={"mask-classification": _HEAD},
        told_by="config.json",
        unused=_UNUSED,
    )
)

_OWN, _OWN_UP = "encoder.backbone.blocks.{j}", "upscale.{j}"

FORMATS.register("eomt")(
    CheckpointFormat(
        title="EoMT",
        numerics=_NUMERICS,
        prefix=("encoder.backbone.cls_token",),
        registers="encoder.backbone.reg_token",
        positions="encoder.backbone.pos_embed",
        patch_positions=True,
        is_whole=True,
        encoder=(
            Module("patch_embed.conv", "encoder.backbone.patch_embed.proj"),
            Module("queries", "q.weight", "plain"),
            Module(f"{_BLOCK}.norm1", f"{_OWN}.norm1"),
            Module(f"{_BLOCK}.attention.qkv", f"{_OWN}.attn.qkv"),
            Module(f"{_BLOCK}.attention.out", f"{_OWN}.attn.proj"),
            Module(f"{_BLOCK}.scale1.gamma", f"{_OWN}.ls1.gamma", "plain"),
            Module(f"{_BLOCK}.norm2", f"{_OWN}.norm2"),
            Module(f"{_BLOCK}.scale2.gamma", f"{_OWN}.ls2.gamma", "plain"),
        ),
        final_norm=Module("norm", "encoder.backbone.norm"),
        feed_forwards=(
            FeedForward(
                "gelu",
                (
                    Module(f"{_BLOCK}.ffn.fc1", f"{_OWN}.mlp.fc1"),
                    Module(f"{_BLOCK}.ffn.fc2", f"{_OWN}.mlp.fc2"),
                ),
            ),
        ),
        heads={
            "mask-classification": (
                Module("head.mask.fc1", "mask_head.0"),
                Module("head.mask.fc2", "mask_head.2"),
                Module("head.mask.fc3", "mask_head.4"),
                Module(f"{_UPSCALING}.conv", f"{_OWN_UP}.conv1"),
                Module(f"{_UPSCALING}.dwconv", f"{_OWN_UP}.conv2"),
                Module(f"{_UPSCALING}.norm", f"{_OWN_UP}.norm"),
                Module("head.classifier", "class_head"),
            )
        },
        told_by="nothing",
        has_short_names=True,
        unused={
            "attn_mask_probs": "masks of attention in training",
            "encoder.pixel_mean": "the mean of pixels, which is told",
            "encoder.pixel_std": "their deviation, likewise",
        },
    )
)
