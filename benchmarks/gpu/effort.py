"""How much is measured: everything on a GPU, next to nothing where the scripts are tried."""

import os
from dataclasses import dataclass

__all__ = ["Effort", "effort", "trying"]

TRYING = "SEGPP_GPU_TRY"


@dataclass(frozen=True)
class Effort:
    """Sizes of networks, images and sites, and how often everything runs.

    Attributes:
        sites: Tokens (height, width, channels) of the operators, by the stage they come from.
        logits: Classes, height and width before the resize.
        engines: Height and width of the files that engines are built of.
        calls: Calls in one graph.
        rounds: Replays of a graph, in turn with the others.
        eager_rounds: The same, where nothing is captured.
    """

    agreement_sizes: tuple[str, ...]
    agreement_image: tuple[int, int]
    networks: tuple[tuple[str, int, int], ...]
    eager: tuple[str, int, int]
    compiled: tuple[str, int, int]
    sites: dict[str, tuple[int, int, int]]
    batches: tuple[int, ...]
    logits: tuple[tuple[int, int, int], ...]
    engines: tuple[int, int]
    calls: int
    rounds: int
    eager_rounds: int


MEASURING = Effort(
    agreement_sizes=("b0", "b2"),
    agreement_image=(512, 1024),
    networks=(
        ("b0", 1024, 2048),
        ("b2", 1024, 1024),
        ("b5", 1024, 1024),
        # How the ratio changes with the size, where time is left.
        ("b5", 1024, 2048),
        ("b5", 512, 1024),
    ),
    eager=("b5", 1024, 1024),
    compiled=("b0", 1024, 2048),
    # Of B5, as in trt_plugins/cuda_utils/benchmarks/kernels.cpp.
    sites={
        "512x1024 stage 3": (32, 64, 320),
        "1024x2048 stage 3": (64, 128, 320),
        "1024x2048 stage 4": (32, 64, 512),
    },
    batches=(1, 16),
    logits=((19, 128, 256), (19, 256, 512), (150, 128, 128)),
    engines=(1024, 2048),
    calls=24,
    rounds=40,
    eager_rounds=10,
)
TRYING_OUT = Effort(
    agreement_sizes=("b0",),
    agreement_image=(128, 128),
    networks=(("b0", 128, 128),),
    eager=("b0", 128, 128),
    compiled=("b0", 128, 128),
    sites={"try": (8, 12, 32)},
    batches=(1, 2),
    logits=((19, 8, 8),),
    engines=(64, 128),
    calls=1,
    rounds=2,
    eager_rounds=2,
)


def trying() -> bool:
    """Tell whether the scripts are only tried."""
    return os.environ.get(TRYING) == "1"


def effort() -> Effort:
    """Return what this run does."""
    return TRYING_OUT if trying() else MEASURING
