r"""What cheaper matching costs in accuracy: windowed matches, and one match for several blocks.

    python -m benchmarks.networks.matching_accuracy \
        --checkpoint FILE --data FOLDER --size 736x960 --out FILE.json

``--data`` holds ``images/`` and ``labels/``. For ``hq`` and ``fast``, with every destination in
reach (the paper's), at most two cells and at most one cell away, and with a match for every block,
for two blocks and for a whole stage, the file is exported, passes its gate, and is scored against
the labels and against the file without merging. ``--times`` adds what they take.
"""

import argparse
import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.common.interleaved import columns
from benchmarks.common.scoring import Labels, by_session, cpu, remembering, scores, times_of
from segpp.datasets.pairs import Pair, find_pairs
from segpp.export.config import ExportConfig
from segpp.export.models.loading import load_checkpoint
from segpp.export.models.segformer.presets import PRESETS
from segpp.export.pipeline import export_onnx
from segpp.export.reduction.config import ReductionConfig
from segpp.export.reduction.methods.bsm import BipartiteSoftMatching
from segpp.export.targets import PORTABLE, TARGETS
from segpp.images.preprocess import ImageArray, load_image
from segpp.manifest import read_manifest
from segpp.ops.grid import Size, parse_size
from segpp.runtime.inference.open_session import open_session
from segpp.utils.files import check_writable

MERGED = ("hq", "fast")
WINDOWS = (0, 2, 1)
UNMERGED = "none"


@dataclass(frozen=True)
class Variant:
    """One way of matching.

    Attributes:
        window: How many cells away a destination may be; 0 is any distance.
        match_every: In how many consecutive blocks of a stage one match is used.
    """

    preset: str
    window: int = 0
    match_every: int = 1

    @property
    def name(self) -> str:
        """The same in words."""
        if self.preset == UNMERGED:
            return UNMERGED
        return f"{self.preset}, window {self.window}, every {self.match_every}"

    @property
    def plan(self) -> ReductionConfig:
        """Which reduction works at which site."""
        return {
            site: replace(reduction, window=self.window)
            if isinstance(reduction, BipartiteSoftMatching)
            else reduction
            for site, reduction in PRESETS[self.preset].items()
        }


@dataclass(frozen=True)
class Row:
    """One variant's scores, and what its network takes if that was asked for.

    Attributes:
        agreement_with_none: Share of all pixels.
        faster_than_none: Median over rounds.
    """

    preset: str
    window: int
    match_every: int
    miou: float
    agreement_with_none: float
    network_ms: float | None = None
    faster_than_none: float | None = None


def main() -> None:
    """Measure all variants and write the table."""
    args = _arguments()
    check_writable(args.out)
    pairs = find_pairs(args.data / "images", args.data / "labels")[: args.limit]
    with TemporaryDirectory() as name:
        rows = measure(args, pairs, Path(name))
    found = {
        "checkpoint": args.checkpoint.name,
        "images": len(pairs),
        "size": str(args.size),
        "target": args.target,
        "machine": f"{cpu()}, {args.threads} thread(s)",
        "rows": [asdict(row) for row in rows],
    }
    args.out.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    print(table_of(rows))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--checkpoint", type=Path, required=True)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--size", type=parse_size, default=Size(736, 960))
    parser.add_argument("--limit", type=int, help="how many images")
    parser.add_argument("--presets", nargs="+", choices=MERGED, default=MERGED)
    parser.add_argument("--windows", nargs="+", type=int, default=WINDOWS)
    parser.add_argument("--target", choices=TARGETS, default=PORTABLE)
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--times", action="store_true", help="time them too; wants a quiet machine")
    parser.add_argument("--out", type=Path, required=True)
    return parser.parse_args()


def measure(args: argparse.Namespace, pairs: Sequence[Pair], folder: Path) -> list[Row]:
    """Return a row for every variant, no merging first.

    Args:
        folder: For files that nobody needs afterwards.
    """
    variants = variants_of(args.checkpoint, args.presets, args.windows)
    files = {}
    for index, variant in enumerate(variants):
        files[variant.name] = folder / f"{index}.onnx"
        request = ExportConfig(
            args.checkpoint,
            files[variant.name],
            reduction=variant.plan,
            size=args.size,
            target=args.target,
            match_interval=variant.match_every,
            # As the networks of the committed results were trained.
            fit="stretch",
        )
        export_onnx(request)
    with open_session(files[UNMERGED], threads=args.threads) as plain:
        unmerged = remembering(partial(by_session, plain))
        rows = [
            _row(variant, files[variant.name], unmerged, pairs, args.threads)
            for variant in variants
        ]
    return _timed(rows, variants, files, args, pairs) if args.times else rows


def variants_of(
    checkpoint: Path, presets: Sequence[str], windows: Sequence[int]
) -> tuple[Variant, ...]:
    """Return no merging, and every preset in every window with every number of blocks."""
    depths = load_checkpoint(checkpoint).architecture.depths
    every = sorted({1, min(2, max(depths)), max(depths)})
    return (Variant(UNMERGED), *(Variant(*way) for way in product(presets, windows, every)))


def _row(
    variant: Variant,
    file: Path,
    unmerged: Callable[[ImageArray], Labels],
    pairs: Sequence[Pair],
    threads: int,
) -> Row:
    with open_session(file, threads=threads) as session:
        segment = partial(by_session, session)
        scored = scores([unmerged, segment], pairs, read_manifest(file), variant.name)
    return Row(
        variant.preset,
        variant.window,
        variant.match_every,
        miou=scored[1].confusion.miou,
        agreement_with_none=scored[1].agreement,
    )


def _timed(
    rows: Sequence[Row],
    variants: Sequence[Variant],
    files: Mapping[str, Path],
    args: argparse.Namespace,
    pairs: Sequence[Pair],
) -> list[Row]:
    times = times_of(dict(files), args.threads, load_image(pairs[0].image))
    return [
        replace(row, network_ms=times[one.name][0], faster_than_none=times[one.name][1])
        for row, one in zip(rows, variants, strict=True)
    ]


def table_of(rows: Sequence[Row]) -> str:
    """Return the rows as Markdown."""
    head = ["preset", "window", "blocks a match", "mIoU", "as without merging", "network", "faster"]
    return columns(head, [_line(row) for row in rows])


def _line(row: Row) -> list[str]:
    return [
        row.preset,
        str(row.window or "any"),
        str(row.match_every),
        f"{row.miou * 100:.2f}",
        f"{row.agreement_with_none:.4f}",
        f"{row.network_ms:.1f} ms" if row.network_ms else "not timed",
        f"{row.faster_than_none:.2f}x" if row.faster_than_none else "not timed",
    ]


if __name__ == "__main__":
    main()
