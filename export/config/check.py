"""What is wrong with a config whatever its checkpoint holds, told before torch is imported."""

import re

from segpp.errors import ImageError, InputError, OutputError
from segpp.export.checkpoints.check_weights import check_weights
from segpp.export.checkpoints.choices import ReadChoices, check_choices
from segpp.export.config import (
    AUTO,
    INPUTS,
    OUTPUT_TYPES,
    OUTPUTS,
    PRECISIONS,
    ExportConfig,
    gates_of,
    reduction_of,
)
from segpp.export.images import images_in
from segpp.export.models.base import ModelFamily, check_with_any, families_for
from segpp.export.models.rewriting import select_rewrites
from segpp.export.reduction.config import ReductionConfig, count_tokens
from segpp.export.reduction.counts import check_counted
from segpp.export.reduction.gates.config import check_beside, chooses_on_images
from segpp.export.serving.base import SERVERS
from segpp.export.serving.folders import check_folders
from segpp.export.targets import ONNXRUNTIME, PLAIN, PORTABLE, TARGETS
from segpp.images.fit import FITS
from segpp.utils.choices import check_choice
from segpp.utils.files import certificate_path, check_file, manifest_path
from segpp.utils.overwrite import check_output_file

__all__ = ["check_config"]

_MAX_BATCH = 64
_LEAST_SIDE, _MOST_SIDE = 32, 8192
# Of an input or output: what the readers of ONNX files take.
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.:/-]{0,127}")
_SUFFIX = ".onnx"


def check_config(config: ExportConfig) -> None:
    """Raise InputError for names, numbers and files that no checkpoint could make right."""
    _check_names(config)
    _check_precision(config)
    _check_tensor_names(config)
    _check_numbers(config)
    _check_picture(config)
    _check_match_interval(config)
    check_with_any(lambda family: _check_with(family, config))
    _check_output(config)
    _check_inputs(config)


def _check_names(config: ExportConfig) -> None:
    check_choice(config.precision, PRECISIONS, kind="precision")
    check_choice(config.input_dtype, INPUTS, kind="input")
    check_choice(config.output_dtype, OUTPUT_TYPES, kind="output type")
    check_choice(config.outputs, OUTPUTS, kind="output")
    check_choice(config.target, TARGETS, kind="target")
    if config.fit is not None:
        check_choice(config.fit, FITS, kind="fit")
    check_choices(ReadChoices(weights=config.weights, colors=config.colors))
    families_for(config.checkpoint_format)
    for server in config.serve_for:
        check_choice(server, SERVERS, kind="server")


def _check_precision(config: ExportConfig) -> None:
    """Raise InputError for types that do not go together."""
    if config.target == ONNXRUNTIME and config.precision != "fp32":
        raise InputError(
            f"`target={ONNXRUNTIME}` with `precision={config.precision}`",
            "ONNX Runtime's own attention computes in FP32 on a CPU",
            hint=f"leave `target` at {PORTABLE}, or `precision` at fp32",
        )
    if config.target == PLAIN and config.precision == "bf16":
        raise InputError(
            f"`target={PLAIN}` with `precision=bf16`",
            "readers of flat graphs have no operators of that type",
            hint=f"leave `target` at {PORTABLE}, or take `precision=fp16`",
        )
    for name, value in (("input_dtype", config.input_dtype), ("output_dtype", config.output_dtype)):
        if value == "float16" and config.precision != "fp16":
            raise InputError(
                f"`{name}=float16` with `precision={config.precision}`",
                "halves would be rounded once more, and nothing computes in them",
                hint=f"take `precision=fp16`, or leave `{name}` at float32",
            )
    if config.output_dtype != "float32" and config.outputs == "labels":
        raise InputError(
            f"`output_dtype={config.output_dtype}` with `outputs=labels`",
            "labels are whole numbers, and the type is that of logits",
            hint="leave out `output_dtype`, or take `outputs=both`",
        )


def _check_tensor_names(config: ExportConfig) -> None:
    """Raise InputError unless input and outputs can be called as the caller wants."""
    wanted = OUTPUTS[config.outputs]
    names = (config.input_name, *(config.output_names or wanted))
    for name in names:
        if not _NAME.fullmatch(name):
            raise InputError(
                f"{name!r:.80} is no name for an input or output",
                "a letter or underscore, then letters, digits and _ . : / - , at most 128",
            )
    if len(set(names)) != len(names):
        raise InputError(f"two of the names {', '.join(names)} are the same")
    if config.output_names and len(config.output_names) != len(wanted):
        raise InputError(
            f"--output-name gives {len(config.output_names)} names for {len(wanted)} outputs",
            hint=f"one for each, in this order: {','.join(wanted)}",
        )


