"""Where to clip an activation: one method, one file, found by scanning this folder."""

from segpp.calib.observers.base import Observer
from segpp.utils.registry import Registry

__all__ = ["OBSERVERS"]

OBSERVERS: Registry[Observer] = Registry(__name__, "calibration method")
