"""segmentation_models.pytorch: NVlabs' encoder, a head that counts the levels from the deepest."""

from segpp.export.models.segformer.architecture import Numerics
from segpp.export.models.segformer.loading.formats import LAYOUTS, Layout, Rule
from segpp.export.models.segformer.loading.formats._mit import DEEPEST_FIRST, encoder

__all__ = ["SMP"]

SMP = LAYOUTS.register("smp")(
    Layout(
        title="segmentation_models.pytorch",
        head="linear",
        numerics=Numerics(
            patch_norm_eps=1e-5,
            block_norm_eps=1e-6,
            reduce_norm_eps=1e-5,
            stage_norm_eps=1e-6,
            align_corners=True,
        ),
        rules=(
            *encoder("encoder"),
            Rule("head.projections.{i}.conv", "decoder.mlp_stage.{r}.linear", stored="linear"),
            Rule("head.fuse.conv", "decoder.fuse_stage.0"),
            Rule("head.fuse.norm", "decoder.fuse_stage.1"),
            Rule("head.classifier", "segmentation_head.0"),
        ),
        fuse_order=DEEPEST_FIRST,
    )
)
