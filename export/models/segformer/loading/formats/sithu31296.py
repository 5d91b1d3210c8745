"""sithu31296/semantic-segmentation: NVlabs' names, PyTorch's default epsilons."""

from segpp.export.models.segformer.architecture import Numerics
from segpp.export.models.segformer.loading.formats import LAYOUTS, Layout
from segpp.export.models.segformer.loading.formats._mit import DEEPEST_FIRST, LINEAR_HEAD, encoder

__all__ = ["SITHU31296"]

SITHU31296 = LAYOUTS.register("sithu31296")(
    Layout(
        title="sithu31296",
        head="linear",
        numerics=Numerics(
            patch_norm_eps=1e-5,
            block_norm_eps=1e-5,
            reduce_norm_eps=1e-5,
            stage_norm_eps=1e-5,
        ),
        rules=(*encoder("backbone"), *LINEAR_HEAD),
        fuse_order=DEEPEST_FIRST,
    )
)
