"""bubbliiiing/segformer-pytorch: NVlabs' names, other numerics."""

from segpp.export.models.segformer.architecture import Numerics
from segpp.export.models.segformer.loading.formats import LAYOUTS, Layout
from segpp.export.models.segformer.loading.formats._mit import DEEPEST_FIRST, LINEAR_HEAD, encoder

__all__ = ["BUBBLIIIING"]

BUBBLIIIING = LAYOUTS.register("bubbliiiing")(
    Layout(
        title="bubbliiiing",
        head="linear",
        numerics=Numerics(
            patch_norm_eps=1e-5,
            block_norm_eps=1e-6,
            reduce_norm_eps=1e-5,
            stage_norm_eps=1e-6,
            gelu="tanh",
            batch_norm_eps=1e-3,
            align_corners=True,
        ),
        rules=(*encoder("backbone"), *LINEAR_HEAD),
        fuse_order=DEEPEST_FIRST,
    )
)
