"""COCO-Stuff: the 182 numbers of its PNGs, of which 11 name nothing, to 171 classes.

Source: Caesar, Uijlings, Ferrari, COCO-Stuff: Thing and Stuff Classes in Context, CVPR 2018, and
its published list of labels.
"""

from segpp.datasets.label_maps.base import LABEL_MAPS, NO_CLASS

_NAMELESS = {11, 25, 28, 29, 44, 65, 67, 68, 70, 82, 90}
_NAMED = [number for number in range(182) if number not in _NAMELESS]

LABEL_MAPS.register("coco-stuff")(
    {
        **dict.fromkeys(_NAMELESS, NO_CLASS),
        255: NO_CLASS,
        **{number: label for label, number in enumerate(_NAMED)},
    }
)
