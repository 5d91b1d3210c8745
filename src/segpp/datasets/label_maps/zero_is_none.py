"""Numbers that start at 1, with 0 for no class: ADE20K, LoveDA, Pascal Context."""

from segpp.datasets.label_maps.base import LABEL_MAPS, NO_CLASS

LABEL_MAPS.register("zero-is-none")(
    {0: NO_CLASS, **{number: number - 1 for number in range(1, 255)}, 255: NO_CLASS}
)
