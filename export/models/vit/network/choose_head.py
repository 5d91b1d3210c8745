"""The decode head that a network has."""

from segpp.export.models.vit.architecture import Numerics
from segpp.export.models.vit.network.heads import (
    BatchNormLinear,
    Linear,
    MaskTransformer,
    SegmentationHead,
    SetrNaive,
    SetrProgressive,
)
from segpp.export.models.vit.network.mask_classification import MaskClassification
from segpp.manifest import Architecture

__all__ = ["build_head"]

_Known = Linear | MaskTransformer | SetrNaive | SetrProgressive | MaskClassification
_HEADS: dict[str, type[_Known]] = {
    "linear": Linear,
    "bn-linear": BatchNormLinear,
    "mask-transformer": MaskTransformer,
    "setr-naive": SetrNaive,
    "setr-pup": SetrProgressive,
    "mask-classification": MaskClassification,
}


def build_head(architecture: Architecture, numerics: Numerics) -> SegmentationHead:
    """Return the head that a network has."""
    return _HEADS[architecture.head](architecture, numerics)
