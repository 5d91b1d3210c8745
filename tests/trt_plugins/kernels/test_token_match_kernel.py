"""The kernels of SegppTokenMatch, run on the CPU: held to the numpy oracle."""

import numpy as np
import pytest

from tests.trt_plugins.conftest import Open
from tests.trt_plugins.kernels.kernel_library import HERE, PLUGINS, Kernels, poisoned
from tests.trt_plugins.kernels.match_kernels import (
    TYPES,
    Case,
    assert_close_to_contract,
    exact_tokens,
    match,
    narrowed,
    random_tokens,
    workspace_bytes,
)

SOURCES = (PLUGINS / "token_match/token_match.cu", HERE / "entries/token_match_entries.cu")

# Grids that do not divide, channels that do not fill a vector, a chunk or a tile.
CASES = [
    Case(1, 1, 1, 2, 1, 2),
    Case(2, 8, 2, 1, 2, 1),
    Case(3, 1, 3, 3, 1, 1),  # every token is a destination
    Case(2, 33, 3, 5, 2, 2),
    Case(1, 32, 31, 9, 4, 4),
    Case(3, 33, 9, 10, 4, 4),
    Case(1, 64, 12, 11, 2, 3),
    Case(1, 64, 33, 4, 1, 4),
    Case(1, 8, 129, 3, 2, 1),
    Case(2, 320, 13, 17, 4, 4),
    Case(1, 512, 8, 9, 4, 4),
    Case(1, 640, 5, 5, 2, 2),  # too wide for the tall tile
    Case(1, 1400, 3, 4, 2, 2),  # too wide for tensor cores
    Case(1, 8, 40, 31, 2, 2),  # 300 destinations: several tiles, several splits
    Case(1, 8, 20, 20, 20, 20, 1),
    Case(1, 1, 7, 5, 2, 2, 1),
    Case(2, 33, 9, 9, 2, 2, 2),
    Case(1, 64, 16, 17, 4, 4, 1),
    Case(3, 32, 5, 31, 1, 3, 1),
    Case(2, 320, 11, 13, 4, 3, 1),
    Case(1, 512, 6, 6, 2, 2, 100),  # a window that is the whole grid
]
RANDOM = [
    Case(1, 33, 21, 20, 2, 2),
    Case(1, 320, 20, 22, 4, 4),
    Case(2, 64, 17, 31, 2, 2),
    Case(1, 512, 16, 12, 4, 4),
    Case(1, 320, 20, 22, 4, 4, 1),
    Case(1, 33, 17, 15, 2, 2, 2),
]


@pytest.fixture(scope="session")
def sanitized(open_kernels: Open) -> Kernels:
    return open_kernels(*SOURCES, flavour="sanitized")


@pytest.fixture(scope="session")
def plain(open_kernels: Open) -> Kernels:
    return open_kernels(*SOURCES, flavour="plain")


