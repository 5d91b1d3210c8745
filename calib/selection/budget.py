"""Blocks given back to float until what is lost is no more than the user allows."""

from collections.abc import Callable, Sequence
from dataclasses import replace

from segpp.calib.plan import Plan
from segpp.calib.selection.costs import BlockCost
from segpp.manifest import CalibrationDrop

__all__ = ["fit_budget"]


def fit_budget(
    plan: Plan,
    costs: Sequence[BlockCost],
    most: float,
    drop_of: Callable[[Plan], CalibrationDrop],
) -> Plan:
    """Return the largest plan that loses at most ``most`` points, or one without any site.

    The block that diverges most for what it gains goes first; after each the loss is measured
    again, because what blocks lose does not add up.

    Args:
        plan: To begin with.
        costs: Of each of its blocks.
        most: Points.
        drop_of: Measures a plan.
    """
    for cost in sorted(costs, key=_worth, reverse=True):
        if drop_of(plan).points <= most:
            break
        plan = replace(plan, sites=tuple(s for s in plan.sites if s.block != cost.block))
    return plan


def _worth(cost: BlockCost) -> float:
    # Without times every block counts alike.
    gained = 1.0 if cost.milliseconds is None else max(cost.milliseconds, 1e-3)
    return cost.divergence / gained
