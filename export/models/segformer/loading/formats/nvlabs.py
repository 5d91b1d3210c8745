"""The original code of the SegFormer paper."""

from segpp.export.models.segformer.architecture import Numerics
from segpp.export.models.segformer.loading.formats import LAYOUTS, Layout
from segpp.export.models.segformer.loading.formats._mit import DEEPEST_FIRST, LINEAR_HEAD, encoder

__all__ = ["NVLABS"]

NVLABS = LAYOUTS.register("nvlabs")(
    Layout(
        title="NVlabs",
        head="linear",
        numerics=Numerics(
            patch_norm_eps=1e-5,
            block_norm_eps=1e-6,
            reduce_norm_eps=1e-5,
            stage_norm_eps=1e-6,
        ),
        rules=(*encoder("backbone"), *LINEAR_HEAD),
        fuse_order=DEEPEST_FIRST,
        # The base class of its head makes a classifier that is never trained: 128 random channels
        # under the name that is mmsegmentation's real one.
        unused=("decode_head.conv_seg",),
    )
)
