"""What INT8 shifts a product's output by on average, taken off its bias again.

Rounding weights and clipping activations moves the mean of every output channel, and a mean passes
normalizations and sums where noise averages out (Nagel et al., Data-Free Quantization, ICCV 2019,
section 4.2; here measured on pictures instead of derived). Products are corrected one behind the
other, so that each meets what those before it leave over.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray

from segpp.calib.equalization.accept import BlockRun, block_runs, is_closer
from segpp.calib.equalization.base import bias_of, network_of
from segpp.calib.graph.edit import own_weight
from segpp.calib.graph.segments import segments_of
from segpp.calib.graph.wiring import array_of, replace_array
from segpp.calib.pictures.find import Picture
from segpp.calib.pictures.runs import open_model
from segpp.calib.pictures.sets import spread
from segpp.calib.plan import Plan
from segpp.calib.writers.base import Writer
from segpp.manifest import Manifest

__all__ = ["bias_shifts", "corrected"]

Floats = NDArray[np.float32]
Shifts = Mapping[str, Floats]

# Half of them show how means move, half decide whether taking that off helps.
_PICTURES = 8


def corrected(writer: Writer, shifts: Shifts) -> Writer:
    """Return a writer that shifts the biases of sites which it quantizes; others stay as they are.

    Args:
        writer: Of a dialect.
        shifts: What is added to the bias of a site, (C,), by the name of its node.
    """

    def write(model: onnx.ModelProto, plan: Plan) -> onnx.ModelProto:
        quantized = {site.node: shifts[site.node] for site in plan.sites if site.node in shifts}
        return writer.write(_shifted(model, plan, quantized), plan)

    return replace(writer, write=write) if shifts else writer


def bias_shifts(
    model: onnx.ModelProto,
    manifest: Manifest,
    plan: Plan,
    writer: Writer,
    pictures: Sequence[Picture],
    *,
    threads: int | None = None,
    after_each: Callable[[int, int], object] = lambda _done, _total: None,
) -> dict[str, Floats]:
    """Return by how much to shift the biases of a plan's sites, where that helps their block.

    Args:
        model: The float network.
        manifest: Of it.
        plan: What is to be INT8.
        writer: Of the dialect.
        pictures: Of the calibration; a few of them are run again. With one alone nothing could
            be held back, and nothing is corrected.
        threads: CPU threads.
        after_each: Told how many blocks are done and how many there are.
    """
    used = spread(pictures, _PICTURES)
    shifts: dict[str, Floats] = {}
    # One to measure on, one to decide on.
    if not used[1:]:
        return shifts
    # Without the head, which is no block with an end to compare.
    blocks = segments_of(model, plan.sites)
    runs = block_runs(model, manifest, plan.sites, used, threads)
    for number, run in enumerate(runs, start=1):
        sites = tuple(site for site in plan.sites if site.block == run.block)
        shifts.update(_Block(run, replace(plan, sites=sites), writer, threads).shifts())
        after_each(number, len(blocks))
    return shifts


@dataclass(frozen=True)
class _Block:
    """One block whose biases are corrected."""

    run: BlockRun
    plan: Plan
    writer: Writer
    threads: int | None

    def shifts(self) -> dict[str, Floats]:
        kept: dict[str, Floats] = {}
        tensors, half = self._tensors(), (len(self.run.inputs) + 1) // 2
        seen, held = self.run.part(slice(half)), self.run.part(slice(half, None))
        unrounded = self._open(self.run.segment.model, tensors)
        session = self._open(self.writer.write(self.run.segment.model, self.plan), tensors)
        least = held.error_in(session)
        for node, (tensor, axis) in tensors.items():
            shift = _means(seen, unrounded, tensor, axis) - _means(seen, session, tensor, axis)
            tried = {**kept, node: shift}
            written = corrected(self.writer, tried).write(self.run.segment.model, self.plan)
            opened = self._open(written, tensors)
            if is_closer(error := held.error_in(opened), least):
                kept, least, session = tried, error, opened
        return kept

    def _tensors(self) -> dict[str, tuple[str, int]]:
        """Return what each site with a bias gives, bias added, and the axis of its channels."""
        network = network_of(self.run.segment.model, self.plan.sites)
        nodes = {node.name: node for node in network.nodes}
        found = {}
        for site in self.plan.sites:
            if (bias := bias_of(network, nodes[site.node])) is not None:
                found[site.node] = (bias[0].output[0], site.channel_axis)
        return found

    def _open(
        self, model: onnx.ModelProto, tensors: Mapping[str, tuple[str, int]]
    ) -> onnxruntime.InferenceSession:
        """Return a session that gives the sites' outputs too."""
        seeing = onnx.ModelProto()
        seeing.CopyFrom(model)
        known = {output.name for output in seeing.graph.output}
        for tensor, _ in tensors.values():
            if tensor not in known:
                seeing.graph.output.add().name = tensor
        return open_model(seeing, self.threads)


def _means(run: BlockRun, session: onnxruntime.InferenceSession, tensor: str, axis: int) -> Floats:
    """Return the mean of each channel of a tensor, over pictures and places, (C,)."""
    means = []
    for given in run.inputs:
        values = np.asarray(session.run([tensor], given)[0], np.float64)
        others = tuple(i for i in range(values.ndim) if i != axis % values.ndim)
        means.append(values.mean(others))
    return np.asarray(np.mean(means, axis=0), np.float32)


def _shifted(model: onnx.ModelProto, plan: Plan, shifts: Shifts) -> onnx.ModelProto:
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    network = network_of(copy, plan.sites)
    nodes = {node.name: node for node in copy.graph.node}
    for name, shift in shifts.items():
        bias = bias_of(network, nodes[name])
        if bias is not None:
            weight = own_weight(copy.graph, nodes[bias[0].name], bias[1])
            replace_array(weight, array_of(weight) + shift)
    return copy
