"""SegFormer: everything that is a fact about this family and not about exporting."""

from segpp.export.models.segformer.family import FAMILY

__all__ = ["FAMILY"]
