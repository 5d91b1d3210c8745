"""From a request and a checkpoint to settled sizes, classes, input and token counts."""

from segpp.errors import InputError
from segpp.export.config import AUTO, ExportRequest, Settled
from segpp.export.models.precision import PRECISIONS
from segpp.export.models.segformer.input_size import DEFAULT_SIZE, check_size
from segpp.export.models.segformer.loading import Checkpoint
from segpp.export.models.segformer.presets import describe
from segpp.export.models.segformer.rewrites._apply import rewrites_for
from segpp.export.models.segformer.sites import stage_grids
from segpp.export.onnx_graph.io_wrapper import INPUTS, OUTPUTS
from segpp.export.parity import MIN_AGREEMENT
from segpp.export.targets import ONNXRUNTIME, PORTABLE
from segpp.images.palette import default_palette
from segpp.manifest import Classes, InputSpec
from segpp.utils.choices import check_choice

__all__ = ["check_request", "min_agreement", "settle"]

# ImageNet's, on the 0-255 scale: what every published SegFormer was trained with.
_MEAN = (123.675, 116.28, 103.53)
_STD = (58.395, 57.12, 57.375)

_MAX_BATCH = 64


def check_request(request: ExportRequest) -> None:
    """Raise InputError for numbers and names that no checkpoint could make right."""
    check_choice(request.precision, PRECISIONS, kind="precision")
    check_choice(request.input, INPUTS, kind="input")
    check_choice(request.output, OUTPUTS, kind="output")
    rewrites_for(request.target, off=request.rewrites_off)
    if request.target == ONNXRUNTIME and request.precision != "fp32":
        raise InputError(
            f"--target {ONNXRUNTIME} with --precision {request.precision}",
            "ONNX Runtime's own attention computes in FP32 on a CPU",
            hint=f"leave --target at {PORTABLE}, or --precision at fp32",
        )
    for given in (request.checkpoint, request.image, *request.images):
        if given and given.exists() and request.out.exists() and request.out.samefile(given):
            raise InputError(f"the ONNX file would overwrite {given}", hint="name another file")
    if request.size is not None:
        check_size(request.size)
    if not 1 <= request.batch <= _MAX_BATCH:
        raise InputError(f"a batch of {request.batch} images", f"allowed: 1 to {_MAX_BATCH}")
    _check_matches(request)
    if request.min_agreement is not None and not 0 <= request.min_agreement <= 1:
        raise InputError(f"--min-agreement {request.min_agreement:g}", "allowed: 0 to 1")


def _check_matches(request: ExportRequest) -> None:
    if request.match_every != AUTO:
        if request.match_every < 1:
            raise InputError(
                f"--match-interval {request.match_every}",
                hint="1 matches in every block, as in the paper",
            )
        if request.images:
            raise InputError(
                "--search-images goes with --match-interval auto, which measures on them"
            )
        return
    plan = request.plan or {}
    if not any(reduction.is_content_based for reduction in plan.values()):
        methods = ", ".join(sorted({reduction.name for reduction in plan.values()}))
        raise InputError(
            f"--match-interval {AUTO} has no match to use again",
            f"{methods} looks at the grid alone" if plan else "no tokens are merged",
            hint="merge by similarity, as with --preset hq or --ratio 0.5",
        )


def settle(request: ExportRequest, checkpoint: Checkpoint) -> Settled:
    """Bring the two together.

    Raises:
        InputError: The size does not fit the network, or a reduction its grid.
    """
    size = request.size or checkpoint.size or DEFAULT_SIZE
    check_size(size)
    _check_labels_possible(request, checkpoint)
    plan = request.plan or {}
    match_every = 1 if request.match_every == AUTO else request.match_every
    return Settled(
        request=request,
        checkpoint=checkpoint,
        plan=plan,
        size=size,
        classes=checkpoint.classes or _unnamed(checkpoint.architecture.classes),
        input=_input_spec(request, checkpoint, (size.height, size.width)),
        sites=describe(plan, stage_grids(size), match_every=match_every),
        match_every=match_every,
    )


def _check_labels_possible(request: ExportRequest, checkpoint: Checkpoint) -> None:
    if "labels" in OUTPUTS[request.output] and checkpoint.numerics.align_corners:
        raise InputError(
            f"--outputs {request.output} cannot follow a {checkpoint.layout} checkpoint",
            "it resizes logits with align_corners=True, the operator for labels with False",
            hint="--outputs logits: segpp-run resizes them as in training",
        )


def min_agreement(request: ExportRequest) -> float:
    """Return the share of pixels that must agree."""
    if request.min_agreement is not None:
        return request.min_agreement
    return MIN_AGREEMENT[request.precision]


def _input_spec(request: ExportRequest, checkpoint: Checkpoint, size: tuple[int, int]) -> InputSpec:
    channels = checkpoint.architecture.channels
    pixels = request.input == "uint8"
    return InputSpec(
        name="image",
        shape=(request.batch, *size, channels) if pixels else (request.batch, channels, *size),
        dtype="uint8" if pixels else "float32",
        layout="NHWC" if pixels else "NCHW",
        colours="RGB",
        mean=checkpoint.mean or _repeated(_MEAN, channels),
        std=checkpoint.std or _repeated(_STD, channels),
    )


def _repeated(values: tuple[float, ...], channels: int) -> tuple[float, ...]:
    # Several frames stacked (9 channels) repeat the colours; anything else gets neutral values
    # that the caller must know to be his own business.
    if channels % len(values) == 0:
        return values * (channels // len(values))
    return (sum(values) / len(values),) * channels


def _unnamed(count: int) -> Classes:
    names = tuple(f"class {index}" for index in range(count))
    return Classes(names, default_palette(count))
