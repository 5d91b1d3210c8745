"""What a product is multiplied by, as second moments over pictures and places.

An error of rounding depends on the inputs by their second moments alone, so that a product's
inputs never stand in memory together: a picture is added and let go.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper

from segpp.calib.graph.sites import Site
from segpp.calib.writers.base import quantize_weight
from segpp.calib.writers.rounding.base import Codes, Doubles, Product

__all__ = ["Moments", "codes_as_weight", "product_of", "rows_of"]

# Places of a picture at most, evenly spread. Of 16 pictures that makes 32 for each input of the
# widest product of a B0, its reduction by 8 of 32 channels.
_PLACES = 4096
# Added to the moments' diagonal, as a share of its mean: inputs that the pictures hardly vary must
# not take errors of any size (GPTQ, section 3.3, has the same share).
_DAMPING = 0.01


@dataclass
class Moments:
    """Second moments of a product's inputs: in INT8, and of the float ones with those.

    Attributes:
        own: Sum of y y^T, (G, K, K).
        cross: Sum of x y^T, (G, K, K).
        count: Of places.
    """

    own: Doubles
    cross: Doubles
    count: int = 0

    @classmethod
    def empty(cls, groups: int, inputs: int) -> "Moments":
        """Return the moments of nothing."""
        form = (groups, inputs, inputs)
        return cls(np.zeros(form), np.zeros(form))

    def add(self, x: Doubles, y: Doubles) -> None:
        """Add the inputs of a picture, in float and as INT8 has them, (G, N, K)."""
        turned = x.transpose(0, 2, 1)
        self.own += y.transpose(0, 2, 1) @ y
        self.cross += turned @ y
        self.count += x.shape[1]


def rows_of(values: NDArray[Any], site: Site, node: onnx.NodeProto) -> Doubles:
    """Return what each row of a site's weight is multiplied by at places of a picture, (G, N, K).

    Args:
        values: The site's input: (B, C, H, W) for a convolution, else (..., K).
        site: The product.
        node: Of it.
    """
    if site.operator != "Conv":
        rows = values.reshape(-1, values.shape[-1])
        return np.asarray(rows[None, _places(len(rows))], np.float64)
    patches = _patches(values, node)
    high, wide = patches.shape[2:4]
    # (B, C, N, k, k): only the patches of these places are ever copied out of the view.
    down, across = np.unravel_index(_places(high * wide), (high, wide))
    kept = patches[:, :, down, across]
    batch, channels, places = kept.shape[:3]
    grouped = kept.reshape(batch, site.groups, channels // site.groups, places, -1)
    inputs = channels // site.groups * grouped.shape[-1]
    rows = grouped.transpose(1, 0, 3, 2, 4).reshape(site.groups, -1, inputs)
    return np.asarray(rows, np.float64)


def _places(count: int) -> NDArray[np.int64]:
    """Return at most as many places as are looked at, evenly spread."""
    return np.arange(0, count, -(-count // _PLACES))


def _patches(values: NDArray[Any], node: onnx.NodeProto) -> NDArray[Any]:
    """Return a view of the patches that a convolution sees, (B, C, H', W', k, k)."""
    given = {one.name: helper.get_attribute_value(one) for one in node.attribute}
    top, left, bottom, right = given.get("pads", (0, 0, 0, 0))
    (down, across), (by, beside) = given.get("strides", (1, 1)), given.get("dilations", (1, 1))
    high, wide = given["kernel_shape"]
    padded = np.pad(values, ((0, 0), (0, 0), (top, bottom), (left, right)))
    window = (by * (high - 1) + 1, beside * (wide - 1) + 1)
    views = np.lib.stride_tricks.sliding_window_view(padded, window, (2, 3))
    return views[:, :, ::down, ::across, ::by, ::beside]


def product_of(
    weight: NDArray[np.floating[Any]], site: Site, moments: Moments, limit: int
) -> Product:
    """Return what is to be rounded so that INT8 gives what float gives, on average over places.

    With x in float and y as INT8 has it, E|W x - Q y|^2 is smallest at Q = W E[x y^T] E[y y^T]^-1,
    and grows from there with the second moments of y. This is AdaRound's asymmetric reconstruction
    (equation 25), which also makes up for what activations lost, with its linear part solved.

    Args:
        weight: As in the file.
        site: Its product.
        moments: Of its inputs.
        limit: Largest magnitude of an integer.
    """
    _, scales = quantize_weight(weight, site.output_axis, limit)
    rows = np.moveaxis(weight, site.output_axis, 0).reshape(len(scales), -1).astype(np.float64)
    steps = (rows / scales[:, None].astype(np.float64)).reshape(site.groups, -1, rows.shape[1])
    own, cross = moments.own / moments.count, moments.cross / moments.count
    inputs = own.shape[-1]
    damping = _DAMPING * np.trace(own, axis1=1, axis2=2) / inputs
    # Of inputs that are 0 throughout nothing is known: the weights stay what they are.
    added = np.where(damping > 0, damping, 1)[:, None, None] * np.eye(inputs)
    damped = own + added
    solved = np.linalg.solve(damped, (steps @ (cross + added)).transpose(0, 2, 1))
    return Product(solved.transpose(0, 2, 1), damped, limit)


def codes_as_weight(codes: Codes, weight: NDArray[np.floating[Any]], site: Site) -> Codes:
    """Return integers (G, O, K) in the form of the weight."""
    first = np.moveaxis(weight, site.output_axis, 0).shape
    return np.ascontiguousarray(np.moveaxis(codes.reshape(first), 0, site.output_axis))
