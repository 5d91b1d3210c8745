"""Hugging Face transformers 5 in memory: ``torch.save(model.state_dict())``.

Version 5 renamed the modules; ``save_pretrained`` maps them back to the names of old.
"""

from segpp.export.models.segformer.loading.formats import LAYOUTS, Layout, Rule
from segpp.export.models.segformer.loading.formats._huggingface import HEAD, NUMERICS
from segpp.export.models.segformer.loading.formats._mit import DEEPEST_FIRST

__all__ = ["HUGGINGFACE_V5"]

_BLOCK = "stages.{i}.blocks.{j}"
_THEIRS = "segformer.stages.{i}.blocks.{j}"
_REDUCE = f"{_THEIRS}.attention.sequence_reduction"

HUGGINGFACE_V5 = LAYOUTS.register("huggingface-v5")(
    Layout(
        title="Hugging Face transformers 5 (in memory)",
        head="linear",
        numerics=NUMERICS,
        rules=(
            Rule("stages.{i}.patch_embed.conv", "segformer.stages.{i}.patch_embeddings.proj"),
            Rule("stages.{i}.patch_embed.norm", "segformer.stages.{i}.patch_embeddings.layer_norm"),
            Rule("stages.{i}.norm", "segformer.stages.{i}.layer_norm"),
            Rule(f"{_BLOCK}.norm1", f"{_THEIRS}.layernorm_before"),
            Rule(f"{_BLOCK}.attention.q", f"{_THEIRS}.attention.q_proj"),
            Rule(f"{_BLOCK}.attention.k", f"{_THEIRS}.attention.k_proj"),
            Rule(f"{_BLOCK}.attention.v", f"{_THEIRS}.attention.v_proj"),
            Rule(f"{_BLOCK}.attention.out", f"{_THEIRS}.attention.o_proj"),
            Rule(f"{_BLOCK}.attention.reduce", f"{_REDUCE}.sequence_reduction"),
            Rule(f"{_BLOCK}.attention.reduce_norm", f"{_REDUCE}.layer_norm"),
            Rule(f"{_BLOCK}.norm2", f"{_THEIRS}.layernorm_after"),
            Rule(f"{_BLOCK}.ffn.fc1", f"{_THEIRS}.mlp.fc1"),
            Rule(f"{_BLOCK}.ffn.dwconv", f"{_THEIRS}.mlp.dwconv.dwconv"),
            Rule(f"{_BLOCK}.ffn.fc2", f"{_THEIRS}.mlp.fc2"),
            Rule(
                "head.projections.{i}.conv",
                "decode_head.linear_projections.{i}.proj",
                stored="linear",
            ),
            *HEAD,
        ),
        fuse_order=DEEPEST_FIRST,
    )
)
