"""Token reductions: one method per module, found by scanning this folder."""

from segpp.errors import ReductionError
from segpp.export.reduction.base import Plan, TokenReduction
from segpp.utils.registry import Registry

__all__ = ["REDUCTIONS", "Plan", "TokenReduction"]

REDUCTIONS: Registry[type[TokenReduction]] = Registry(
    "segpp.export.reduction.methods", "token reduction", ReductionError
)
