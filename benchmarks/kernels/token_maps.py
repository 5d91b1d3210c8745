r"""How many tokens share a slot, on pictures: the work of merge depends on it.

    python -m benchmarks.kernels.token_maps --checkpoint FILE --images FOLDER \
        --out docs/results/token_maps_camvid.json

PyTorch runs the network with several settings of merging, and every match is written down: a
histogram of the lists over all pictures, and the lists of the first picture in the order of their
slots. Slots that hold a token that was kept are left out; they have one member each.
"""

import argparse
import json
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from tqdm import tqdm

from benchmarks.common.in_pytorch import read_stretched
from benchmarks.kernels.list_lengths import RESULT, TokenMap
from segpp.export.custom_ops.torch_ops import MatchSettings, matching_by, plain_match
from segpp.export.models.network import Network
from segpp.export.models.segformer.presets import reduction_config
from segpp.export.reduction.config import ReductionConfig
from segpp.images.preprocess import load_image, prepare
from segpp.manifest import InputSpec
from segpp.ops.grid import Size, parse_size
from segpp.utils.files import check_writable

# 2x2 cells and half of all tokens: two members a slot, on average.
PLANS: Mapping[str, ReductionConfig] = {
    "hq": reduction_config(preset="hq"),
    "fast": reduction_config(preset="fast"),
    "ratio 0.5": reduction_config(ratio=0.5),
}
SIZES = (Size(512, 1024), Size(1024, 2048))

__all__ = ["SIZES", "arguments", "spread"]


def main() -> None:
    """Match all pictures and write the lists."""
    args = arguments((__doc__ or "").splitlines()[0], RESULT)
    check_writable(args.out)
    images = spread(sorted(args.images.iterdir()), args.limit)
    found = {
        "checkpoint": args.checkpoint.name,
        "data": "/".join(args.images.parts[-3:]),
        "images": len(images),
    }
    maps = [row for size in args.sizes for row in maps_of(args.checkpoint, images, size)]
    args.out.write_text(as_text(found, maps), encoding="utf-8")


def arguments(description: str, out: Path) -> argparse.Namespace:
    """Return what the command line says: a checkpoint, pictures, sizes, and where to write."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--checkpoint", type=Path, required=True)
    parser.add_argument("--images", type=Path, required=True)
    parser.add_argument("--sizes", type=parse_size, nargs="+", default=SIZES)
    parser.add_argument("--limit", type=int, default=4, help="how many pictures")
    parser.add_argument("--out", type=Path, default=out)
    return parser.parse_args()


def spread(files: Sequence[Path], limit: int) -> Sequence[Path]:
    """Return ``limit`` of the files, evenly over all: neighbors of a sequence look alike."""
    places = np.linspace(0, len(files) - 1, min(limit, len(files))).astype(int)
    return [files[place] for place in places]


def maps_of(checkpoint: Path, images: Sequence[Path], size: Size) -> Iterator[TokenMap]:
    """Yield the maps of every plan for pictures stretched to ``size``."""
    read, spec = read_stretched(checkpoint, size)
    network = read.build()
    for name, plan in PLANS.items():
        merging = network.apply_reductions(plan)
        matches: dict[MatchSettings, list[NDArray[np.int64]]] = defaultdict(list)
        for image in tqdm(images, desc=f"{size} {name}"):
            for settings, lengths in _matches(merging, spec, image):
                matches[settings].append(lengths)
        for settings, lists in matches.items():
            yield _map(str(size), name, settings, lists)


def _matches(
    network: Network, spec: InputSpec, image: Path
) -> list[tuple[MatchSettings, NDArray[np.int64]]]:
    """Return the lists of every match of one picture."""
    found = []

    def record(x: Tensor, settings: MatchSettings) -> Tensor:
        slot = plain_match(x, settings)
        singles = settings.partition.num_sources - settings.merged
        found.append((settings, np.bincount(slot[0].numpy())[singles:]))
        return slot

    with torch.inference_mode(), matching_by(record):
        network(torch.from_numpy(prepare([load_image(image)], spec)))
    return found


def _map(
    size: str, plan: str, settings: MatchSettings, lists: Sequence[NDArray[np.int64]]
) -> TokenMap:
    histogram = Counter(int(length) for lengths in lists for length in lengths)
    return TokenMap(
        size=size,
        plan=plan,
        height=settings.height,
        width=settings.width,
        stride=settings.stride_x,
        merged=settings.merged,
        matches=len(lists),
        histogram=dict(sorted(histogram.items())),
        lengths=[int(length) for length in lists[0]],
    )


def as_text(found: Mapping[str, Any], maps: Sequence[TokenMap]) -> str:
    """Return JSON with a line for each map."""
    lines = ",\n".join(f"    {json.dumps(asdict(row))}" for row in maps)
    head = json.dumps(found)[1:-1]
    return f'{{\n  {head},\n  "maps": [\n{lines}\n  ]\n}}\n'


if __name__ == "__main__":
    main()
