"""Plain ViTs for segmentation: everything that is a fact about this family."""

from segpp.export.models.vit.family import FAMILY

__all__ = ["FAMILY"]
