"""DINOv2's own encoder under the linear heads that its code trains with mmsegmentation.

The heads are published alone, without their encoder: the two are to be joined, with ``backbone.``
before the encoder's names or without.

Source: Oquab et al., DINOv2, 2023 (arXiv:2304.07193), section 7.4, with the code of DINOv2
(Apache-2.0) for names, and for positions of another size: a tenth of a patch is added to either
side without registers, and the filter widens with them (Darcet et al., 2023, arXiv:2309.16588).
"""

from segpp.export.models.vit.architecture import Numerics
from segpp.export.models.vit.loading.formats import FORMATS, CheckpointFormat, FeedForward, Module

__all__: list[str] = []

_BLOCK, _THEIRS = "stages.{j}.blocks.0", "{backbone}blocks.{j}"
_CLASSIFIER = Module("head.classifier", "decode_head.conv_seg", "conv")


FORMATS.register("mmsegmentation-dinov2")(
    CheckpointFormat(
        title="mmsegmentation (DINOv2)",
        # Zeros fill the last patches on all four sides, and stay in the masks.
        numerics=Numerics(1e-6, 1e-6, "bicubic-offset", filling="around"),
        prefix=("{backbone}cls_token",),
        registers="{backbone}register_tokens",
        positions="{backbone}pos_embed",
        is_whole=True,
        may_lack_registers=True,
        encoder=(
            Module("patch_embed.conv", "{backbone}patch_embed.proj"),
            Module(f"{_BLOCK}.norm1", f"{_THEIRS}.norm1"),
            Module(f"{_BLOCK}.attention.qkv", f"{_THEIRS}.attn.qkv"),
            Module(f"{_BLOCK}.attention.out", f"{_THEIRS}.attn.proj"),
            Module(f"{_BLOCK}.scale1.gamma", f"{_THEIRS}.ls1.gamma", "plain"),
            Module(f"{_BLOCK}.norm2", f"{_THEIRS}.norm2"),
            Module(f"{_BLOCK}.scale2.gamma", f"{_THEIRS}.ls2.gamma", "plain"),
        ),
        final_norm=Module("norm", "{backbone}norm"),
        feed_forwards=(
            FeedForward(
                "gelu",
                (
                    Module(f"{_BLOCK}.ffn.fc1", f"{_THEIRS}.mlp.fc1"),
                    Module(f"{_BLOCK}.ffn.fc2", f"{_THEIRS}.mlp.fc2"),
                ),
            ),
            FeedForward(
                "swiglu",
                (
                    Module(f"{_BLOCK}.ffn.fc1", f"{_THEIRS}.mlp.w12"),
                    Module(f"{_BLOCK}.ffn.fc2", f"{_THEIRS}.mlp.w3"),
                ),
            ),
        ),
        heads={
            "bn-linear": (Module("head.norm", "decode_head.bn"), _CLASSIFIER),
            "linear": (_CLASSIFIER,),
        },
        told_by="configuration",
        has_short_names=True,
        unused={"{backbone}mask_token": "of its training without labels"},
        spellings={"backbone": ("backbone.", "")},
    )
)
