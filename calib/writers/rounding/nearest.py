"""Every weight to the integer that lies nearest: as good as any without knowing the inputs."""

import numpy as np

from segpp.calib.writers.rounding import ROUNDINGS
from segpp.calib.writers.rounding.base import Codes, Product, Rounding

__all__ = ["nearest"]


def nearest(product: Product) -> Codes:
    """Return the nearest integers, (G, O, K)."""
    return product.nearest().astype(np.int8)


ROUNDINGS.register("nearest")(Rounding(nearest, is_fitted=False))
