"""The class ids that a label map holds: CamVid's eleven, then what is not scored."""

(
    SKY,
    BUILDING,
    POLE,
    ROAD,
    PAVEMENT,
    TREE,
    SIGN,
    FENCE,
    CAR,
    PEDESTRIAN,
    BICYCLIST,
    IGNORE,
) = range(12)

NAMES = (
    "sky",
    "building",
    "pole",
    "road",
    "pavement",
    "tree",
    "sign",
    "fence",
    "car",
    "pedestrian",
    "bicyclist",
)
PALETTE = (
    (128, 128, 128),
    (128, 0, 0),
    (192, 192, 128),
    (128, 64, 128),
    (60, 40, 222),
    (128, 128, 0),
    (192, 128, 128),
    (64, 64, 128),
    (64, 0, 128),
    (64, 64, 0),
    (0, 128, 192),
)
