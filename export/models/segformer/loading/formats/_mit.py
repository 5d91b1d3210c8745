"""The names that NVlabs gave the encoder and the linear head, which others took over."""

from segpp.export.models.segformer.loading.formats._base import Rule

__all__ = ["DEEPEST_FIRST", "LINEAR_HEAD", "encoder"]

# The fuse convolution of the original reads the levels from the deepest to the finest.
DEEPEST_FIRST = (3, 2, 1, 0)


def encoder(root: str) -> tuple[Rule, ...]:
    """Return the encoder's rules where its names start with ``root``."""
    block = "stages.{i}.blocks.{j}"
    theirs = f"{root}.block{{n}}.{{j}}"
    return (
        Rule("stages.{i}.patch_embed.conv", f"{root}.patch_embed{{n}}.proj"),
        Rule("stages.{i}.patch_embed.norm", f"{root}.patch_embed{{n}}.norm"),
        Rule("stages.{i}.norm", f"{root}.norm{{n}}"),
        Rule(f"{block}.norm1", f"{theirs}.norm1"),
        Rule(f"{block}.attention.q", f"{theirs}.attn.q"),
        Rule(f"{block}.attention.kv", f"{theirs}.attn.kv"),
        Rule(f"{block}.attention.out", f"{theirs}.attn.proj"),
        Rule(f"{block}.attention.reduce", f"{theirs}.attn.sr"),
        Rule(f"{block}.attention.reduce_norm", f"{theirs}.attn.norm"),
        Rule(f"{block}.norm2", f"{theirs}.norm2"),
        Rule(f"{block}.ffn.fc1", f"{theirs}.mlp.fc1"),
        Rule(f"{block}.ffn.dwconv", f"{theirs}.mlp.dwconv.dwconv"),
        Rule(f"{block}.ffn.fc2", f"{theirs}.mlp.fc2"),
    )


LINEAR_HEAD = (
    Rule("head.projections.{i}.conv", "decode_head.linear_c{n}.proj", stored="linear"),
    Rule("head.fuse.conv", "decode_head.linear_fuse.conv"),
    Rule("head.fuse.norm", "decode_head.linear_fuse.bn"),
    Rule("head.classifier", "decode_head.linear_pred"),
)
