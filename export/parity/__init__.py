"""The parity check: a file must follow FP32 PyTorch on a real image, or it is not written."""

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import torch
from numpy.typing import NDArray
from torch import Tensor

from segpp import ops
from segpp.errors import CheckError
from segpp.export.custom_ops.torch_ops import MatchSettings, matching_by
from segpp.export.images import ParityImage
from segpp.export.models.base import family_of
from segpp.export.models.network import Network
from segpp.export.onnx_graph.rounded_copy import rounded_copy
from segpp.export.parity.replay_matches import MatchReplay
from segpp.images.postprocess import resize_argmax
from segpp.manifest import Parity
from segpp.ops.grid import Size
from segpp.utils.limits import default_threads

__all__ = ["MIN_AGREEMENT", "check_parity", "check_same", "measure_parity"]

# BF16 has 8 significant bits: about one pixel in a hundred changes, at the seams of classes.
MIN_AGREEMENT = {"fp32": 0.999, "fp16": 0.99, "bf16": 0.98}

Floats = NDArray[np.float32]


def measure_parity(
    model: Network,
    file: Path,
    image: ParityImage,
    *,
    precision: str,
    min_agreement: float,
    align_corners: bool = False,
) -> Parity:
    """Compare ``file`` with ``model``, which has the same reductions and is FP32.

    Masks are the file's labels where it gives them.

    In FP32, PyTorch runs once with the file's own matches, so that what differs is rounding, and
    once more with its own where some match is another one. In lower precisions it runs freely:
    matches differ by more than ties there, and the file is run as it is and with every half
    rounded, as an engine does it; of BF16 the rounded copy alone.

    Args:
        model: The network as trained, before any rewrite.
        file: What was made of it.
        image: What both see.
        precision: Of the file.
        min_agreement: Share of pixels that must agree, for ``check_parity``.
        align_corners: How the network's logits are resized to labels.

    Raises:
        CheckError: The file merges tokens that its contract would not, or gives infinities or
            not-a-numbers.
    """
    size = Size(*image.normalized.shape[2:])
    agreement_of = partial(_agreement, align_corners=align_corners)
    run = partial(_run, image=image.input, size=size, align_corners=align_corners)
    result = partial(Parity, image.name, image.sha256, min_agreement=min_agreement)
    graph = onnx.load(file)
    if precision != "fp32":
        rounded = run(rounded_copy(graph))
        _check_finite(rounded.logits, precision, image.name)
        expected = _torch_logits(model, image.normalized)
        agreement = agreement_of(expected, rounded.labels)
        if precision == "bf16":
            # ONNX Runtime has no convolution of BF16 on a CPU: of such a file the copy alone runs.
            return result(pixel_agreement=agreement)
        own = agreement_of(expected, run(graph).labels)
        return result(pixel_agreement=own, agreement_rounded=agreement)
    outcome = run(graph)
    tolerance = family_of(model.architecture).tolerance(model.architecture, size)
    replay = MatchReplay(outcome.matches, tie=tolerance)
    with matching_by(replay):
        expected = _torch_logits(model, image.normalized)
    same_matches = agreement_of(expected, outcome.labels)
    own_matches = same_matches
    if replay.differing:
        own_matches = agreement_of(_torch_logits(model, image.normalized), outcome.labels)
    return result(
        pixel_agreement=own_matches,
        agreement_given_matches=same_matches,
        max_logit_difference=float(np.abs(expected - outcome.logits).max()),
        tolerance=tolerance * float(np.abs(expected).max()),
        matches=replay.tokens,
        matches_differing=replay.differing,
    )


def check_parity(parity: Parity) -> None:
    """Raise CheckError unless the masks agree, and in FP32 the logits too."""
    agreement = parity.agreement_given_matches
    if agreement is None:
        rounded = parity.agreement_rounded
        agreement = min(parity.pixel_agreement, 1.0 if rounded is None else rounded)
    if agreement < parity.min_agreement:
        raise CheckError(
            f"the file's masks agree with FP32 PyTorch on {agreement:.5f} of the pixels",
            f"asked for: {parity.min_agreement}",
            hint="see `min_agreement`, or `check=False` to write the file all the same",
        )
    difference, tolerance = parity.max_logit_difference, parity.tolerance
    # `not <=` is true for NaN as well.
    if difference is not None and tolerance is not None and not difference <= tolerance:
        raise CheckError(
            f"the file's logits differ from PyTorch's by up to {difference:.3g}",
            f"rounding explains at most {tolerance:.3g}",
        )


