"""Inputs of a network for the tests of fits."""

from dataclasses import replace

from hypothesis import strategies as st

from segpp.images.fit import Fit
from segpp.manifest import InputSpec

SPEC = InputSpec(
    name="image",
    shape=(1, 3, 64, 96),
    dtype="float32",
    layout="NCHW",
    colours="RGB",
    mean=(0.0, 0.0, 0.0),
    std=(1.0, 1.0, 1.0),
)

# Heights and widths of pictures, and of networks.
sides = st.integers(1, 3000)
sizes = st.tuples(sides, sides)
networks = st.tuples(st.integers(1, 1200), st.integers(1, 1200))


def spec_of(network: tuple[int, int], fit: Fit) -> InputSpec:
    return replace(SPEC, shape=(1, 3, *network), fit=fit)
