"""The original code of the SegFormer paper (NVlabs), and those that took its names over.

They share the names of the encoder, the linear head and the order of the levels, and differ in
numerics that no name shows.
"""

from dataclasses import replace

from segpp.export.models.segformer.architecture import Numerics
from segpp.export.models.segformer.loading.formats import FORMATS, CheckpointFormat, Rule
from segpp.export.models.segformer.loading.formats._base import DEEPEST_FIRST

__all__: list[str] = []

_HEAD = (
    Rule("head.projections.{i}.conv", "decode_head.linear_c{n}.proj", stored="linear"),
    Rule("head.fuse.conv", "decode_head.linear_fuse.conv"),
    Rule("head.fuse.norm", "decode_head.linear_fuse.bn"),
    Rule("head.classifier", "decode_head.linear_pred"),
)

# Counts the levels from the deepest.
_SMP_HEAD = (
    Rule("head.projections.{i}.conv", "decoder.mlp_stage.{r}.linear", stored="linear"),
    Rule("head.fuse.conv", "decoder.fuse_stage.0"),
    Rule("head.fuse.norm", "decoder.fuse_stage.1"),
    Rule("head.classifier", "segmentation_head.0"),
)


def _encoder(root: str) -> tuple[Rule, ...]:
    """Return the encoder's rules where its names start with ``root``."""
    block, key = "stages.{i}.blocks.{j}", f"{root}.block{{n}}.{{j}}"
    return (
        Rule("stages.{i}.patch_embed.conv", f"{root}.patch_embed{{n}}.proj"),
        Rule("stages.{i}.patch_embed.norm", f"{root}.patch_embed{{n}}.norm"),
        Rule("stages.{i}.norm", f"{root}.norm{{n}}"),
        Rule(f"{block}.norm1", f"{key}.norm1"),
        Rule(f"{block}.attention.q", f"{key}.attn.q"),
        Rule(f"{block}.attention.kv", f"{key}.attn.kv"),
        Rule(f"{block}.attention.out", f"{key}.attn.proj"),
        Rule(f"{block}.attention.spatial_reduction", f"{key}.attn.sr"),
        Rule(f"{block}.attention.reduce_norm", f"{key}.attn.norm"),
        Rule(f"{block}.norm2", f"{key}.norm2"),
        Rule(f"{block}.ffn.fc1", f"{key}.mlp.fc1"),
        Rule(f"{block}.ffn.dwconv", f"{key}.mlp.dwconv.dwconv"),
        Rule(f"{block}.ffn.fc2", f"{key}.mlp.fc2"),
    )


def _format(
    title: str,
    numerics: Numerics,
    *,
    root: str = "backbone",
    head: tuple[Rule, ...] = _HEAD,
    unused: tuple[str, ...] = (),
) -> CheckpointFormat:
    rules = (*_encoder(root), *head)
    return CheckpointFormat(title, "linear", numerics, rules, DEEPEST_FIRST, unused)


_ORIGINAL = Numerics(
    patch_norm_eps=1e-5, block_norm_eps=1e-6, reduce_norm_eps=1e-5, stage_norm_eps=1e-6
)
_TORCH_DEFAULTS = Numerics(
    patch_norm_eps=1e-5, block_norm_eps=1e-5, reduce_norm_eps=1e-5, stage_norm_eps=1e-5
)
_BUBBLIIIING = replace(_ORIGINAL, gelu="tanh", batch_norm_eps=1e-3, align_corners=True)
_SMP = replace(_ORIGINAL, align_corners=True)

# The base class of the original's head makes a classifier that is never trained: 128 random
# channels under the name that is mmsegmentation's real one.
FORMATS.register("nvlabs")(_format("NVlabs", _ORIGINAL, unused=("decode_head.conv_seg",)))
FORMATS.register("bubbliiiing")(_format("bubbliiiing", _BUBBLIIIING))
FORMATS.register("sithu31296")(_format("sithu31296", _TORCH_DEFAULTS))
FORMATS.register("smp")(
    _format("segmentation_models.pytorch", _SMP, root="encoder", head=_SMP_HEAD)
)