def merges(case: Case) -> list[int]:
    return sorted({0, case.sources // 2, case.sources})


@pytest.mark.parametrize("kind", TYPES)
@pytest.mark.parametrize("case", CASES, ids=str)
def test_exact_tokens_get_the_slots_of_the_oracle(
    sanitized: Kernels, case: Case, kind: str
) -> None:
    given, x = narrowed(exact_tokens(case, 1), kind)

    for merged in merges(case):
        slot = match(sanitized, case, kind, given, merged)
        assert slot.tolist() == case.reference(x, merged).tolist()


# One processor makes tall tiles and no splits, many make flat ones and as many splits as there are.
@pytest.mark.parametrize("processors", [1, 132])
@pytest.mark.parametrize("kind", TYPES)
@pytest.mark.parametrize("case", CASES, ids=str)
def test_no_order_of_threads_and_no_device_changes_a_slot(
    plain: Kernels, case: Case, kind: str, processors: int
) -> None:
    given, x = narrowed(exact_tokens(case, 2), kind)
    merged = case.sources // 3

    slot = match(plain, case, kind, given, merged, order=processors, processors=processors)

    assert slot.tolist() == case.reference(x, merged).tolist()


@pytest.mark.parametrize("kind", TYPES)
@pytest.mark.parametrize("case", RANDOM, ids=str)
def test_random_tokens_get_slots_that_the_contract_allows(
    sanitized: Kernels, case: Case, kind: str
) -> None:
    given, x = narrowed(random_tokens(case, 3), kind)
    merged = case.sources // 2

    slot = match(sanitized, case, kind, given, merged)

    assert_close_to_contract(case, x, slot, merged)


@pytest.mark.parametrize("kind", TYPES)
@pytest.mark.parametrize("case", RANDOM, ids=str)
def test_every_run_gives_the_same_bits(plain: Kernels, case: Case, kind: str) -> None:
    given, _ = narrowed(random_tokens(case, 4), kind)
    merged = case.sources // 2

    runs = [
        match(plain, case, kind, given, merged, order=order, processors=processors)
        for order, processors in [(0, 16), (0, 16), (5, 16), (6, 1), (7, 132)]
    ]

    assert len({run.tobytes() for run in runs}) == 1


@pytest.mark.parametrize("kind", ["float16", "bfloat16"])
@pytest.mark.parametrize("processors", [1, 16])
def test_tall_and_flat_tiles_see_the_whole_of_a_tile(
    sanitized: Kernels, kind: str, processors: int
) -> None:
    # 192 destinations are two tall tiles, of which the second is half full; C is 2.5 steps.
    case = Case(1, 80, 32, 24, 2, 2)
    given, x = narrowed(exact_tokens(case, 5), kind)

    slot = match(sanitized, case, kind, given, 300, processors=processors)

    assert slot.tolist() == case.reference(x, 300).tolist()


@pytest.mark.parametrize("kind", TYPES)
def test_a_chip_before_sm_80_takes_the_way_without_tensor_cores(
    sanitized: Kernels, kind: str
) -> None:
    case = Case(2, 64, 13, 12, 2, 2)
    given, x = narrowed(exact_tokens(case, 6), kind)

    slot = match(sanitized, case, kind, given, 50, device=75)

    assert slot.tolist() == case.reference(x, 50).tolist()


@pytest.mark.parametrize("window", [0, 1])
@pytest.mark.parametrize("kind", TYPES)
def test_tokens_at_an_odd_address_are_read_one_by_one(
    sanitized: Kernels, kind: str, window: int
) -> None:
    case = Case(1, 64, 9, 8, 2, 2, window)
    given, x = narrowed(exact_tokens(case, 7), kind)
    shifted = np.concatenate([given.ravel()[:1], given.ravel()])

    slot = match(sanitized, case, kind, shifted, 20, skipped=1)

    assert slot.tolist() == case.reference(x, 20).tolist()


@pytest.mark.parametrize("window", [0, 1])
@pytest.mark.parametrize("kind", TYPES)
@pytest.mark.parametrize("value", [0.0, 1.0])
def test_equal_tokens_merge_in_raster_order_into_the_first_destination(
    sanitized: Kernels, kind: str, value: float, window: int
) -> None:
    # 4 channels of 1 have length 2; without length every score is 0.
    case = Case(2, 8, 9, 11, 2, 3, window)
    x = np.zeros((2, case.tokens, 8), np.float32)
    x[..., :4] = value
    given, _ = narrowed(x, kind)

    for merged in (1, 40, case.sources):
        slot = match(sanitized, case, kind, given, merged)
        assert slot.tolist() == case.reference(x, merged).tolist()


@pytest.mark.parametrize("window", [0, 1])
@pytest.mark.parametrize("kind", TYPES)
def test_tokens_without_length_score_zero(sanitized: Kernels, kind: str, window: int) -> None:
    case = Case(1, 64, 12, 12, 2, 2, window)
    x = exact_tokens(case, 8)
    x[0, ::3] = 0
    given, x = narrowed(x, kind)

    slot = match(sanitized, case, kind, given, 60)

    assert slot.tolist() == case.reference(x, 60).tolist()


@pytest.mark.parametrize("window", [0, 1])
@pytest.mark.parametrize("kind", ["float32", "bfloat16"])
@pytest.mark.parametrize("device", [75, 87])
def test_a_length_that_vanishes_in_fp32_is_none(
    sanitized: Kernels, kind: str, window: int, device: int
) -> None:
    # 2^-80 squared is below the smallest FP32; times a token of length 8 it is not.
    case = Case(1, 64, 8, 8, 2, 2, window)
    x = exact_tokens(case, 9)
    x[0, 1::4] *= np.float32(2.0**-80)
    given, x = narrowed(x, kind)

    slot = match(sanitized, case, kind, given, case.sources, device=device)

    assert slot.tolist() == case.reference(x, case.sources).tolist()


@pytest.mark.parametrize("window", [0, 1])
@pytest.mark.parametrize("device", [75, 87])
def test_zeroes_of_either_sign_are_the_same_score(
    sanitized: Kernels, window: int, device: int
) -> None:
    # Products with destinations that have no length in FP32 are +0 or -0.
    case = Case(1, 64, 8, 8, 2, 2, window)
    x = exact_tokens(case, 13)
    x[:, case.partition.destinations] *= np.float32(2.0**-80)

    slot = match(sanitized, case, "float32", x, case.sources // 2, device=device)

    assert slot.tolist() == case.reference(x, case.sources // 2).tolist()


@pytest.mark.parametrize("window", [0, 1])
@pytest.mark.parametrize("kind", TYPES)
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_tokens_that_are_no_numbers_merge_last_and_leave_no_slot_out_of_range(
    sanitized: Kernels, kind: str, value: float, window: int
) -> None:
    case = Case(1, 64, 12, 10, 2, 2, window)
    x = exact_tokens(case, 10)
    bad = case.partition.sources[::5]
    x[0, bad, 3] = value
    given, _ = narrowed(x, kind)
    kept = len(bad)

    slot = match(sanitized, case, kind, given, case.sources - kept)

    # As many stay as are bad: exactly those, in raster order.
    assert slot[0, bad].tolist() == list(range(kept))
    everything = match(sanitized, case, kind, given, case.sources)
    assert everything.min() >= 0
    assert everything.max() < case.partition.cells.tokens


@pytest.mark.emulation
@pytest.mark.parametrize("kind", ["float16", "bfloat16"])
def test_the_product_reads_and_multiplies_what_was_counted(plain: Kernels, kind: str) -> None:
    # Stage 3 at 512x1024: 1,920 sources x 128 destinations x 320 channels.
    case = Case(1, 320, 32, 64, 4, 4)
    given, x = narrowed(exact_tokens(case, 12), kind)
    plain.call("segppEmulationCounts", np.zeros(5, np.uint64))

    slot = match(plain, case, kind, given, 1280, processors=16)

    counts = plain.call("segppEmulationCounts", np.zeros(5, np.uint64)).arrays[0].tolist()
    assert slot.tolist() == case.reference(x, 1280).tolist()
    # Tall tiles of 64 x 128, as there are more of them than processors; ten steps of 32 channels.
    blocks, steps = 30, 10
    multiplications = 1920 * 128 * 320 // (16 * 8 * 16)
    # Each source once, the destinations once per block; 6 of 4 matrices for 16 multiplications.
    copied = (1920 + blocks * 128) * 320 * 2
    assert counts[2:] == [multiplications, multiplications * 6 // 16, copied]
    # Sixteen blocks pack, one selects; a barrier per step, two at the end of a block.
    assert counts[0] == 16 + blocks + 1
    selecting = counts[1] - blocks * (steps + 2)
    assert 4 <= selecting <= 32 + 3


def test_more_sources_than_fit_into_registers_are_selected_in_turns(plain: Kernels) -> None:
    # 19,596 sources, few different scores: ties on both sides of the 16,384th source.
    case = Case(1, 8, 140, 140, 70, 70)
    given, x = narrowed(exact_tokens(case, 11), "float16")

    for merged in (0, 9000, 19000, case.sources):
        slot = match(plain, case, "float16", given, merged, processors=1)
        assert slot.tolist() == case.reference(x, merged).tolist()


def test_sources_and_destinations_are_those_of_the_lattice(plain: Kernels) -> None:
    wrong = []
    for height in range(1, 10):
        for width in range(1, 10):
            for stride_y in range(1, height + 1):
                for stride_x in range(1, width + 1):
                    case = Case(1, 1, height, width, stride_y, stride_x)
                    tokens = poisoned((case.tokens,), np.int32)
                    answer = plain.call("lattice", *case.grid, tokens)
                    partition = case.partition
                    wanted = [*partition.sources, *partition.destinations]
                    if answer.arrays[0].tolist() != wanted:
                        wrong.append(case)

    assert wrong == []


@pytest.mark.parametrize(
    ("case", "merged"),
    [
        (Case(0, 8, 4, 4, 2, 2), 1),
        (Case(1, 0, 4, 4, 2, 2), 1),
        (Case(1, 8, 4, 4, 5, 2), 0),  # no destination
        (Case(1, 8, 4, 4, 2, 2), 13),
        (Case(1, 8, 4, 4, 2, 2), -1),
        (Case(1, 8, 4, 4, 2, 2, -1), 1),
        (Case(1, 8, 40000, 40000, 2, 2), 1),
    ],
    ids=str,
)
def test_shapes_that_cannot_be_are_an_invalid_value(
    plain: Kernels, case: Case, merged: int
) -> None:
    nothing = np.zeros(0, np.uint8)

    answer = plain.call("match", *case.numbers(merged), 0, nothing, 0, nothing, nothing)

    assert answer.code == 1
    assert workspace_bytes(plain, case, "float32", merged) == 0


def test_a_type_that_is_none_is_an_invalid_value(plain: Kernels) -> None:
    case = Case(1, 8, 4, 4, 2, 2)
    nothing = np.zeros(0, np.uint8)

    answer = plain.call("match", *case.numbers(1), 3, nothing, 0, nothing, nothing)

    assert answer.code == 1
