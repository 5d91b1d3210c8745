r"""What the options of bsm cost or gain in accuracy at equal counts of tokens, untrained.

    python -m benchmarks.networks.matching_variants \
        --checkpoint FILE --data FOLDER --size 352x480 --out FILE.json

``--data`` holds ``images/`` and ``labels/``. PyTorch runs every variant on every picture; scored
are the labels, and the share of pixels that are labelled as without merging. Nothing is timed.
"""

import argparse
import json
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import torch

from benchmarks.common.in_pytorch import read_stretched, scored, segmenter
from benchmarks.common.interleaved import columns
from segpp.datasets.pairs import Pair, find_pairs
from segpp.export.models.base import Checkpoint, family_of
from segpp.export.models.network import Network
from segpp.export.models.segformer.presets import PRESETS
from segpp.export.reduction.config import ReductionConfig, count_tokens
from segpp.export.reduction.methods.bsm import BipartiteSoftMatching
from segpp.ops.grid import Size, parse_size
from segpp.utils.files import check_writable

UNMERGED = "none"
MERGED = ("hq", "fast")


@dataclass(frozen=True)
class Variant:
    """A preset with other settings of bsm.

    Attributes:
        settings: Those that differ from the preset's.
        match_every: In how many consecutive blocks of a stage one match is used.
    """

    preset: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    match_every: int = 1

    @property
    def plan(self) -> ReductionConfig:
        """Which reduction works at which site."""
        return {
            site: replace(reduction, **self.settings)
            if isinstance(reduction, BipartiteSoftMatching)
            else reduction
            for site, reduction in PRESETS[self.preset].items()
        }


@dataclass(frozen=True)
class Row:
    """One variant's scores and what it takes, in billions of multiply-accumulates."""

    preset: str
    settings: Mapping[str, Any]
    match_every: int
    miou: float
    agreement_with_none: float
    gmacs: float


# One option at a time, and what may add up, with the number of blocks that a match serves.
OPTIONS: tuple[tuple[Mapping[str, Any], int], ...] = (
    ({}, 1),
    ({}, 2),
    ({"protect": 1.0}, 1),
    ({"protect": 2.0}, 1),
    ({"protect": 4.0}, 1),
    ({"protect": 2.0}, 2),
    ({"destination": "center"}, 1),
    ({"destination": "typical"}, 1),
    ({"destination": "salient"}, 1),
    ({"protect": 2.0, "destination": "typical"}, 1),
    ({"value": "max"}, 1),
)


def main() -> None:
    """Measure all variants and write the table."""
    args = _arguments()
    check_writable(args.out)
    pairs = find_pairs(args.data / "images", args.data / "labels")[: args.limit]
    measured = partial(measure, args.checkpoint, args.size, pairs)
    with ProcessPoolExecutor(args.processes, get_context("spawn")) as pool:
        tables = list(pool.map(measured, map(variants_of, args.presets)))
    # Every process has no merging first.
    rows = [tables[0][0], *(row for table in tables for row in table[1:])]
    found = {
        "checkpoint": args.checkpoint.name,
        "data": "/".join(args.data.parts[-2:]),
        "images": len(pairs),
        "size": str(args.size),
        "rows": [asdict(row) for row in rows],
    }
    args.out.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    print(table_of(found))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--checkpoint", type=Path, required=True)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--size", type=parse_size, default=Size(352, 480))
    parser.add_argument("--presets", nargs="+", choices=MERGED, default=MERGED)
    parser.add_argument("--limit", type=int, help="how many pictures")
    parser.add_argument("--processes", type=int, default=1, help="one for each preset at most")
    parser.add_argument("--out", type=Path, required=True)
    return parser.parse_args()


def variants_of(preset: str) -> tuple[Variant, ...]:
    """Return no merging, then a preset with every option."""
    return (Variant(UNMERGED), *(Variant(preset, *option) for option in OPTIONS))


def measure(
    file: Path, size: Size, pairs: Sequence[Pair], variants: Sequence[Variant]
) -> list[Row]:
    """Return a row for every variant, on one thread; agreement is with the first."""
    torch.set_num_threads(1)
    checkpoint, spec = read_stretched(file, size)
    network = checkpoint.build()
    scores = scored(
        [segmenter(partial(_merging, network, variant), checkpoint, spec) for variant in variants],
        pairs,
        checkpoint,
    )
    return [
        Row(
            variant.preset,
            variant.settings,
            variant.match_every,
            miou=score.confusion.miou,
            agreement_with_none=score.agreement,
            gmacs=_gmacs(checkpoint, size, variant),
        )
        for variant, score in zip(variants, scores, strict=True)
    ]


def _merging(network: Network, variant: Variant) -> Network:
    return network.apply_reductions(variant.plan, match_interval=variant.match_every)


def _gmacs(checkpoint: Checkpoint, size: Size, variant: Variant) -> float:
    family = family_of(checkpoint.architecture)
    grids = family.grids(size, variant.plan)
    sites = count_tokens(variant.plan, grids, match_interval=variant.match_every)
    return family.macs(checkpoint.architecture, size, sites).total / 1e9


def table_of(result: Mapping[str, Any]) -> str:
    """Return the rows of a result as Markdown."""
    head = ["preset", "options", "blocks a match", "mIoU", "as without merging", "GMAC"]
    return columns(head, [_line(Row(**row)) for row in result["rows"]])


def _line(row: Row) -> list[str]:
    return [
        row.preset,
        ", ".join(f"{key}={_shown(value)}" for key, value in row.settings.items()),
        "" if row.preset == UNMERGED else str(row.match_every),
        f"{row.miou * 100:.2f}",
        f"{row.agreement_with_none:.4f}",
        f"{row.gmacs:.3f}",
    ]


def _shown(value: float | str) -> str:
    return value if isinstance(value, str) else f"{value:g}"


if __name__ == "__main__":
    main()
