"""How a match is divided: tiles, splits, the workspace for them, and the code that a chip has."""

import math

import numpy as np
import pytest

from tests.trt_plugins.conftest import Open
from tests.trt_plugins.kernels.kernel_library import Kernels
from tests.trt_plugins.kernels.token_match.match_kernels import (
    SOURCES,
    TYPES,
    Case,
    exact_tokens,
    match,
    narrowed,
    random_tokens,
    workspace_bytes,
)

# Jetsons from Nano to Thor, GPUs of desktops and servers.
PROCESSORS = [1, 8, 16, 20, 24, 46, 84, 108, 132, 148, 1000]

# Stages of B0 to B5 at 512x1024, 1024x1024 and 1024x2048, and shapes that do not divide.
GRIDS = [
    (16, 32, 4, 4),
    (32, 64, 4, 4),
    (32, 32, 4, 4),
    (64, 64, 4, 4),
    (64, 128, 4, 4),
    (64, 128, 2, 2),
    (33, 61, 2, 3),
    (120, 7, 1, 2),
    (5, 5, 1, 1),
    (200, 301, 3, 3),
]


@pytest.fixture(scope="session")
def sanitized(open_kernels: Open) -> Kernels:
    return open_kernels(*SOURCES, flavour="sanitized")


@pytest.fixture(scope="session")
def plain(open_kernels: Open) -> Kernels:
    return open_kernels(*SOURCES, flavour="plain")


def planned(
    kernels: Kernels, batch: int, grid: tuple[int, ...], processors: int
) -> tuple[bool, dict[int, int], int]:
    """Whether tiles are tall; splits of tall, flat and simple tiles; images x splits in all."""
    answer = kernels.call("plan", batch, *grid, processors, np.zeros(8, np.int32))
    tall, *tiles, most = answer.arrays[0].tolist()
    return bool(tall), {index: tiles[2 * index + 1] for index in range(3)}, most


@pytest.mark.parametrize("processors", PROCESSORS)
@pytest.mark.parametrize("grid", GRIDS, ids=str)
def test_every_split_has_its_share_of_the_tiles_and_no_split_is_for_nothing(
    plain: Kernels, grid: tuple[int, ...], processors: int
) -> None:
    case = Case(1, 1, *grid)
    destinations = case.partition.cells.tokens
    for batch in range(1, 9):
        _, splits, _ = planned(plain, batch, grid, processors)
        for index, columns in enumerate((128, 64, 64)):
            out = np.zeros((splits[index], 2), np.int32)
            bounds = plain.call("shares", destinations, columns, splits[index], out).arrays[0]
            first, last = bounds.T
            tiles = math.ceil(destinations / columns)
            shares = last - first
            assert [*first[1:], tiles] == last.tolist()
            assert first[0] == 0
            assert shares.max() - shares.min() <= 1
            assert shares.min() >= 1
            # With one split less, the largest share would be larger.
            fewer = splits[index] - 1
            assert not fewer or math.ceil(tiles / fewer) > shares.max()


@pytest.mark.parametrize("grid", GRIDS, ids=str)
def test_the_workspace_has_room_for_the_splits_of_every_chip(
    plain: Kernels, grid: tuple[int, ...]
) -> None:
    for batch in (1, 2, 3, 5, 8, 16, 61, 512, 513, 2000):
        for processors in PROCESSORS:
            _, splits, most = planned(plain, batch, grid, processors)
            assert max(splits.values()) * batch <= most


@pytest.mark.parametrize("window", [0, 1])
@pytest.mark.parametrize("grid", GRIDS, ids=str)
def test_a_workspace_for_a_batch_is_large_enough_for_every_smaller_one(
    plain: Kernels, grid: tuple[int, ...], window: int
) -> None:
    for channels in (1, 320):
        sizes = [
            workspace_bytes(plain, Case(batch, channels, *grid, window), "float16", 0)
            for batch in range(1, 80)
        ]
        assert sizes == sorted(sizes)


@pytest.mark.parametrize("kind", TYPES)
def test_a_smaller_batch_keeps_to_the_workspace_of_a_larger_one(
    sanitized: Kernels, kind: str
) -> None:
    # What TensorRT asks for the largest batch of a profile serves all others.
    grid = (32, 24, 2, 2)
    sizes = {}
    for batch in range(1, 6):
        case = Case(batch, 8, *grid)
        given, x = narrowed(exact_tokens(case, batch), kind)
        sizes[batch] = workspace_bytes(sanitized, case, kind, 300)
        slot = match(sanitized, case, kind, given, 300, processors=132)
        assert slot.tolist() == case.reference(x, 300).tolist()

    assert max(sizes.values()) == sizes[5]


@pytest.mark.parametrize("kind", ["float16", "bfloat16"])
def test_no_chip_and_so_no_tile_and_no_split_changes_a_slot(plain: Kernels, kind: str) -> None:
    case = Case(1, 64, 32, 48, 2, 2)
    given, _ = narrowed(random_tokens(case, 1), kind)

    runs = {match(plain, case, kind, given, 700, processors=p).tobytes() for p in PROCESSORS}

    tilings = {str(planned(plain, 1, case.grid, p)[:2]) for p in PROCESSORS}
    assert len(tilings) >= 4
    assert len(runs) == 1


@pytest.mark.parametrize("device", [87, 90, 120])
@pytest.mark.parametrize("kind", TYPES)
@pytest.mark.emulation
def test_code_for_an_older_chip_than_the_one_it_runs_on_takes_the_way_of_the_code(
    sanitized: Kernels, kind: str, device: int
) -> None:
    # A library of nothing but PTX of sm_75 runs everywhere, without the instructions of sm_80.
    case = Case(2, 64, 13, 12, 2, 2)
    given, x = narrowed(exact_tokens(case, 6), kind)
    sanitized.call("segppEmulationCounts", np.zeros(5, np.uint64))

    slot = match(sanitized, case, kind, given, 50, device=device, code=75)

    counts = sanitized.call("segppEmulationCounts", np.zeros(5, np.uint64)).arrays[0].tolist()
    assert slot.tolist() == case.reference(x, 50).tolist()
    assert counts[2:] == [0, 0, 0]


@pytest.mark.parametrize("kind", ["float16", "bfloat16"])
@pytest.mark.emulation
def test_code_of_sm_80_has_tensor_cores_on_a_later_chip(plain: Kernels, kind: str) -> None:
    case = Case(1, 64, 13, 12, 2, 2)
    given, x = narrowed(exact_tokens(case, 7), kind)
    plain.call("segppEmulationCounts", np.zeros(5, np.uint64))

    slot = match(plain, case, kind, given, 50, device=120, code=80)

    counts = plain.call("segppEmulationCounts", np.zeros(5, np.uint64)).arrays[0].tolist()
    assert slot.tolist() == case.reference(x, 50).tolist()
    assert counts[2] > 0
