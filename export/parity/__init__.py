"""The parity check: a file must follow FP32 PyTorch on a real image, or it is not written."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import torch
from numpy.typing import NDArray

from segpp.errors import CheckError
from segpp.export.custom_ops.cell_choice import choosing_by
from segpp.export.custom_ops.torch_ops import matching_by
from segpp.export.custom_ops.window_choice import ranking_by
from segpp.export.images import ParityImage
from segpp.export.models.base import family_of
from segpp.export.models.network import Network
from segpp.export.onnx_graph.rounded_copy import rounded_copy
from segpp.export.parity.file_run import FileOutcome, run_file
from segpp.export.parity.replay_choices import ChoiceReplay
from segpp.export.parity.replay_matches import MatchReplay
from segpp.export.parity.replay_windows import WindowReplay
from segpp.images.postprocess import resize_argmax
from segpp.manifest import Parity
from segpp.ops.grid import Size
from segpp.utils.limits import default_threads

__all__ = [
    "MIN_AGREEMENT",
    "Seen",
    "check_parity",
    "check_same",
    "compare",
    "measure_parity",
]

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
    """Compare ``file`` with ``model`` on one image, as ``compare`` does.

    Raises:
        CheckError: The file merges tokens that its contract would not, or gives infinities or
            not-a-numbers.
    """
    return compare(
        model,
        file,
        [image],
        precision=precision,
        min_agreement=min_agreement,
        align_corners=align_corners,
    )[0]


def compare(
    model: Network,
    file: Path,
    images: Sequence[ParityImage],
    *,
    precision: str,
    min_agreement: float,
    align_corners: bool = False,
) -> "tuple[Parity, tuple[Seen, ...]]":
    """Compare ``file`` with ``model``, which has the same reductions and is FP32.

    Masks are the file's labels where it gives them.

    In FP32, PyTorch runs once with the file's own matches, so that what differs is rounding, and
    once more with its own where some match is another one. In lower precisions it runs freely:
    matches differ by more than ties there, and the file is run as it is and with every half
    rounded, as an engine does it; of BF16 the rounded copy alone.

    Args:
        model: The network as trained, before any rewrite.
        file: What was made of it.
        images: What both see; the first is judged.
        precision: Of the file.
        min_agreement: Share of its pixels that must agree, for ``check_parity``.
        align_corners: How the network's logits are resized to labels.

    Returns:
        How the file follows the network on the first image, and what both made of each.

    Raises:
        CheckError: The file merges tokens that its contract would not, or gives infinities or
            not-a-numbers.
    """
    judge = _judge_full if precision == "fp32" else partial(_judge_half, precision=precision)
    # The file sees all images before PyTorch sees any: both at once take twice the memory.
    judged, seen = judge(model, file, images, align_corners=align_corners)
    first = images[0]
    parity = Parity(first.name, first.sha256, min_agreement=min_agreement, **judged)
    return parity, seen


def _judge_full(
    model: Network, file: Path, images: Sequence[ParityImage], *, align_corners: bool
) -> "tuple[dict[str, Any], tuple[Seen, ...]]":
    outcomes = run_file(onnx.load(file), images, align_corners=align_corners)
    tolerance, first = _tolerance(model, images[0]), images[0]
    replays = [MatchReplay(outcome.matches, tie=tolerance) for outcome in outcomes]
    choices = [ChoiceReplay(outcome.choices, tie=tolerance) for outcome in outcomes]
    windows = [WindowReplay(outcome.slots, tie=tolerance) for outcome in outcomes]
    seen = []
    every = zip(images, outcomes, replays, choices, windows, strict=True)
    for image, outcome, replay, choice, window in every:
        with matching_by(replay), choosing_by(choice), ranking_by(window):
            expected = _torch_logits(model, image.normalized)
        seen.append(Seen(expected, outcome, tolerance))
    agreement_of = partial(_agreement, align_corners=align_corners)
    same_matches = own_matches = agreement_of(seen[0].expected, outcomes[0].labels)
    if replays[0].differing or choices[0].differing or windows[0].differing:
        own_matches = agreement_of(_torch_logits(model, first.normalized), outcomes[0].labels)
    difference = np.abs(seen[0].expected - outcomes[0].logits).max()
    return {
        "pixel_agreement": own_matches,
        "agreement_given_matches": same_matches,
        "max_logit_difference": float(difference),
        "tolerance": tolerance * seen[0].largest,
        "matches": replays[0].tokens,
        "matches_differing": replays[0].differing + windows[0].differing,
    }, tuple(seen)


def _judge_half(
    model: Network,
    file: Path,
    images: Sequence[ParityImage],
    *,
    precision: str,
    align_corners: bool,
) -> "tuple[dict[str, Any], tuple[Seen, ...]]":
    # ONNX Runtime has no convolution of BF16 on a CPU: of such a file the rounded copy alone runs.
    is_bf16 = precision == "bf16"
    run = partial(run_file, align_corners=align_corners)
    rounded = run(rounded_copy(onnx.load(file)), images if is_bf16 else images[:1])
    _check_finite(rounded[0].logits, precision, images[0].name)
    outcomes = rounded if is_bf16 else run(onnx.load(file), images)
    tolerance = _tolerance(model, images[0])
    seen = tuple(
        Seen(_torch_logits(model, image.normalized), outcome, tolerance)
        for image, outcome in zip(images, outcomes, strict=True)
    )
    agreement_of = partial(_agreement, seen[0].expected, align_corners=align_corners)
    judged = {"pixel_agreement": agreement_of(outcomes[0].labels)}
    if not is_bf16:
        judged["agreement_rounded"] = agreement_of(rounded[0].labels)
    return judged, seen


def _tolerance(model: Network, image: ParityImage) -> float:
    """Return how far rounding moves a logit, relative to the largest."""
    size = Size(*image.normalized.shape[2:])
    return float(family_of(model.architecture).tolerance(model.architecture, size))


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
class Seen:
    """What was made of one image.

    Attributes:
        expected: Logits (B, K, h, w) of FP32 PyTorch; in FP32 it merged what the file merged.
        outcome: What the file gave.
        tolerance: How far rounding moves a logit, relative to the largest.
    """

    expected: Floats
    outcome: FileOutcome
    tolerance: float

    @property
    def largest(self) -> float:
        """The largest magnitude of a logit."""
        return float(np.abs(self.expected).max())

    @property
    def tie_margin(self) -> float:
        """How close two logits may be for rounding to decide between them: each may be off."""
        return 2 * self.tolerance * self.largest


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


def _torch_logits(model: Network, image: Floats) -> Floats:
    with torch.inference_mode():
        logits: Floats = model(torch.from_numpy(image)).numpy()
    return logits


def _agreement(logits: Floats, labels: NDArray[Any], *, align_corners: bool) -> float:
    """Return the share of pixels whose best class, of logits (B, K, h, w), is that of labels."""
    size = (labels.shape[1], labels.shape[2])
    return float(np.mean(resize_argmax(logits, size, align_corners=align_corners) == labels))
