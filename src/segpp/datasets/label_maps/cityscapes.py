"""Cityscapes: ids to the 19 classes that are scored (train ids); KITTI's labels are the same ids.

Source: Cordts et al., The Cityscapes Dataset for Semantic Urban Scene Understanding, CVPR 2016,
and its published table of labels.
"""

from segpp.datasets.label_maps.base import LABEL_MAPS, NO_CLASS

_SCORED = (7, 8, 11, 12, 13, 17, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 31, 32, 33)

LABEL_MAPS.register("cityscapes")(
    {
        **dict.fromkeys(range(-1, 34), NO_CLASS),
        255: NO_CLASS,
        **{number: label for label, number in enumerate(_SCORED)},
    }
)
