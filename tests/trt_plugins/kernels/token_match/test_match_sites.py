"""SegppTokenMatch at the sites of the network: real grids, channels, batches; and what it reads."""

import numpy as np
import pytest

from tests.trt_plugins.conftest import Open
from tests.trt_plugins.kernels.kernel_library import Kernels
from tests.trt_plugins.kernels.token_match.match_kernels import (
    SOURCES,
    Case,
    assert_close_to_contract,
    exact_tokens,
    match,
    narrowed,
    random_tokens,
)


@pytest.fixture(scope="session")
def plain(open_kernels: Open) -> Kernels:
    return open_kernels(*SOURCES, flavour="plain")


# Stages 3 and 4 of B0 at 512x1024 and 1024x2048, with and without a window.
SITES = [
    Case(1, 160, 32, 64, 4, 4),
    Case(1, 256, 16, 32, 4, 4),
    Case(1, 160, 64, 128, 4, 4),
    Case(1, 256, 32, 64, 4, 4),
    Case(1, 160, 32, 64, 4, 4, 1),
    Case(1, 160, 64, 128, 4, 4, 1),
]


@pytest.mark.parametrize("processors", [16, 132])
@pytest.mark.parametrize("case", SITES, ids=str)
def test_random_tokens_of_a_site_get_slots_that_the_contract_allows(
    plain: Kernels, case: Case, processors: int
) -> None:
    given, x = narrowed(random_tokens(case, 3), "float16")
    merged = int(0.8 * case.tokens)

    slot = match(plain, case, "float16", given, merged, processors=processors)

    assert_close_to_contract(case, x, slot, merged)


@pytest.mark.parametrize("kind", ["float32", "float16"])
@pytest.mark.parametrize("batch", range(1, 9))
def test_every_batch_gets_the_slots_of_the_oracle(plain: Kernels, batch: int, kind: str) -> None:
    case = Case(batch, 16, 19, 22, 2, 2)
    given, x = narrowed(exact_tokens(case, batch), kind)

    slot = match(plain, case, kind, given, 200, processors=132)

    assert slot.tolist() == case.reference(x, 200).tolist()


def test_a_grid_of_many_sources_gets_the_slots_of_the_oracle(plain: Kernels) -> None:
    # 16,385 sources: three groups and a rest whose keys are made again.
    case = Case(1, 4, 1, 16386, 1, 8193)
    given, x = narrowed(exact_tokens(case, 5), "float16")

    slot = match(plain, case, "float16", given, 9000)

    assert slot.tolist() == case.reference(x, 9000).tolist()


@pytest.mark.emulation
@pytest.mark.parametrize("window", [1, 2])
@pytest.mark.parametrize("grid", [(16, 16, 4, 4), (9, 13, 2, 3), (7, 40, 2, 2)], ids=str)
def test_a_window_reads_the_row_of_a_source_and_those_of_its_destinations_alone(
    plain: Kernels, grid: tuple[int, ...], window: int
) -> None:
    case = Case(1, 72, *grid, window)
    partition = case.partition
    cells = partition.cells.tokens
    source_rows, rows = -(-case.sources // 16) * 16, case.tokens + cells
    given, _ = narrowed(exact_tokens(case, 1), "float16")
    scratch = [np.zeros(source_rows, np.float32) for _ in range(3)]
    bytes_read = np.zeros((source_rows, rows), np.int32)

    answer = plain.call(
        "nearReads",
        case.channels,
        *grid,
        window,
        given,
        given[:, partition.destinations].copy(),
        np.ones(cells, np.float32),
        *scratch[:2],
        scratch[2].view(np.int32),
        bytes_read,
    )

    assert answer.code == 0
    read = answer.arrays[-1][: case.sources]
    wanted = np.zeros((case.sources, rows), bool)
    wanted[np.arange(case.sources), partition.sources] = True
    wanted[:, case.tokens :] = partition.near(window)
    assert ((read > 0) == wanted).all()
    # Nine rows at a time: the source's own once for each nine, and at the edge of the grid, where
    # there are fewer, the last one again.
    row = case.channels * 2
    turns = -(
        -min(2 * window + 1, grid[0] // grid[2]) * min(2 * window + 1, grid[1] // grid[3]) // 9
    )
    assert (read[:, : case.tokens].sum(1) == turns * row).all()
    assert (read[:, case.tokens :].sum(1) == 9 * turns * row).all()
