"""Networks with random weights, by name: labels mean nothing, times are those of trained ones.

SegFormers b0 to b5, Segmenters of ViTs (Strudel et al., 2021, arXiv:2105.05633, table 1) and EoMTs
(Kerssies et al., CVPR 2025, arXiv:2503.19108) as transformers saves them.
"""

from pathlib import Path

from benchmarks.distillation.vit.new_eomt import EomtSize, new_eomt
from benchmarks.distillation.vit.new_segmenter import new_segmenter, write_segmenter
from benchmarks.networks.baselines import write_random
from segpp.export.models.segformer.architecture import SIZES
from segpp.ops.grid import Grid, Size

__all__ = ["NAMES", "random_network"]

# Blocks, side of a patch, classes of Cityscapes; and by name the channels of a token.
DEPTH, PATCH, CLASSES = 12, 16, 19
SEGMENTERS = {"segmenter-ti": 192, "segmenter-s": 384, "segmenter-b": 768}
# Channels of a token, blocks, blocks with queries, heads.
EOMTS = {"eomt-s": (384, 12, 3, 6), "eomt-b": (768, 12, 3, 12), "eomt-l": (1024, 24, 4, 16)}
NAMES = (*SIZES, *SEGMENTERS, *EOMTS)


def random_network(name: str, size: Size, decoder: int, folder: Path) -> Path:
    """Write a checkpoint into a folder, and return where it is.

    Args:
        name: One of ``NAMES``.
        size: Of its pictures, for those that have positions.
        decoder: Channels of a SegFormer's head.
        folder: That exists.
    """
    if name in EOMTS:
        return _eomt(name, size, folder / "eomt")
    path = folder / "random.pth"
    if name in SIZES:
        write_random(name, decoder, path)
    else:
        grid = Grid(size.height // PATCH, size.width // PATCH)
        write_segmenter(
            path, new_segmenter(SEGMENTERS[name], DEPTH, PATCH, grid, CLASSES), grid, {}
        )
    return path


def _eomt(name: str, size: Size, folder: Path) -> Path:
    dim, depth, joined, heads = EOMTS[name]
    classes = [f"class {number}" for number in range(CLASSES)]
    return new_eomt(EomtSize(dim, depth, joined, heads, size.height, 100), classes, folder)
