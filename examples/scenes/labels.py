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
