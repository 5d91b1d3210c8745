"""How large the steps are: a short warm-up, then half a cosine down to almost nothing."""

from math import cos, pi

__all__ = ["learning_rate", "warm_up_doubt"]

# AdamW's moments are of no use before they have seen some gradients.
_WARM_UP_STEPS = 20
_FLOOR = 0.01


def learning_rate(highest: float, step: int, share: float) -> float:
    """Return the rate of a step.

    Args:
        highest: Of all steps.
        step: From 0.
        share: Of the training that is done, in steps or in time, 0 to 1.
    """
    warm = min(1.0, (step + 1) / _WARM_UP_STEPS)
    half_cosine = (1 + cos(pi * min(max(share, 0.0), 1.0))) / 2
    return highest * warm * (_FLOOR + (1 - _FLOOR) * half_cosine)


def warm_up_doubt(steps: int) -> str | None:
    """Return a sentence of a training that was over about when its warm-up was, else None.

    Args:
        steps: That it took.
    """
    if steps >= 2 * _WARM_UP_STEPS:
        return None
    return (
        f"the training ended after {steps} steps, and over the first {_WARM_UP_STEPS} the learning "
        "rate only warms up: train longer (`minutes` or `steps`)"
    )
