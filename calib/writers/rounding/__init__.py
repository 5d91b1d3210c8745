"""How weights become integers: one way, one file, found by scanning this folder."""

from segpp.calib.writers.rounding.base import Rounding
from segpp.utils.registry import Registry

__all__ = ["ROUNDINGS"]

ROUNDINGS: Registry[Rounding] = Registry(__name__, "rounding")
