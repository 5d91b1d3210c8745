"""A plain ViT in torch: embedding, blocks, heads."""

from segpp.export.models.vit.network.vit import ViT

__all__ = ["ViT"]
