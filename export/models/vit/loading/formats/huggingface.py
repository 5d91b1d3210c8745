"""transformers' DINOv2 and DINOv3 with a linear classifier of patches, as people join them.

transformers has no such class. What is found publicly is a module with the encoder as ``dinov2``,
``dinov3`` or ``backbone``, and one layer called ``classifier``, or ``classifier.classifier`` where
that is in a module of its own.

Sources: Oquab et al., DINOv2, 2023 (arXiv:2304.07193); Darcet et al., Vision Transformers Need
Registers, 2023 (arXiv:2309.16588); Siméoni et al., DINOv3, 2025 (arXiv:2508.10104).
"""

from collections.abc import Mapping

from segpp.export.models.vit.architecture import Head, Numerics
from segpp.export.models.vit.loading.formats import FORMATS, CheckpointFormat, FeedForward, Module

__all__: list[str] = []

_BLOCK, _TRAINING = "stages.{j}.blocks.0", "of its training without labels"
_HEADS: Mapping[Head, tuple[Module, ...]] = {
    "linear": (Module("head.classifier", "{classifier}", "either"),)
}
_CLASSIFIERS = ("classifier.classifier", "classifier")


def _block(theirs: str) -> tuple[Module, ...]:
    return (
        Module(f"{_BLOCK}.norm1", f"{theirs}.norm1"),
        Module(f"{_BLOCK}.attention.q", f"{theirs}.attention.{{q}}"),
        Module(f"{_BLOCK}.attention.k", f"{theirs}.attention.{{k}}"),
        Module(f"{_BLOCK}.attention.v", f"{theirs}.attention.{{v}}"),
        Module(f"{_BLOCK}.attention.out", f"{theirs}.attention.{{out}}"),
        Module(f"{_BLOCK}.scale1.gamma", f"{theirs}.layer_scale1.lambda1", "plain"),
        Module(f"{_BLOCK}.norm2", f"{theirs}.norm2"),
        Module(f"{_BLOCK}.scale2.gamma", f"{theirs}.layer_scale2.lambda1", "plain"),
    )


def _mlp(theirs: str, up: str, down: str) -> FeedForward:
    fc1 = Module(f"{_BLOCK}.ffn.fc1", f"{theirs}.mlp.{up}")
    return FeedForward("gelu", (fc1, Module(f"{_BLOCK}.ffn.fc2", f"{theirs}.mlp.{down}")))


def _gated(theirs: str) -> FeedForward:
    parts = ("gate_proj", "up_proj")
    fc1 = Module(f"{_BLOCK}.ffn.fc1", f"{theirs}.mlp.{{part}}", parts=parts)
    return FeedForward("swiglu", (fc1, Module(f"{_BLOCK}.ffn.fc2", f"{theirs}.mlp.down_proj")))


# Version 4 has both gates in one tensor, and other names within the attention.
_JOINED = FeedForward(
    "swiglu",
    (
        Module(f"{_BLOCK}.ffn.fc1", "{backbone}encoder.layer.{j}.mlp.weights_in"),
        Module(f"{_BLOCK}.ffn.fc2", "{backbone}encoder.layer.{j}.mlp.weights_out"),
    ),
)
_V2, _V3 = "{backbone}encoder.layer.{j}", "{backbone}{layers}.{j}"


FORMATS.register("hf-dinov2")(
    CheckpointFormat(
        title="Hugging Face transformers (DINOv2 and a classifier)",
        # Their convolution drops the pixels that fill no patch.
        numerics=Numerics(1e-6, 1e-6, "bicubic", filling="refused"),
        prefix=("{backbone}embeddings.cls_token",),
        registers="{backbone}embeddings.register_tokens",
        positions="{backbone}embeddings.position_embeddings",
        is_whole=True,
        may_lack_registers=True,
        encoder=(
            Module("patch_embed.conv", "{backbone}embeddings.patch_embeddings.projection"),
            *_block(_V2),
        ),
        final_norm=Module("norm", "{backbone}layernorm"),
        feed_forwards=(_mlp(_V2, "fc1", "fc2"), _gated(_V2), _JOINED),
        heads=_HEADS,
        told_by="config.json",
        has_short_names=True,
        unused={"{backbone}embeddings.mask_token": _TRAINING},
        spellings={
            "backbone": ("dinov2.", "dinov2_with_registers.", "backbone.", ""),
            "q": ("q_proj", "attention.query"),
            "k": ("k_proj", "attention.key"),
            "v": ("v_proj", "attention.value"),
            "out": ("o_proj", "output.dense"),
            "classifier": _CLASSIFIERS,
        },
    )
)

FORMATS.register("hf-dinov3")(
    CheckpointFormat(
        title="Hugging Face transformers (DINOv3 and a classifier)",
        numerics=Numerics(1e-5, 1e-5, "bicubic", filling="refused"),
        prefix=("{backbone}embeddings.cls_token",),
        registers="{backbone}embeddings.register_tokens",
        positions=None,
        is_whole=True,
        encoder=(
            Module("patch_embed.conv", "{backbone}embeddings.patch_embeddings"),
            *_block(_V3),
        ),
        final_norm=Module("norm", "{backbone}norm"),
        feed_forwards=(_gated(_V3), _mlp(_V3, "up_proj", "down_proj")),
        heads=_HEADS,
        told_by="config.json",
        has_short_names=True,
        unused={"{backbone}embeddings.mask_token": _TRAINING},
        spellings={
            "backbone": ("dinov3.", "dinov3_vit.", "backbone.", ""),
            # As version 5 has them, and version 4.
            "layers": ("model.layer", "layer"),
            "q": ("q_proj",),
            "k": ("k_proj",),
            "v": ("v_proj",),
            "out": ("o_proj",),
            "classifier": _CLASSIFIERS,
        },
    )
)
