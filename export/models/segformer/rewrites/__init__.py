"""Rewrites: one change of the network per module, exact in real arithmetic, found by scanning.

A rewrite replaces or refills modules of a copy of the network before it is traced. It computes the
same function; only rounding differs. The parity gate compares the file with the network as it was.
"""

from segpp.export.models.segformer.rewrites._base import Rewrite
from segpp.utils.registry import Registry

__all__ = ["REWRITES", "Rewrite"]

REWRITES: Registry[Rewrite] = Registry(__name__, "rewrite")
