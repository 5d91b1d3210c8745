"""What an exported file is, as its manifest tells it."""

import platform
from importlib.metadata import version
from pathlib import Path
from typing import Literal

import onnx

from segpp import __version__
from segpp.export.config import OUTPUTS
from segpp.export.config.recorded import recorded_options
from segpp.export.config.resolve import ResolvedExport
from segpp.export.onnx_graph.io_wrapper import file_input
from segpp.manifest import FileInfo, Manifest, OutputSpec, Parity, Source
from segpp.utils.files import sha256_of

__all__ = ["file_manifest"]

# As the manifest calls them.
_PRECISIONS: dict[str, Literal["fp32", "fp16", "bf16"]] = {
    "fp32": "fp32",
    "fp16": "fp16",
    "bf16": "bf16",
}

_RECORDED_PACKAGES = (
    "torch",
    "onnx",
    "onnxscript",
    "onnx-ir",
    "onnxruntime",
    "numpy",
)


def file_manifest(
    plan: ResolvedExport,
    graph: onnx.ModelProto,
    part: Path,
    parity: Parity | None,
    notes: tuple[str, ...],
) -> Manifest:
    """Return the manifest of a file that was checked, before it has its place.

    Args:
        plan: What was asked for.
        graph: The file's own.
        part: Where it lies now.
        parity: How it follows PyTorch, if that was looked at.
        notes: What a person must know, one sentence each.
    """
    config, checkpoint = plan.config, plan.checkpoint
    packages = {name: version(name) for name in _RECORDED_PACKAGES}
    return Manifest(
        kind="onnx",
        segpp=__version__,
        file=FileInfo(config.out.name, sha256_of(part), part.stat().st_size),
        source=Source(config.checkpoint.name, checkpoint.sha256, checkpoint.format),
        architecture=checkpoint.architecture,
        classes=plan.classes,
        input=file_input(plan.input, config.input_dtype, config.picture),
        outputs=tuple(
            _output_spec(plan, kind, output)
            for kind, output in zip(OUTPUTS[config.outputs], graph.graph.output, strict=True)
        ),
        reduction=plan.sites,
        precision=_PRECISIONS[config.precision],
        tools={"python": platform.python_version(), **packages},
        parity=parity,
        origins=plan.origins,
        match_search=plan.sharing.search,
        notes=notes if config.check else (*notes, "not compared with PyTorch (--no-check)"),
        options=recorded_options(plan),
    )


def _output_spec(plan: ResolvedExport, kind: str, output: onnx.ValueInfoProto) -> OutputSpec:
    tensor = output.type.tensor_type
    return OutputSpec(
        name=output.name,
        kind="labels" if kind == "labels" else "logits",
        shape=tuple(dim.dim_value for dim in tensor.shape.dim),
        dtype=onnx.helper.tensor_dtype_to_np_dtype(tensor.elem_type).name,
        align_corners=plan.checkpoint.align_corners,
    )
