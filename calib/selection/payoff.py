"""Which parts of a network an engine runs faster in INT8: measured here, never assumed.

Every part is timed as float within the file that is INT8 everywhere else, in turn with the file
that is INT8 throughout: what a part gains depends on its neighbours, which hand on 8 bits or do
not, and what a shared machine does in the meantime falls on both alike. What does not pay by more
than the clocks are unsure of is given back one by one, the worst first, and timed again before it
is: a conversion between two parts goes with the first of them, and the other may pay then. At last
every stage, and the head, is timed as a whole: its parts may each pay beside the others alone, and
all of them still be slower than floats, which keep a layout of their own throughout.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import onnx

from segpp.calib.plan import Plan
from segpp.calib.selection.costs import PartGain
from segpp.calib.selection.measure import Time
from segpp.calib.writers.base import Writer
from segpp.utils.files import write_whole

__all__ = ["PartGain", "part_gains", "without_loss", "without_lossy_groups"]


def part_gains(
    model: onnx.ModelProto,
    plan: Plan,
    writer: Writer,
    time: Time,
    *,
    after_each: Callable[[int, int], object] = lambda _done, _total: None,
) -> tuple[PartGain, ...]:
    """Return what every part of a plan gains, in the order of the graph."""
    parts = list(dict.fromkeys(site.part for site in plan.sites))
    gains = []
    for number, part in enumerate(parts, start=1):
        gains.append(_gain(part, model, plan, writer, time))
        after_each(number, len(parts))
    return tuple(gains)


def without_loss(
    model: onnx.ModelProto,
    plan: Plan,
    writer: Writer,
    time: Time,
    gains: Sequence[PartGain],
    *,
    after_each: Callable[[int, int], object] = lambda _done, _total: None,
) -> tuple[Plan, tuple[PartGain, ...]]:
    """Return a plan without the sites of parts that do not pay, and the gains as they were last.

    Args:
        model: The float network.
        plan: That gains are of.
        writer: Of the dialect.
        time: Of files.
        gains: Of the parts; one that was not timed is not judged.
        after_each: Told how many parts were timed again, and how many are to be.
    """
    last = {gain.part: gain for gain in gains}
    doubtful = sorted((one for one in gains if not one.pays), key=lambda one: one.milliseconds)
    for number, gain in enumerate(doubtful):
        if number:
            # Others have gone since it was timed.
            last[gain.part] = _gain(gain.part, model, plan, writer, time)
            after_each(number, len(doubtful) - 1)
        if not last[gain.part].pays:
            plan = _without((gain.part,), plan)
    return plan, tuple(last.values())


def without_lossy_groups(
    model: onnx.ModelProto,
    plan: Plan,
    writer: Writer,
    time: Time,
    *,
    after_each: Callable[[int, int], object] = lambda _done, _total: None,
) -> tuple[Plan, tuple[PartGain, ...]]:
    """Return a plan without the stages, or head, that do not pay as a whole, and what each gains.

    Args:
        model: The float network.
        plan: Whose parts each pay.
        writer: Of the dialect.
        time: Of files.
        after_each: Told how many groups were timed, and how many there are.
    """
    groups = _groups_of(plan)
    gains = []
    for number, (group, parts) in enumerate(groups.items(), start=1):
        gain = _gain(f"{group}, whole", model, plan, writer, time, parts=parts)
        gains.append(gain)
        if not gain.pays:
            plan = _without(parts, plan)
        after_each(number, len(groups))
    return plan, tuple(gains)


def _groups_of(plan: Plan) -> dict[str, tuple[str, ...]]:
    """Return the parts of each stage, and of the head, that has several."""
    groups: dict[str, tuple[str, ...]] = {}
    for part in dict.fromkeys(site.part for site in plan.sites):
        group = part.rpartition(" ")[0] or part
        groups[group] = (*groups.get(group, ()), part)
    return {group: parts for group, parts in groups.items() if parts[1:]}


def _gain(
    name: str,
    model: onnx.ModelProto,
    plan: Plan,
    writer: Writer,
    time: Time,
    *,
    parts: tuple[str, ...] = (),
) -> PartGain:
    """Return what parts gain together; by default the one of that name."""
    with TemporaryDirectory(prefix="segpp-") as folder:
        files = Path(folder, "without.onnx"), Path(folder, "int8.onnx")
        for file, one in zip(files, (_without(parts or (name,), plan), plan), strict=True):
            write_whole(file, writer.write(model, one).SerializeToString())
        before, after = time(files)
    return PartGain(name, 1000 * before, 1000 * after)


def _without(parts: tuple[str, ...], plan: Plan) -> Plan:
    return replace(plan, sites=tuple(site for site in plan.sites if site.part not in parts))
