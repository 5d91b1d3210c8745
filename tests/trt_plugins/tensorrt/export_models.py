"""Export one network with random weights in every way that the tests parse.

    python -m tests.trt_plugins.tensorrt.export_models b0 SIZE FOLDER

``b0`` and ``b2`` are SegFormers, ``vit`` is a small Segmenter.

One process for all of them: importing torch takes as long as an export.
"""

import sys
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

REDUCTIONS = {
    "none": ("--preset", "none"),
    "hq": ("--preset", "hq"),
    "fast": ("--preset", "fast"),
    "half": ("--ratio", "0.5"),
}
VIT_REDUCTIONS = {
    "none": ("--preset", "none"),
    "half": ("--ratio", "0.5"),
    "tokens": ("--reduce", "1.tokens=bsm", "--reduce", "2.tokens=bsm:sy=1,sx=2,ratio=0.25"),
}
PRECISIONS = ("fp32", "fp16", "bf16")
# One file of them is enough to see what a parser makes of a type.
IN_BF16 = ("none", "hq")


def _segformer(name: str, folder: Path) -> Path:
    torch.manual_seed(0)
    model = SegFormer(segformer(name, classes=19), FORMATS["mmsegmentation"].numerics)
    checkpoint = folder / f"{name}.pth"
    torch.save({"state_dict": state_dict_for("mmsegmentation", model.state_dict())}, checkpoint)
    return checkpoint


def _vit(name: str, folder: Path) -> Path:
    own = folder / name
    own.mkdir()
    return save_segmenter(own, reference(size=(64, 64), distilled=True, classes=19))


def main() -> int:
    name, size, folder = sys.argv[1], sys.argv[2], Path(sys.argv[3])
    save, reductions = (_vit, VIT_REDUCTIONS) if name == "vit" else (_segformer, REDUCTIONS)
    checkpoint = save(name, folder)
    for (label, reduction), precision in product(reductions.items(), PRECISIONS):
        if precision == "bf16" and label not in IN_BF16:
            continue
        out = folder / f"{name}-{label}-{precision}.onnx"
        options = (*reduction, "--size", size, "--precision", precision, "--outputs", "both")
        if code := segpp(["export", str(checkpoint), str(out), "--no-check", *options]):
            return code
    return 0


if __name__ == "__main__":
    sys.exit(main())
