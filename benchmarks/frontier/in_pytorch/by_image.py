r"""What it costs where every image decides for itself how many tokens merge, which no file can.

    python -m benchmarks.frontier.in_pytorch.by_image --checkpoint segmenter.pth \
        --unseen camvid/unseen --val camvid/val --train camvid/train --out by_image.json

As published: windows above a threshold, and tokens above the mean of an image's own similarities.
Beside it the file's counts, the same in every image, found on pictures of ``--train``. PyTorch
computes both; the tokens that are left are the mean over the pictures.
"""

import argparse
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from statistics import mean
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from tqdm import tqdm

from benchmarks.common.scoring import Labels
from benchmarks.frontier.files import search_images
from segpp.datasets.pairs import find_pairs
from segpp.export.config import ExportConfig
from segpp.export.config.resolve import resolve_input
from segpp.export.models.base import Checkpoint, family_of
from segpp.export.models.loading import load_checkpoint
from segpp.export.models.network import Network
from segpp.export.models.vit.architecture import shape_of
from segpp.export.models.vit.sites import patch_grid
from segpp.export.reduction.config import ReductionChoice, ReductionConfig
from segpp.export.reduction.counts import CountedReduction, published_thresholds
from segpp.export.reduction.sites import Site
from segpp.export.search.counts import search_counts
from segpp.images.postprocess import resize_argmax
from segpp.images.preprocess import ImageArray, load_image, prepare
from segpp.manifest import InputSpec
from segpp.ops.grid import Size, parse_size
from segpp.runtime.evaluation import evaluate
from segpp.utils.files import check_writable

Pixels = NDArray[np.float32]
PRESET = "algm"


@dataclass
class ByImage:
    """A network in which as many tokens merge as each image wants.

    Attributes:
        checkpoint: The network.
        spec: Of its input.
        reduction: Where and how, without counts.
        thresholds: Where a method goes by one.
        fixed: The same in every image instead; None where each decides.
        left: Tokens behind the last site, of every image so far.
    """

    checkpoint: Checkpoint
    spec: InputSpec
    reduction: ReductionConfig
    thresholds: Mapping[Site, float]
    fixed: ReductionConfig | None = None
    left: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.network: Network = self.checkpoint.build()
        if self.fixed is not None:
            self.network.apply_reductions(self.fixed)

    def __call__(self, image: ImageArray, shape: tuple[int, int]) -> Labels:
        """Return the labels of a picture."""
        pixels = prepare([image], self.spec)
        chosen = self.counts_of(pixels) if self.fixed is None else self.fixed
        self.left.append(self._left(chosen))
        with torch.inference_mode():
            logits = self.network(torch.from_numpy(pixels)).numpy()
        corners = self.checkpoint.align_corners
        labels: Labels = resize_argmax(logits, shape, align_corners=corners)[0]
        return labels

    def counts_of(self, pixels: Pixels) -> ReductionConfig:
        """Let as many merge at every site as this image wants; none where that is nothing."""
        chosen: dict[Site, Any] = {}
        for site in (one for one in self.network.sites if one in self.reduction):
            own = cast("Any", self.reduction[site])
            _, [found] = search_counts(
                self.network,
                {**chosen, site: own},
                [lambda: pixels],
                quantile=0,
                thresholds=self.thresholds,
            )
            if found.wanted[0]:
                chosen[site] = replace(own, count=found.wanted[0])
        self.network.apply_reductions(chosen)
        return chosen

    def _left(self, chosen: ReductionConfig) -> int:
        tokens = patch_grid(
            Size(self.spec.height, self.spec.width), shape_of(self.checkpoint.architecture).patch
        ).tokens
        for method in chosen.values():
            tokens -= cast("CountedReduction", method).leaving * cast("Any", method).count
        return tokens


def main() -> None:
    """Score both ways and write what was found."""
    args = _arguments()
    check_writable(args.out)
    checkpoint = load_checkpoint(args.checkpoint)
    spec = resolve_input(
        ExportConfig(Path(), Path(), size=args.size, fit="stretch"), checkpoint
    )  # fmt: skip
    architecture = checkpoint.architecture
    reduction = family_of(architecture).reduction_config(
        ReductionChoice(preset=PRESET), architecture
    )
    thresholds = published_thresholds(reduction, architecture)
    pictures = [prepare([load_image(path)], spec) for path in search_images(args.train)]
    fixed, _ = search_counts(
        checkpoint.build(),
        reduction,
        [lambda own=own: own for own in pictures],  # type: ignore[misc]  # of the picture alone
        quantile=0.5,
        thresholds=thresholds,
        prefix=shape_of(architecture).prefix,
    )
    rows = []
    for name, counts in (("each image's own", None), ("the same in every image", fixed)):
        row: dict[str, Any] = {"counts": name}
        for data in ("unseen", "val"):
            network = ByImage(checkpoint, spec, reduction, thresholds, counts)
            row[data] = {"miou": miou(network, args, data), "tokens": mean(network.left)}
        rows.append(row)
    found = {"checkpoint": args.checkpoint.name, "size": str(args.size), "preset": PRESET}
    args.out.write_text(json.dumps({**found, "rows": rows}, indent=2) + "\n", encoding="utf-8")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--checkpoint", type=Path, required=True)
    parser.add_argument("--unseen", type=Path, required=True)
    parser.add_argument("--val", type=Path, required=True)
    parser.add_argument("--train", type=Path, required=True, help="to find counts on")
    parser.add_argument("--size", type=parse_size, default=Size(352, 480), metavar="HxW")
    parser.add_argument("--limit", type=int, help="how many pictures")
    parser.add_argument("--out", type=Path, required=True, metavar="OUT.json")
    return parser.parse_args()


def miou(network: ByImage, args: argparse.Namespace, data: str) -> float:
    """Return the mean IoU on pictures with labels."""
    folder: Path = getattr(args, data)
    pairs = find_pairs(folder / "images", folder / "labels")[: args.limit]
    classes = network.checkpoint.architecture.classes
    with tqdm(total=len(pairs), desc=data) as bar:
        found = evaluate(
            [network], pairs, classes=classes, ignored=(classes, 255), after_each=bar.update
        )
    return found.scores[0].confusion.miou


if __name__ == "__main__":
    main()
