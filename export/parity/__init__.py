"""The gate: an exported file must follow FP32 PyTorch on a real image, or it is not written."""

from dataclasses import dataclass
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
from segpp.export.models.segformer.model import SegFormer
from segpp.export.models.segformer.tolerance import relative_tolerance
from segpp.export.parity.replay_matches import GivenMatches
from segpp.images.postprocess import resize_argmax

__all__ = ["MIN_AGREEMENT", "Measured", "check_parity", "measure"]

MIN_AGREEMENT = {"fp32": 0.999, "fp16": 0.99}

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Measured:
    """What was measured; the fields are those of ``segpp.manifest.Parity``."""

    pixel_agreement: float
    agreement_given_matches: float | None = None
    max_logit_difference: float | None = None
    tolerance: float | None = None
    matches: int = 0
    matches_differing: int = 0


def measure(
    model: SegFormer,
    file: Path,
    image: Floats,
    *,
    precision: str,
    fed: NDArray[Any] | None = None,
) -> Measured:
    """Compare ``file`` with ``model``, which has the same reductions and is FP32.

    Masks are the file's labels where it gives them.

    Args:
        image: The input (B, channels, H, W), normalised.
        fed: The same as the file takes it, if otherwise.

    Raises:
        CheckError: The file merges tokens that its contract would not.
    """
    size = (image.shape[2], image.shape[3])
    logits, found, recorded = _run(file, image if fed is None else fed, size)
    # The keys of a block are at most one token per 32 x 32 pixels.
    keys = image.shape[2] * image.shape[3] // 1024
    tolerance = relative_tolerance(model.architecture, keys)
    if precision != "fp32":
        return Measured(_agreement(_torch(model, image), found))
    given = GivenMatches(recorded, tie=tolerance)
    with matching_by(given):
        expected = _torch(model, image)
    same_matches = _agreement(expected, found)
    free = _torch(model, image) if given.differing else expected
    return Measured(
        pixel_agreement=_agreement(free, found) if given.differing else same_matches,
        agreement_given_matches=same_matches,
        max_logit_difference=float(np.abs(expected - logits).max()),
        tolerance=tolerance * float(np.abs(expected).max()),
        matches=given.tokens,
        matches_differing=given.differing,
    )


def check_parity(measured: Measured, min_agreement: float) -> None:
    """Raise CheckError unless the masks agree, and in FP32 the logits too."""
    agreement = measured.agreement_given_matches
    if agreement is None:
        agreement = measured.pixel_agreement
    if agreement < min_agreement:
        raise CheckError(
            f"the file's masks agree with FP32 PyTorch on {agreement:.5f} of the pixels",
            f"asked for: {min_agreement}",
            hint="see --min-agreement, or --no-check to write the file all the same",
        )
    difference, tolerance = measured.max_logit_difference, measured.tolerance
    # `not <=` is true for NaN as well.
    if difference is not None and tolerance is not None and not difference <= tolerance:
        raise CheckError(
            f"the file's logits differ from PyTorch's by up to {difference:.3g}",
            f"rounding explains at most {tolerance:.3g}",
        )


def _run(
    file: Path, fed: NDArray[Any], size: tuple[int, int]
) -> tuple[Floats, NDArray[Any], list[tuple[MatchSettings, Tensor]]]:
    """Return the file's logits, its labels, and what it matched."""
    model = onnx.load(file)
    matches = [node for node in model.graph.node if node.op_type == "SegppTokenMatch"]
    logits = _logits_name(model.graph)
    wanted = [logits, *(node.output[0] for node in matches)]
    given = {output.name for output in model.graph.output}
    inner = {value.name: value for value in model.graph.value_info}
    model.graph.output.extend(inner[name] for name in wanted if name not in given)
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    names = [*wanted, *given & {"labels"}]
    values = dict(zip(names, session.run(names, {model.graph.input[0].name: fed}), strict=True))
    found = values.get("labels")
    if found is None:
        found = resize_argmax(values[logits], size)
    slots = [torch.from_numpy(values[node.output[0]]) for node in matches]
    return values[logits], found, list(zip(map(_settings, matches), slots, strict=True))


def _logits_name(graph: onnx.GraphProto) -> str:
    # A file that gives labels only computes them from its logits.
    resized = [node.input[0] for node in graph.node if node.op_type == "SegppResizeArgmax"]
    name: str = resized[0] if resized else graph.output[0].name
    return name


def _settings(node: onnx.NodeProto) -> MatchSettings:
    values = {attribute.name: attribute.i for attribute in node.attribute}
    return MatchSettings(**{name: values[name] for name in ops.CONTRACTS[node.op_type].attributes})


def _torch(model: SegFormer, image: Floats) -> Floats:
    with torch.inference_mode():
        logits: Floats = model(torch.from_numpy(image)).numpy()
    return logits


def _agreement(expected: Floats, found: NDArray[Any]) -> float:
    return float(np.mean(resize_argmax(expected, found.shape[1:]) == found))