def check_same(
    first: bytes, second: bytes, image: NDArray[Any], *, tolerance: float, min_agreement: float
) -> None:
    """Raise CheckError unless two files give the same outputs for an image, up to rounding.

    Args:
        first: A serialized file.
        second: Another with the same inputs and outputs.
        image: The input tensor.
        tolerance: How far floats may differ, relative to the largest.
        min_agreement: Share of the labels that must be equal.
    """
    before, after = (_outputs(file, image) for file in (first, second))
    for name, value in before.items():
        if np.issubdtype(value.dtype, np.floating):
            difference = float(np.abs(after[name] - value).max())
            fits = difference <= tolerance * float(np.abs(value).max())
        else:
            difference = float((after[name] != value).mean())
            fits = difference <= 1 - min_agreement
        if not fits:
            raise CheckError(
                f"the flat file gives other {name} than the one that was compared with PyTorch",
                f"they differ by {difference:.3g}",
            )


def _outputs(file: bytes, image: NDArray[Any]) -> dict[str, NDArray[Any]]:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = default_threads() or 0
    session = onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    [given] = session.get_inputs()
    return dict(zip(names, session.run(names, {given.name: image}), strict=True))


@dataclass(frozen=True)
class _FileOutcome:
    """What ONNX Runtime computed: logits (B, K, h, w), labels (B, H, W) and every match."""

    logits: Floats
    labels: NDArray[Any]
    matches: list[tuple[MatchSettings, Tensor]]


def _check_finite(logits: Floats, precision: str, name: str) -> None:
    """Raise CheckError for logits that no mask can be made of."""
    if (finite := float(np.isfinite(logits).mean())) < 1:
        raise CheckError(
            f"{1 - finite:.2%} of the file's logits are infinite or not a number",
            f"on {name}, with every value rounded to {precision.upper()}",
            # BF16 overflows where FP32 does: then the weights are at fault, not the precision.
            hint="export it in FP32, or in BF16, which has the same range"
            if precision == "fp16"
            else "look for such numbers among the weights of the checkpoint",
        )


def _run(
    model: onnx.ModelProto, image: NDArray[Any], size: Size, *, align_corners: bool
) -> _FileOutcome:
    matches = _different_matches(model.graph)
    logits = _logits_name(model.graph)
    # 1. Make outputs of the logits and of every match, which are values inside the graph.
    names = [logits, *(node.output[0] for node in matches)]
    outputs = {output.name for output in model.graph.output}
    inner = {value.name: value for value in model.graph.value_info}
    model.graph.output.extend(inner[name] for name in names if name not in outputs)
    # 2. Run the whole file, from its pixels if it takes pixels.
    options = onnxruntime.SessionOptions()
    # 0 is its own choice, which knows nothing of the limits of this process.
    options.intra_op_num_threads = default_threads() or 0
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    resized = _resizing(model.graph)
    names += [node.output[0] for node in resized]
    values = dict(zip(names, session.run(names, {model.graph.input[0].name: image}), strict=True))
    # 3. Labels as the runtime makes them where the file gives logits only.
    if resized:
        labels = values[resized[0].output[0]]
    else:
        full = (size.height, size.width)
        labels = resize_argmax(values[logits], full, align_corners=align_corners)
    slots = [torch.from_numpy(values[node.output[0]]) for node in matches]
    settings = map(_settings, matches)
    return _FileOutcome(values[logits], labels, list(zip(settings, slots, strict=True)))


def _different_matches(graph: onnx.GraphProto) -> list[onnx.NodeProto]:
    """Return the match nodes in order, one of those that match the same tokens alike."""
    matches: dict[tuple[str, MatchSettings], onnx.NodeProto] = {}
    for node in graph.node:
        if node.op_type == "SegppTokenMatch":
            matches.setdefault((node.input[0], _settings(node)), node)
    return list(matches.values())


def _logits_name(graph: onnx.GraphProto) -> str:
    # A file that gives labels only computes them from its logits.
    resized = _resizing(graph)
    name: str = resized[0].input[0] if resized else graph.output[0].name
    return name


def _resizing(graph: onnx.GraphProto) -> list[onnx.NodeProto]:
    """Return the node that makes labels, if the file gives any."""
    return [node for node in graph.node if node.op_type == "SegppResizeArgmax"]


def _settings(node: onnx.NodeProto) -> MatchSettings:
    values = {attribute.name: attribute.i for attribute in node.attribute}
    return MatchSettings(**{name: values[name] for name in ops.CONTRACTS[node.op_type].attributes})


def _torch_logits(model: Network, image: Floats) -> Floats:
    with torch.inference_mode():
        logits: Floats = model(torch.from_numpy(image)).numpy()
    return logits


def _agreement(logits: Floats, labels: NDArray[Any], *, align_corners: bool) -> float:
    """Return the share of pixels whose best class, of logits (B, K, h, w), is that of labels."""
    size = (labels.shape[1], labels.shape[2])
    return float(np.mean(resize_argmax(logits, size, align_corners=align_corners) == labels))
