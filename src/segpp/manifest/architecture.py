"""What a manifest tells of the shape of a network."""

from dataclasses import dataclass
from typing import Literal

__all__ = ["Architecture", "PlainViT"]


@dataclass(frozen=True)
class PlainViT:
    """What tells a plain ViT from others of as many blocks and channels.

    Attributes:
        patch: Side of a patch in pixels.
        prefix: Tokens before those of the patches: class, distillation, registers.
        hidden: Channels between the linear layers of a feed-forward part.
        ffn: What lies between them.
        head_blocks: Blocks of attention in the head.
        queries: Tokens that ask for a mask each, before all others in the last blocks.
        query_blocks: How many blocks these are.
        upscalings: How often the head doubles the sides of its map.
        rope_theta: Of rotary positions; 0 where positions are learned and added.
        policy: Of networks with a trained policy by which patches share tokens, how many patches
            it leaves a token of their own and how many superpatches it gives one, as trained; zeros
            where nothing tells. None without such a policy.
        exits: Blocks, counted from 1, before which an auxiliary head judges tokens.
        exit_channels: Between the layers of these heads.
    """

    patch: int
    prefix: int
    hidden: int
    ffn: Literal["gelu", "swiglu"] = "gelu"
    head_blocks: int = 0
    queries: int = 0
    query_blocks: int = 0
    upscalings: int = 0
    rope_theta: float = 0.0
    policy: tuple[int, int] | None = None
    exits: tuple[int, ...] = ()
    exit_channels: int = 0


@dataclass(frozen=True)
class Architecture:
    """The shape of the network.

    Attributes:
        dims: Channels of each stage. In a plain ViT every block is a stage of its own.
        depths: Blocks of each stage.
        heads: Attention heads of each stage.
        head: Which decode head it has.
        decoder: Channels of that.
        classes: Channels of the logits.
        channels: Of an image.
        vit: More of a plain ViT; None of other networks.
    """

    name: str
    dims: tuple[int, ...]
    depths: tuple[int, ...]
    heads: tuple[int, ...]
    head: str
    decoder: int
    classes: int
    channels: int
    vit: PlainViT | None = None

    @property
    def attentions(self) -> int:
        """How many attentions it has, those of its head included."""
        return sum(self.depths) + (self.vit.head_blocks if self.vit else 0)
