"""Outliers moved out of activations into weights: one way, one file, found by scanning."""

from segpp.calib.equalization.base import Equalization
from segpp.utils.registry import Registry

__all__ = ["EQUALIZATIONS"]

EQUALIZATIONS: Registry[Equalization] = Registry(__name__, "equalization")
