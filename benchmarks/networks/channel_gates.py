r"""What fewer channels cost in accuracy, untrained, and what they save.

    python -m benchmarks.networks.channel_gates --checkpoint FILE --data FOLDER \
        --search-images FOLDER --size 352x480 --out FILE.json

``--data`` holds ``images/`` and ``labels/``; fixed channels are chosen on some pictures of
``--search-images``, evenly spaced, which should be those of the training. PyTorch runs every
variant on every picture; scored are the labels, and the share of pixels that are labelled as by
all channels. Nothing is timed.
"""

import argparse
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import product
from pathlib import Path
from typing import Any

import torch
from tqdm import tqdm

from benchmarks.common.in_pytorch import read_stretched, scored, segmenter
from benchmarks.common.interleaved import columns
from segpp.datasets.pairs import Pair, find_pairs
from segpp.export.images import SearchImage, images_in
from segpp.export.models.base import Checkpoint, family_of
from segpp.export.models.network import Network
from segpp.export.reduction.gates.config import ChannelGates, build_gates, count_channels
from segpp.export.reduction.gates.running_moments import Draw
from segpp.manifest import InputSpec
from segpp.ops.grid import Size, parse_size
from segpp.utils.files import check_writable

ALL = "all"
PARTS = ("hidden", "qkv")
STAGES = ((4,), (3, 4), (1, 2, 3, 4))
KEPT = (0.75, 0.5, 0.25)
# How an image's own choice does without trained predictors: at two settings, to compare.
DYNAMIC = (0.75, 0.5)
DYNAMIC_STAGES = (3, 4)


@dataclass(frozen=True)
class Variant:
    """One way to leave out channels; ``method`` is "all" where none are."""

    method: str = ALL
    part: str = ""
    stages: tuple[int, ...] = ()
    keep: float = 1.0

    @property
    def reduce(self) -> tuple[str, ...]:
        """The same as on the command line."""
        name, _, settings = self.method.partition(":")
        more = f",{settings}" if settings else ""
        return tuple(
            f"{stage}.{self.part}={name}:keep={self.keep:g}{more}" for stage in self.stages
        )


@dataclass(frozen=True)
class Row:
    """One variant's scores and what it takes, in billions of multiply-accumulates."""

    method: str
    part: str
    stages: Sequence[int]
    keep: float
    miou: float
    agreement_with_all: float
    gmacs: float


def main() -> None:
    """Measure all variants and write the table."""
    args = _arguments()
    check_writable(args.out)
    torch.set_num_threads(args.threads)
    pairs = find_pairs(args.data / "images", args.data / "labels")[: args.limit]
    chosen_on = evenly(images_in([args.search_images]), args.search_count)
    ways = list(variants(args.stages, args.keep))
    rows = measure(args.checkpoint, args.size, pairs, ways, chosen_on)
    found = {
        "checkpoint": args.checkpoint.name,
        "data": "/".join(args.data.parts[-2:]),
        "images": len(pairs),
        "chosen_on": len(chosen_on),
        "size": str(args.size),
        "rows": [asdict(row) for row in rows],
    }
    args.out.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    print(table_of(found))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--checkpoint", type=Path, required=True)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--search-images", type=Path, required=True)
    parser.add_argument("--search-count", type=int, default=24, help="how many of them")
    parser.add_argument("--size", type=parse_size, default=Size(352, 480))
    parser.add_argument(
        "--stages", nargs="+", type=_stages, default=STAGES, help="sets of them, as 3,4"
    )
    parser.add_argument("--keep", nargs="+", type=float, default=KEPT)
    parser.add_argument("--limit", type=int, help="how many pictures are scored")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--out", type=Path, required=True)
    return parser.parse_args()


def _stages(text: str) -> tuple[int, ...]:
    return tuple(map(int, text.split(",")))


def variants(sets: Sequence[tuple[int, ...]], shares: Sequence[float]) -> Iterator[Variant]:
    """Iterate over all channels, then fixed ones in every way, then those of each image."""
    yield Variant()
    for part, stages, keep in product(PARTS, sets, shares):
        yield Variant("fixed", part, stages, keep)
        yield Variant("fixed:correct=0", part, stages, keep)
    for keep in DYNAMIC:
        yield Variant("dynamic", "hidden", DYNAMIC_STAGES, keep)


def evenly(paths: Sequence[Path], count: int) -> list[Path]:
    """Return so many of some pictures, from all over them."""
    count = min(count, len(paths))
    return [paths[len(paths) * number // count] for number in range(count)]


def measure(
    file: Path,
    size: Size,
    pairs: Sequence[Pair],
    ways: Sequence[Variant],
    chosen_on: Sequence[Path],
) -> list[Row]:
    """Return a row for every variant; agreement is with the first."""
    checkpoint, spec = read_stretched(file, size)
    draws = [SearchImage(path, spec).draw for path in chosen_on]
    networks = [_gated(checkpoint, way, draws) for way in tqdm(ways, "choosing channels")]
    scores = scored(
        [_segmenter(network, checkpoint, spec) for network in networks], pairs, checkpoint
    )
    return [
        Row(
            way.method,
            way.part,
            way.stages,
            way.keep,
            miou=score.confusion.miou,
            agreement_with_all=score.agreement,
            gmacs=_gmacs(checkpoint, size, way),
        )
        for way, score in zip(ways, scores, strict=True)
    ]


def _segmenter(network: Network, checkpoint: Checkpoint, spec: InputSpec) -> Any:
    return segmenter(lambda: network, checkpoint, spec)


def _gates(checkpoint: Checkpoint, way: Variant) -> ChannelGates:
    return build_gates(way.reduce, family_of(checkpoint.architecture).places)


def _gated(checkpoint: Checkpoint, way: Variant, draws: Sequence[Draw]) -> Network:
    network = checkpoint.build()
    family_of(checkpoint.architecture).apply_gates(network, _gates(checkpoint, way), draws)
    return network


def _gmacs(checkpoint: Checkpoint, size: Size, way: Variant) -> float:
    family = family_of(checkpoint.architecture)
    channels = family.channels(checkpoint.architecture)
    sites = count_channels(_gates(checkpoint, way), channels)
    return family.macs(checkpoint.architecture, size, (), sites).total / 1e9


def table_of(result: Mapping[str, Any]) -> str:
    """Return the rows of a result as Markdown."""
    head = ["channels", "part", "stages", "keep", "mIoU", "as with all channels", "GMAC"]
    return columns(head, [_line(Row(**row)) for row in result["rows"]])


def _line(row: Row) -> list[str]:
    return [
        row.method,
        row.part,
        ", ".join(map(str, row.stages)),
        "" if row.method == ALL else f"{row.keep:g}",
        f"{row.miou * 100:.2f}",
        f"{row.agreement_with_all:.4f}",
        f"{row.gmacs:.3f}",
    ]


if __name__ == "__main__":
    main()
