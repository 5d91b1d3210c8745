r"""How many classes can win in a cell of four logits, on pictures: labels take so much work.

    python -m benchmarks.kernels.label_cells --checkpoint FILE --images FOLDER \
        --out docs/results/label_cells_camvid.json

PyTorch runs the network, and in every cell those classes are counted that the kernel interpolates:
whose highest corner is not below the lowest corner of another. A warp labels 30 cells of a row and
goes on for the lane with the most, so written down is how many warps go on for how many. What its
other two lanes see, which label nothing of their own, is left out; it adds half a percent.
"""

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F
from tqdm import tqdm

from benchmarks.common.in_pytorch import read_stretched
from benchmarks.kernels.left_classes import RESULT
from benchmarks.kernels.token_maps import arguments, spread
from segpp.images.preprocess import load_image, prepare
from segpp.ops.grid import Size
from segpp.utils.files import check_writable

__all__ = ["warps_by_classes"]

# Cells of a warp, a lane each; two lanes more look at the corners to the right.
_COLUMNS = 30


def main() -> None:
    """Run all pictures and write the counts."""
    args = arguments((__doc__ or "").splitlines()[0], RESULT)
    check_writable(args.out)
    images = spread(sorted(args.images.iterdir()), args.limit)
    found = {
        "checkpoint": args.checkpoint.name,
        "data": "/".join(args.images.parts[-3:]),
        "images": len(images),
        "warps": {str(size): counted(args.checkpoint, images, size) for size in args.sizes},
    }
    args.out.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")


def counted(checkpoint: Path, images: Sequence[Path], size: Size) -> dict[int, int]:
    """Return how many warps go on for how many classes, of pictures stretched to ``size``."""
    read, spec = read_stretched(checkpoint, size)
    network, warps = read.build(), Counter[int]()
    with torch.inference_mode():
        for image in tqdm(images, desc=str(size)):
            logits = network(torch.from_numpy(prepare([load_image(image)], spec)))
            # As an engine of halves has them.
            warps.update(warps_by_classes(logits[0].half().float()).tolist())
    return dict(sorted(warps.items()))


def warps_by_classes(logits: Tensor) -> NDArray[np.int64]:
    """Return for every warp the most classes that can win in one of its cells.

    Args:
        logits: (K, h, w). Cells lie between them and around them: h + 1 rows of w + 1.
    """
    # Around the picture its border goes on.
    wide = F.pad(logits[None], (1, 1, 1, 1), mode="replicate")
    highest, lowest = F.max_pool2d(wide, 2, 1)[0], -F.max_pool2d(-wide, 2, 1)[0]
    winners = (highest >= lowest.amax(0)).sum(0)
    winners = F.pad(winners, (0, -winners.shape[1] % _COLUMNS))
    most: NDArray[np.int64] = winners.reshape(-1, _COLUMNS).amax(1).numpy()
    return most


if __name__ == "__main__":
    main()
