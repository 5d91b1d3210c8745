"""Which parts of a network an engine runs faster in INT8: measured here, never assumed.

Every part is timed as float within the file that is INT8 everywhere else, in turn with the file
that is INT8 throughout: what a part gains depends on its neighbours, which hand on 8 bits or do
not, and what a shared machine does in the meantime falls on both alike. What does not pay by more
than the clocks are unsure of stays float.
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
        whole, without = Path(folder, "int8.onnx"), Path(folder, "without.onnx")
        whole.write_bytes(writer.write(model, plan).SerializeToString())
        for number, (part, sites) in enumerate(parts.items(), start=1):
            others = tuple(site for site in plan.sites if site not in sites)
            written = writer.write(model, replace(plan, sites=others))
            without.write_bytes(written.SerializeToString())
            before, after = time([without, whole])
            gains.append(PartGain(part, 1000 * before, 1000 * after))
            after_each(number, len(parts))
    return tuple(gains)


def without_loss(plan: Plan, gains: Sequence[PartGain]) -> Plan:
    """Return a plan without the sites of parts that do not pay."""
    paying: Mapping[str, bool] = {gain.part: gain.pays for gain in gains}
    return replace(plan, sites=tuple(site for site in plan.sites if paying.get(site.part, True)))
