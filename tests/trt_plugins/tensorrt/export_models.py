"""Export one network with random weights in every way that the tests parse.

    python -m tests.trt_plugins.tensorrt.export_models b0 SIZE FOLDER

``b0`` and ``b2`` are SegFormers, ``vit`` is a small Segmenter, and ``settings`` a SegFormer of five
blocks with every setting of every site.

One process for all of them: importing torch takes as long as an export.
"""

import sys
from collections.abc import Iterator, Sequence
from itertools import product
from pathlib import Path

import torch

from segpp.cli import main as segpp
from segpp.export.models.segformer.architecture import segformer
from segpp.export.models.segformer.loading import state_dict_for
from segpp.export.models.segformer.loading.formats import FORMATS
from segpp.export.models.segformer.model import SegFormer
from tests.export.models.vit.checkpoints import save_segmenter
from tests.export.models.vit.references import reference
from tests.export.reduction.every_setting import SETTINGS, flags
from tests.helpers.checkpoints import MINIATURE

__all__ = ["SETTINGS_NAME"]

SETTINGS_NAME, VIT_NAME = "settings", "vit"

REDUCTIONS = {
    "none": ("--preset", "none"),
    "hq": ("--preset", "hq"),
    "fast": ("--preset", "fast"),
    "half": ("--ratio", "0.5"),
}
VIT_REDUCTIONS = {
    "none": ("--preset", "none"),
    "half": ("--ratio", "0.5"),
    "algm": ("--reduce", "1.tokens=clap:count=1", "--reduce", "2.tokens=gbm:count=4"),
    "shared": ("--reduce", "embed.patches=flat:count=1", "--reduce", "1.tokens=gbm:count=4"),
    "passed": ("--reduce", "1.tokens=gbm:count=4", "--reduce", "2.tokens=pass:count=4"),
    "tokens": ("--reduce", "1.tokens=bsm", "--reduce", "2.tokens=bsm:sy=1,sx=2,ratio=0.25"),
}
# Only of B0: its head and blocks are those of all.
TENSORRT = ("--preset", "hq", "--target", "tensorrt")
PRECISIONS = ("fp32", "fp16", "bf16")
# One file of them is enough to see what a parser makes of a type.
IN_BF16 = ("none", "hq")


def main() -> int:
    """Export all files of one network."""
    name, size, folder = sys.argv[1], sys.argv[2], Path(sys.argv[3])
    checkpoint = (_vit if name == VIT_NAME else _segformer)(name, folder)
    for label, precision, choice in _files(name):
        out = folder / f"{name}-{label}-{precision}.onnx"
        options = (*choice, "--size", size, "--precision", precision, "--outputs", "both")
        if code := segpp(["export", str(checkpoint), str(out), "--no-check", *options]):
            return code
    return 0


def _segformer(name: str, folder: Path) -> Path:
    torch.manual_seed(0)
    architecture = MINIATURE if name == SETTINGS_NAME else segformer(name, classes=19)
    model = SegFormer(architecture, FORMATS["mmsegmentation"].numerics)
    checkpoint = folder / f"{name}.pth"
    torch.save({"state_dict": state_dict_for("mmsegmentation", model.state_dict())}, checkpoint)
    return checkpoint


def _vit(name: str, folder: Path) -> Path:
    own = folder / name
    own.mkdir()
    return save_segmenter(own, reference(size=(64, 64), distilled=True, classes=19))


def _files(name: str) -> Iterator[tuple[str, str, Sequence[str]]]:
    """Yield a label, a precision and flags for each file."""
    if name == SETTINGS_NAME:
        yield from ((label, "fp16", flags(label)) for label in SETTINGS)
        return
    reductions = VIT_REDUCTIONS if name == VIT_NAME else REDUCTIONS
    for (label, reduction), precision in product(reductions.items(), PRECISIONS):
        if precision != "bf16" or label in IN_BF16:
            yield label, precision, reduction
    if name == "b0":
        yield from (("tensorrt", precision, TENSORRT) for precision in ("fp16", "bf16"))


if __name__ == "__main__":
    sys.exit(main())
