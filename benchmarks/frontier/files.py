"""A checkpoint exported with a setting, its cost and its scores, by the public functions alone."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import onnx

import segpp
from benchmarks.frontier.settings import Setting
from segpp.export.models.base import family_of
from segpp.inspection.onnx_macs import count_macs, shapes_of
from segpp.manifest import Manifest
from segpp.ops.grid import Size

__all__ = ["cost", "scored", "search_images", "written"]

# What fixed gates choose on.
_SEARCHED = 24


def written(
    checkpoint: Path,
    path: Path,
    setting: Setting,
    size: Size,
    searched: Sequence[Path] = (),
    *,
    target: str = "portable",
    check: bool = True,
) -> Manifest:
    """Export with a setting and return the manifest; the gate compares it with PyTorch if asked."""
    cuts = any("=fixed" in text for text in setting.reduce)
    return segpp.export_onnx(
        checkpoint,
        path,
        preset=setting.preset,
        reduce=setting.reduce,
        size=(size.height, size.width),
        search_images=list(searched) if cuts else (),
        target=target,
        # As the networks of the committed results were trained.
        fit="stretch",
        check=check,
    ).manifest


def cost(path: Path, manifest: Manifest) -> dict[str, float]:
    """Return billions of multiply-accumulates: of the network reduced, and of the file.

    ``gmacs`` counts the network as its trainer wrote it; ``file_gmacs`` what is left of it in the
    file, folded layers and the cost of matching included.
    """
    size = Size(manifest.input.height, manifest.input.width)
    family = family_of(manifest.architecture)
    macs = family.macs(manifest.architecture, size, manifest.reduction, manifest.channels)
    model = onnx.load(path, load_external_data=False)
    own = count_macs(model, shapes_of(model))
    return {"gmacs": macs.total / 1e9, "file_gmacs": (own.graph + own.bodies) / 1e9}


def scored(
    files: Mapping[str, Path],
    data: Mapping[str, Path],
    *,
    threads: int = 1,
    limit: int | None = None,
) -> dict[str, dict[str, Any]]:
    """Return of every file the mIoU on each folder of data, and on each the IoU of the classes.

    ``agreement`` is the share of pixels, labelled or not, that have the first file's class.
    """
    found: dict[str, dict[str, Any]] = {name: {} for name in files}
    for folder, path in data.items():
        report = segpp.evaluate(
            list(files.values()),
            dataset=path,
            # CamVid's twelfth class is no class.
            ignore=(11, 255),
            threads=threads,
            limit=limit,
        )
        for row, score in zip(found.values(), report.evaluation.scores, strict=True):
            ious = dict(zip(report.classes, score.confusion.iou.tolist(), strict=True))
            row[folder] = {
                "images": report.evaluation.images,
                "miou": score.confusion.miou,
                "agreement": score.agreement,
                "iou": ious,
            }
    return found


def search_images(folder: Path) -> tuple[Path, ...]:
    """Return evenly spaced pictures of a training set."""
    pictures = sorted((folder / "images").iterdir())
    return tuple(pictures[:: max(1, len(pictures) // _SEARCHED)][:_SEARCHED])
