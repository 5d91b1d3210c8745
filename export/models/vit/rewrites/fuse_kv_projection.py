"""Keys and values of a block from one matrix product of twice the width."""

from segpp.export.models._common.attention_rewrites import fuse_kv_projection
from segpp.export.models.vit.rewrites import REWRITES, Rewrite

__all__ = ["fuse_kv_projection"]

REWRITES.register("fuse-kv-projection")(
    Rewrite(fuse_kv_projection, "keys and values from one matrix product")
)
