"""Folders laid out as data sets are, of one pixel each."""

from pathlib import Path

import numpy as np

from tests.helpers.datasets import save

__all__ = ["FILES", "made"]

# Of each layout: files of images and labels, and what the labels' pixels are.
FILES: dict[str, list[tuple[str, str]]] = {
    "cityscapes": [
        (
            "leftImg8bit/val/ulm/ulm_0_leftImg8bit.png",
            "gtFine/val/ulm/ulm_0_gtFine_labelTrainIds.png",
        )
    ],
    "voc": [("JPEGImages/1.jpg", "SegmentationClass/1.png")],
    "ade20k": [
        ("images/validation/ADE_val_1.jpg", "annotations/validation/ADE_val_1.png"),
        ("images/training/ADE_train_1.jpg", "annotations/training/ADE_train_1.png"),
    ],
    "camvid": [("val/0.png", "valannot/0.png"), ("train/1.png", "trainannot/1.png")],
    "loveda": [
        ("Val/Rural/images_png/1.png", "Val/Rural/masks_png/1.png"),
        ("Val/Urban/images_png/2.png", "Val/Urban/masks_png/2.png"),
    ],
    "uavid": [
        ("uavid_val/seq1/Images/0.png", "uavid_val/seq1/Labels/0.png"),
        ("uavid_val/seq2/Images/0.png", "uavid_val/seq2/Labels/0.png"),
    ],
    "mapillary": [("validation/images/a.jpg", "validation/v2.0/labels/a.png")],
    "coco-stuff": [("images/val2017/1.jpg", "annotations/val2017/1_labelTrainIds.png")],
    "kitti": [("training/image_2/1_10.png", "training/semantic/1_10.png")],
    "plain": [("val/images/a.png", "val/labels/a.png")],
}


def made(name: str, folder: Path) -> Path:
    """Write a data set of a layout, and return its folder."""
    for image, labels in FILES[name]:
        save(folder / image, np.zeros((1, 1, 3), np.uint8))
        save(folder / labels, np.zeros((1, 1), np.uint8))
    return folder
