"""Hugging Face transformers: as ``save_pretrained`` writes it, and as version 5 has it in memory.

Version 5 renamed the modules; ``save_pretrained`` maps them back to the names of old, and
``torch.save(model.state_dict())`` does not.
"""

from segpp.export.models.segformer.architecture import Numerics
from segpp.export.models.segformer.loading.formats import FORMATS, CheckpointFormat, Rule
from segpp.export.models.segformer.loading.formats._base import DEEPEST_FIRST

__all__: list[str] = []

# `layer_norm_eps` stands in their config.json as 1e-6 and is not honoured by their model.
_NUMERICS = Numerics(
    patch_norm_eps=1e-5, block_norm_eps=1e-5, reduce_norm_eps=1e-5, stage_norm_eps=1e-5
)

_HEAD = (
    Rule("head.fuse.conv", "decode_head.linear_fuse"),
    Rule("head.fuse.norm", "decode_head.batch_norm"),
    Rule("head.classifier", "decode_head.classifier"),
)

_BLOCK = "stages.{i}.blocks.{j}"
_FILE = "segformer.encoder.block.{i}.{j}"
_MEMORY = "segformer.stages.{i}.blocks.{j}"

FORMATS.register("huggingface")(
    CheckpointFormat(
        title="Hugging Face transformers",
        head="linear",
        numerics=_NUMERICS,
        rules=(
            Rule("stages.{i}.patch_embed.conv", "segformer.encoder.patch_embeddings.{i}.proj"),
            Rule(
                "stages.{i}.patch_embed.norm", "segformer.encoder.patch_embeddings.{i}.layer_norm"
            ),
            Rule("stages.{i}.norm", "segformer.encoder.layer_norm.{i}"),
            Rule(f"{_BLOCK}.norm1", f"{_FILE}.layer_norm_1"),
            Rule(f"{_BLOCK}.attention.q", f"{_FILE}.attention.self.query"),
            Rule(f"{_BLOCK}.attention.k", f"{_FILE}.attention.self.key"),
            Rule(f"{_BLOCK}.attention.v", f"{_FILE}.attention.self.value"),
            Rule(f"{_BLOCK}.attention.out", f"{_FILE}.attention.output.dense"),
            Rule(f"{_BLOCK}.attention.spatial_reduction", f"{_FILE}.attention.self.sr"),
            Rule(f"{_BLOCK}.attention.reduce_norm", f"{_FILE}.attention.self.layer_norm"),
            Rule(f"{_BLOCK}.norm2", f"{_FILE}.layer_norm_2"),
            Rule(f"{_BLOCK}.ffn.fc1", f"{_FILE}.mlp.dense1"),
            Rule(f"{_BLOCK}.ffn.dwconv", f"{_FILE}.mlp.dwconv.dwconv"),
            Rule(f"{_BLOCK}.ffn.fc2", f"{_FILE}.mlp.dense2"),
            Rule("head.projections.{i}.conv", "decode_head.linear_c.{i}.proj", stored="linear"),
            *_HEAD,
        ),
        fuse_order=DEEPEST_FIRST,
    )
)

FORMATS.register("huggingface-v5")(
    CheckpointFormat(
        title="Hugging Face transformers 5 (in memory)",
        head="linear",
        numerics=_NUMERICS,
        rules=(
            Rule("stages.{i}.patch_embed.conv", "segformer.stages.{i}.patch_embeddings.proj"),
            Rule("stages.{i}.patch_embed.norm", "segformer.stages.{i}.patch_embeddings.layer_norm"),
            Rule("stages.{i}.norm", "segformer.stages.{i}.layer_norm"),
            Rule(f"{_BLOCK}.norm1", f"{_MEMORY}.layernorm_before"),
            Rule(f"{_BLOCK}.attention.q", f"{_MEMORY}.attention.q_proj"),
            Rule(f"{_BLOCK}.attention.k", f"{_MEMORY}.attention.k_proj"),
            Rule(f"{_BLOCK}.attention.v", f"{_MEMORY}.attention.v_proj"),
            Rule(f"{_BLOCK}.attention.out", f"{_MEMORY}.attention.o_proj"),
            Rule(
                f"{_BLOCK}.attention.spatial_reduction",
                f"{_MEMORY}.attention.sequence_reduction.sequence_reduction",
            ),
            Rule(
                f"{_BLOCK}.attention.reduce_norm",
                f"{_MEMORY}.attention.sequence_reduction.layer_norm",
            ),
            Rule(f"{_BLOCK}.norm2", f"{_MEMORY}.layernorm_after"),
            Rule(f"{_BLOCK}.ffn.fc1", f"{_MEMORY}.mlp.fc1"),
            Rule(f"{_BLOCK}.ffn.dwconv", f"{_MEMORY}.mlp.dwconv.dwconv"),
            Rule(f"{_BLOCK}.ffn.fc2", f"{_MEMORY}.mlp.fc2"),
            Rule(
                "head.projections.{i}.conv",
                "decode_head.linear_projections.{i}.proj",
                stored="linear",
            ),
            *_HEAD,
        ),
        fuse_order=DEEPEST_FIRST,
    )
)
