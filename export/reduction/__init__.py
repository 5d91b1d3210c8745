"""Token reductions: one method per module of ``methods``, found by scanning that folder."""

from segpp.errors import ReductionError
from segpp.export.reduction.base import TokenAssignment, TokenReduction
from segpp.utils.registry import Registry

__all__ = ["REDUCTIONS", "TokenAssignment", "TokenReduction"]

REDUCTIONS: Registry[type[TokenReduction]] = Registry(
    "segpp.export.reduction.methods", "token reduction", ReductionError
)