def _check_numbers(config: ExportConfig) -> None:
    if not 1 <= config.batch <= _MAX_BATCH:
        raise InputError(f"a batch of {config.batch} images", f"allowed: 1 to {_MAX_BATCH}")
    if config.min_agreement is not None and not 0 <= config.min_agreement <= 1:
        raise InputError(f"`min_agreement={config.min_agreement:g}`", "allowed: 0 to 1")


def _check_picture(config: ExportConfig) -> None:
    """Raise InputError unless a file that resizes pictures takes pixels and gives labels."""
    if config.picture is None:
        return
    wanted = {"input_dtype": "uint8", "outputs": "labels"}
    for name, value in wanted.items():
        if (given := getattr(config, name)) != value:
            raise InputError(
                f"`picture={config.picture}` with `{name}={given}`",
                "a file that resizes pictures itself takes their pixels and labels each of them",
                hint="`made_for=engine`, which is pixels in and class numbers out",
            )
    if config.reference is not None:
        raise InputError(
            f"`picture={config.picture}` with `reference`",
            "its inputs are of the network's size",
            hint="compare a file without `picture`",
        )
    if min(config.picture) < _LEAST_SIDE or max(config.picture) > _MOST_SIDE:
        raise InputError(
            f"`picture={config.picture}`", f"a side has {_LEAST_SIDE} to {_MOST_SIDE} pixels"
        )


def _check_match_interval(config: ExportConfig) -> None:
    if config.match_interval == AUTO:
        return
    if config.match_interval < 1:
        raise InputError(
            f"`match_interval={config.match_interval}`",
            hint="1 matches in every block, as in the paper",
        )


def _check_with(family: ModelFamily, config: ExportConfig) -> None:
    reduction, gates = reduction_of(config, family), gates_of(config, family)
    check_beside(gates, reduction)
    check_counted(config.counts, reduction)
    if config.search_images and config.match_interval != AUTO and not chooses_on_images(gates):
        raise InputError(
            f"`search_images` goes with `match_interval={AUTO}`, which measures on them, or with a "
            "fixed channel gate, which chooses on them"
        )
    if config.heads is not None:
        family.check_heads(config.heads)
    if config.size is not None:
        family.check_size(config.size)
        grids = family.grids(config.size, reduction)
        # A site of another family is told with the checkpoint's.
        count_tokens({s: r for s, r in reduction.items() if s in grids}, grids)
    if config.match_interval == AUTO and not any(r.serves_blocks for r in reduction.values()):
        raise InputError(
            f"`match_interval={AUTO}` has no match to use again",
            _why_none_is_shared(reduction),
            hint="merge by similarity in blocks, as with `preset=hq` or `ratio=0.5`",
        )
    select_rewrites(family.rewrites(), config.target, off=config.rewrites_off)


def _why_none_is_shared(reduction: ReductionConfig) -> str:
    if not reduction:
        return "no tokens are merged"
    compare = any(r.is_content_based for r in reduction.values())
    methods = ", ".join(sorted({r.name for r in reduction.values()}))
    return f"{methods} {'compares no tokens in a block' if compare else 'looks at the grid alone'}"


def _check_output(config: ExportConfig) -> None:
    chosen_on = [*config.search_images, *config.counts.images]
    read = [config.checkpoint, config.parity_image, config.reference, *chosen_on]
    inputs = [path for path in read if path is not None]
    # What runs a file knows it by its name.
    is_onnx = config.out.suffix.lower() == _SUFFIX
    check_output_file(config.out, "onnx", inputs=inputs, force=config.force or not is_onnx)
    if not is_onnx:
        raise OutputError(
            f"{config.out} does not end in {_SUFFIX}, and would not be run",
            hint=f"name it {config.out.stem}{_SUFFIX}",
        )
    check_output_file(manifest_path(config.out), "manifest", inputs=inputs, force=config.force)
    certificate = certificate_path(config.out)
    check_output_file(certificate, "certificate", inputs=inputs, force=config.force)
    check_folders(config.out, config.serve_for, inputs=inputs, force=config.force)


def _check_inputs(config: ExportConfig) -> None:
    check_weights(config.checkpoint)
    given = () if config.parity_image is None else (config.parity_image,)
    for image in (*given, *images_in([*config.search_images, *config.counts.images])):
        check_file(image, kind="image", error=ImageError)
