"""The rewrites of a plain ViT: one change per module, exact in real arithmetic, found by scanning.

``segpp.export.models.rewriting`` says what a rewrite is and applies them.
"""

from segpp.export.models.rewriting import Rewrite
from segpp.utils.registry import Registry

__all__ = ["REWRITES", "Rewrite"]

REWRITES: Registry[Rewrite] = Registry(__name__, "rewrite")
