"""Which parts of a network an engine runs faster in INT8: measured here, never assumed.

Every part is timed alone, in turn with the float file, so that what a shared machine does in the
meantime falls on both alike; what does not pay by more than the clocks are unsure of stays float.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import onnx

from segpp.calib.graph.sites import Site
from segpp.calib.plan import Plan
from segpp.calib.selection.costs import PartGain
from segpp.calib.selection.measure import Time
from segpp.calib.writers.base import Writer

__all__ = ["PartGain", "part_gains", "without_loss"]


def part_gains(
    model: onnx.ModelProto,
    plan: Plan,
    writer: Writer,
    time: Time,
    *,
    after_each: Callable[[int, int], object] = lambda _done, _total: None,
) -> tuple[PartGain, ...]:
    """Return what every part of a plan gains, in the order of the graph."""
    parts: dict[str, tuple[Site, ...]] = {}
    for site in plan.sites:
        parts[site.part] = (*parts.get(site.part, ()), site)
    gains = []
    with TemporaryDirectory(prefix="segpp-") as folder:
        plain, alone = Path(folder, "float.onnx"), Path(folder, "int8.onnx")
        plain.write_bytes(model.SerializeToString())
        for number, (part, sites) in enumerate(parts.items(), start=1):
            written = writer.write(model, replace(plan, sites=sites))
            alone.write_bytes(written.SerializeToString())
            before, after = time([plain, alone])
            gains.append(PartGain(part, 1000 * before, 1000 * after))
            after_each(number, len(parts))
    return tuple(gains)


def without_loss(plan: Plan, gains: Sequence[PartGain]) -> Plan:
    """Return a plan without the sites of parts that do not pay."""
    paying: Mapping[str, bool] = {gain.part: gain.pays for gain in gains}
    return replace(plan, sites=tuple(site for site in plan.sites if paying.get(site.part, True)))
