"""Hugging Face transformers as ``save_pretrained`` writes it, before and after version 5."""

from segpp.export.models.segformer.loading.formats import LAYOUTS, Layout, Rule
from segpp.export.models.segformer.loading.formats._huggingface import HEAD, NUMERICS
from segpp.export.models.segformer.loading.formats._mit import DEEPEST_FIRST

__all__ = ["HUGGINGFACE"]

_BLOCK = "stages.{i}.blocks.{j}"
_THEIRS = "segformer.encoder.block.{i}.{j}"

HUGGINGFACE = LAYOUTS.register("huggingface")(
    Layout(
        title="Hugging Face transformers",
        head="linear",
        numerics=NUMERICS,
        rules=(
            Rule("stages.{i}.patch_embed.conv", "segformer.encoder.patch_embeddings.{i}.proj"),
            Rule(
                "stages.{i}.patch_embed.norm", "segformer.encoder.patch_embeddings.{i}.layer_norm"
            ),
            Rule("stages.{i}.norm", "segformer.encoder.layer_norm.{i}"),
            Rule(f"{_BLOCK}.norm1", f"{_THEIRS}.layer_norm_1"),
            Rule(f"{_BLOCK}.attention.q", f"{_THEIRS}.attention.self.query"),
            Rule(f"{_BLOCK}.attention.k", f"{_THEIRS}.attention.self.key"),
            Rule(f"{_BLOCK}.attention.v", f"{_THEIRS}.attention.self.value"),
            Rule(f"{_BLOCK}.attention.out", f"{_THEIRS}.attention.output.dense"),
            Rule(f"{_BLOCK}.attention.reduce", f"{_THEIRS}.attention.self.sr"),
            Rule(f"{_BLOCK}.attention.reduce_norm", f"{_THEIRS}.attention.self.layer_norm"),
            Rule(f"{_BLOCK}.norm2", f"{_THEIRS}.layer_norm_2"),
            Rule(f"{_BLOCK}.ffn.fc1", f"{_THEIRS}.mlp.dense1"),
            Rule(f"{_BLOCK}.ffn.dwconv", f"{_THEIRS}.mlp.dwconv.dwconv"),
            Rule(f"{_BLOCK}.ffn.fc2", f"{_THEIRS}.mlp.dense2"),
            Rule("head.projections.{i}.conv", "decode_head.linear_c.{i}.proj", stored="linear"),
            *HEAD,
        ),
        fuse_order=DEEPEST_FIRST,
    )
)
