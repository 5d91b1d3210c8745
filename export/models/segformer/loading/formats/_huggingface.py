"""What the two Hugging Face layouts share."""

from segpp.export.models.segformer.architecture import Numerics
from segpp.export.models.segformer.loading.formats._base import Rule

__all__ = ["HEAD", "NUMERICS"]

# `layer_norm_eps` stands in their config.json as 1e-6 and is not honoured by their model.
NUMERICS = Numerics(
    patch_norm_eps=1e-5,
    block_norm_eps=1e-5,
    reduce_norm_eps=1e-5,
    stage_norm_eps=1e-5,
)

HEAD = (
    Rule("head.fuse.conv", "decode_head.linear_fuse"),
    Rule("head.fuse.norm", "decode_head.batch_norm"),
    Rule("head.classifier", "decode_head.classifier"),
)
