"""How large weights may be on the CPU at hand.

Without VNNI, CPUs keep the sums of two products of 8 bits in 16, which full weights overflow, in
ONNX Runtime's kernels and in OpenVINO's: weights have 7 bits there.
"""

from collections.abc import Mapping

from segpp.calib.writers.base import FULL_WEIGHTS
from segpp.manifest import WEIGHT_BITS
from segpp.utils.limits import has_vnni

__all__ = ["cpu_weight_limit", "cpu_weight_options"]

_SEVEN_BITS = 63


def cpu_weight_limit() -> int:
    """Return the largest magnitude of a weight's integers that this CPU adds up right."""
    return FULL_WEIGHTS if has_vnni() else _SEVEN_BITS


def cpu_weight_options() -> Mapping[str, str]:
    """Return how many bits these have, for the manifest."""
    return {WEIGHT_BITS: "8" if has_vnni() else "7"}
