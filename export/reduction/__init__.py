"""Token reductions: one method per module, found by scanning this folder."""

from segpp.errors import ReductionError
from segpp.export.reduction._base import Plan, TokenReduction
from segpp.scan import Registry

__all__ = ["REDUCTIONS", "Plan", "TokenReduction"]

REDUCTIONS: Registry[type[TokenReduction]] = Registry(__name__, "token reduction", ReductionError)
