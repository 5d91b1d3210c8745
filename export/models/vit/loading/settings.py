"""What stands beside the weights, whatever codebase says it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from segpp.export.models.vit.architecture import Numerics
from segpp.export.models.vit.loading.dino_config import DinoConfig
from segpp.export.models.vit.loading.eomt_config import EomtConfig
from segpp.export.models.vit.loading.variant import Variant
from segpp.manifest import Origin, Resize
from segpp.ops.grid import Size

__all__ = ["SLIDE", "Settings"]

SLIDE = "it is tested with a sliding window: segpp-eval --protocol slide"


@dataclass(frozen=True)
class Settings:
    """What was said; None where nothing was.

    Attributes:
        numerics: What its trainer's code computes with.
        heads: Of every attention.
        depth: Blocks.
        read_block: The block that the head reads, counted from 0; -1 is the last.
        size: What it was trained on.
        position_size: Image of the grid of its positions, where that is another.
        mean: Per channel, in the order in which the network takes them.
        std: Likewise.
        colors: That order.
        fit: How a picture of another shape is brought to the size.
        padding: What lies beside a letterboxed picture.
        resize: The filter that pictures are resized by.
        reduce_labels: Whether label 0 counts for nothing.
        classes: Names of the classes.
        query_blocks: The last blocks, which queries pass.
        rope_theta: Of rotary positions; 0 of learned ones.
        unbiased: Layers of a block that have no biases.
        variant: What ``variant.yml`` says.
        config: What ``config.json`` of transformers says of an encoder.
        schedule: Of a trained policy, as ``PlainViT.policy``.
        notes: What a person must know of it, one sentence each.
        origins: Of what does not come from a configuration.
    """

    numerics: Numerics
    heads: int | None = None
    depth: int | None = None
    read_block: int = -1
    size: Size | None = None
    position_size: Size | None = None
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None
    colors: str | None = None
    fit: Literal["stretch", "letterbox"] | None = None
    padding: tuple[int, ...] | None = None
    resize: Resize | None = None
    reduce_labels: bool = False
    classes: tuple[str, ...] | None = None
    query_blocks: int = 0
    rope_theta: float = 0.0
    unbiased: tuple[str, ...] = ()
    variant: Variant | None = None
    schedule: tuple[int, int] | None = None
    config: EomtConfig | DinoConfig | None = None
    notes: tuple[str, ...] = ()
    origins: Mapping[str, Origin] = field(default_factory=dict)
