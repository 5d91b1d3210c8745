"""How much memory an export will need, told before anything large is allocated.

PyTorch in FP32 holds the scores of one block's attention twice, before and after the softmax, and
ONNX Runtime keeps its own in an arena that the system does not get back. In stages, by what is
largest there:

    scores      (B, heads, N, M) of a stage, tokens merged or not
    matches     (B, sources, destinations) of a merge by similarity, and once more in double
                precision where a tie is judged
    features    (B, D, h, w): the widest map of the decode head

Calibration: see ``_COPIES`` and ``_BASE_BYTES``.
"""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from segpp.errors import MissingError, SegppError
from segpp.export.models._common.block_tokens import BlockTokens, block_tokens
from segpp.export.models.base import family_of, grids_of
from segpp.export.reduction.gates.methods.fixed import FixedGate
from segpp.export.reduction.sites import HEAD
from segpp.manifest import Architecture, ChannelSite, ReductionSite
from segpp.ops.grid import Grid, Size
from segpp.ops.partition import BipartitePartition
from segpp.utils.limits import Room

__all__ = ["check_memory", "memory_needed", "telling_when_memory_is_out"]

_FLOAT_BYTES = 4
_PASSES_OF_A_MATCH = 3
# Matrices in double precision for the channels of a block: sums, what one image adds, and those
# of the choice; of queries, keys and values each.
_DOUBLE_BYTES = 8
_MOMENTS = {"hidden": 3, "qkv": 9}

# How often the largest of them is held at the highest point of the check, ONNX Runtime and PyTorch
# together. Measured as VmHWM with torch 2.13 and onnxruntime 1.31, B0 at 1024x1024 without merging,
# besides the base: 5.1 to 5.4. It was 5.0 with torch 2.12, so there is some left for the next.
_COPIES = 6
# What tracing takes, libraries and their address space included, besides the weights.
_BASE_BYTES = 600_000_000

# What torch, onnxruntime and C++ say; Python has an exception of its own.
_OUT_OF_MEMORY = re.compile(
    r"can't allocate memory|not enough memory|failed to allocate memory|bad_alloc", re.IGNORECASE
)


def memory_needed(
    architecture: Architecture,
    size: Size,
    batch: int,
    sites: Sequence[ReductionSite] = (),
    channels: Sequence[ChannelSite] = (),
    *,
    check: bool = True,
) -> tuple[int, str]:
    """Return how many bytes an export takes besides what is held now, and the largest part of them.

    Args:
        architecture: Of the network.
        size: Of the input.
        batch: Images per call.
        sites: The merge sites.
        channels: Where there are fewer channels.
        check: Whether the file is compared with PyTorch; tracing alone computes nothing.
    """
    if not check:
        return _BASE_BYTES, "tracing"
    largest, what = max(_parts(architecture, size, sites))
    needed = _BASE_BYTES + _COPIES * batch * largest
    # Channels are chosen before anything is traced or compared.
    return max([(needed, what), *_choosing(architecture, channels)])


def check_memory(needed: tuple[int, str], room: Room | None, *, batch: int, size: Size) -> None:
    """Raise MissingError if ``memory_needed`` is more than there is room for.

    Raises:
        MissingError: The message says how much, what for, and what helps.
    """
    count, what = needed
    if room is None or count <= room.bytes:
        return
    ways = ["--no-check compares nothing"] if what != "tracing" else []
    if what.startswith("attention"):
        ways.append("--preset hq or fast merges tokens")
    ways += [f"a smaller --size than {size}"] if what != "tracing" else []
    ways += ["a smaller --batch"] if batch > 1 else []
    ways.append("--memory-limit SIZE allows more where this is wrong")
    raise MissingError(
        f"the export needs about {_gigabytes(count)} of memory, and has {_gigabytes(room.bytes)}",
        f"most of it: {what}",
        f"what limits it: {room.limit}",
        hint="; ".join(ways),
    )


@contextmanager
def telling_when_memory_is_out() -> Iterator[None]:
    """Raise MissingError in place of whatever a library raises when it gets no memory.

    The estimate can be too low, and memory that was free can be taken by others meanwhile.
    """
    try:
        yield
    except SegppError:
        raise
    except Exception as failure:
        if not any(map(_is_out_of_memory, _chain(failure))):
            raise
        raise MissingError(
            "the memory ran out",
            hint="a smaller --size, --no-check, or a machine with more memory",
        ) from failure


def _chain(failure: BaseException) -> Iterator[BaseException]:
    seen: BaseException | None = failure
    while seen is not None:
        yield seen
        seen = seen.__cause__ or seen.__context__


def _is_out_of_memory(failure: BaseException) -> bool:
    return isinstance(failure, MemoryError) or bool(_OUT_OF_MEMORY.search(str(failure)))


def _parts(
    architecture: Architecture, size: Size, sites: Sequence[ReductionSite]
) -> Iterator[tuple[int, str]]:
    stages = zip(architecture.heads, architecture.depths, strict=True)
    for stage, (heads, depth) in enumerate(stages, start=1):
        for part in block_tokens(grids_of(architecture), depth, size, sites, stage):
            scores = heads * part.queries * part.keys * _FLOAT_BYTES
            what = f"{part.queries:,} x {part.keys:,} scores a head"
            yield scores, f"attention of stage {stage}, {what}"
            yield from _matches(part)
    tokens = next((site.tokens_out for site in sites if site.stage == HEAD), None)
    values = family_of(architecture).head_values(architecture, size, tokens)
    yield values * _FLOAT_BYTES, f"the decode head, a feature map of {values:,} numbers"


def _choosing(
    architecture: Architecture, channels: Sequence[ChannelSite]
) -> Iterator[tuple[int, str]]:
    """Return what the moments of each stage's channels take while images are looked at."""
    for site in channels:
        if site.method == FixedGate.name:
            blocks = architecture.depths[site.stage - 1]
            count = blocks * _MOMENTS[site.part] * site.channels_in**2 * _DOUBLE_BYTES
            what = f"the moments of {site.channels_in:,} channels in {blocks} blocks"
            yield _BASE_BYTES + count, what


def _matches(part: BlockTokens) -> Iterator[tuple[int, str]]:
    for site in part.merging:
        # A match that is taken over is that of the queries, and counted there.
        if site.match_of is None and (pairs := _pairs(site)):
            what = f"the match of stage {site.stage}, {site.side}, {pairs:,} similarities"
            yield pairs * _FLOAT_BYTES * _PASSES_OF_A_MATCH // _COPIES, what


def _pairs(site: ReductionSite) -> int:
    """Return how many similarities a match has, sources times destinations; 0 without one."""
    rows, columns = site.settings.get("sy"), site.settings.get("sx")
    if not isinstance(rows, int) or not isinstance(columns, int):
        return 0
    partition = BipartitePartition(Grid(*site.grid), rows, columns)
    return partition.num_sources * (site.tokens_in - partition.num_sources)


def _gigabytes(count: int) -> str:
    return f"{count / 1e9:.1f} GB"
