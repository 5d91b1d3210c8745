"""An exported file with logits and labels, as writers are given it."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import onnx
import pytest

from segpp.export.config import ExportConfig
from segpp.export.pipeline import export_onnx
from segpp.export.serving.base import RequestedFile, Served
from segpp.manifest import InputSpec, read_manifest
from segpp.ops.grid import Size

# One number for all channels, as every server can have it.
MEAN, STD = (120.0, 115.0, 100.0), (58.0, 58.0, 58.0)
SIZE = Size(64, 96)

Asking = Callable[..., RequestedFile]


@pytest.fixture(scope="session")
def served(tiny_checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Served:
    """A small network that gives logits and labels, with half of its tokens merged."""
    out = tmp_path_factory.mktemp("served") / "street.onnx"
    config = ExportConfig(
        checkpoint=tiny_checkpoint, out=out, size=SIZE, outputs="both", mean=MEAN, std=STD
    )
    export_onnx(replace(config, check=False))
    return Served("street", onnx.load(out), out.read_bytes(), read_manifest(out))


@pytest.fixture
def asking(served: Served) -> Asking:
    """Return what is asked for when the file is as ``served``, but for some fields of its input."""

    def ask(
        *,
        outputs: tuple[str, ...] = ("logits", "labels"),
        classes: int = 19,
        precision: str = "fp32",
        target: str = "portable",
        **spec: object,
    ) -> RequestedFile:
        own: InputSpec = replace(served.manifest.input, **spec)  # type: ignore[arg-type]
        return RequestedFile(own, outputs, classes, precision, target)

    return ask


def with_classes(served: Served, *names: str) -> Served:
    """Return the same with the first classes called otherwise."""
    classes = served.manifest.classes
    named = replace(classes, names=(*names, *classes.names[len(names) :]))
    return replace(served, manifest=replace(served.manifest, classes=named))
