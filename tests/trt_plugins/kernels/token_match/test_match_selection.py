"""The selection of SegppTokenMatch alone, given matches: held to a stable sort of the scores."""

from dataclasses import dataclass

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.trt_plugins.conftest import Open
from tests.trt_plugins.kernels.kernel_library import Kernels, poisoned
from tests.trt_plugins.kernels.token_match.match_kernels import SOURCES, Case, Slots

# Around the sizes at which the kernel, its blocks and its groups of sources change.
COUNTS = [1, 3, 4, 1023, 1025, 2047, 2048, 2049, 4096, 8191, 8192, 8193, 16385]

Floats = NDArray[np.float32]


@pytest.fixture(scope="session")
def sanitized(open_kernels: Open) -> Kernels:
    return open_kernels(*SOURCES, flavour="sanitized")


@pytest.fixture(scope="session")
def plain(open_kernels: Open) -> Kernels:
    return open_kernels(*SOURCES, flavour="plain")


@dataclass(frozen=True)
class Matches:
    """What passes between the launches: values and destinations (splits, B, S), lengths (B, S)."""

    values: Floats
    destinations: NDArray[np.int32]
    inverse: Floats

    @property
    def batch(self) -> int:
        return self.values.shape[1]


def row_of(sources: int, destinations: int = 1) -> Case:
    """One row of tokens with so many sources, the rest of which lies behind the cells."""
    width = sources + destinations
    return Case(1, 1, 1, width, 1, width // destinations)


def drawn(case: Case, seed: int, *, splits: int = 1, batch: int = 1) -> Matches:
    """Cosines as of images: most of them high, no two alike."""
    rng = np.random.default_rng(seed)
    shape = (splits, batch, case.sources)
    cells = case.partition.cells.tokens
    each = -(-cells // splits)
    first = np.arange(splits)[:, None, None] * each
    return Matches(
        (1 - rng.exponential(0.15, shape)).astype(np.float32),
        np.minimum(first + rng.integers(0, each, shape), cells - 1).astype(np.int32),
        (0.5 + rng.random((batch, case.sources))).astype(np.float32),
    )


def padded(array: NDArray[np.generic], filling: float) -> NDArray[np.generic]:
    rest = -array.shape[-1] % 4
    widths = [(0, 0)] * (array.ndim - 1) + [(0, rest)]
    return np.pad(array, widths, constant_values=filling)


def selected(
    kernels: Kernels,
    case: Case,
    matches: Matches,
    merged: int,
    *,
    anywhere: bool = True,
    processors: int = 132,
    order: int = 0,
) -> Slots:
    """Run the selection; padding would win if it were a source."""
    slot = poisoned((matches.batch, case.tokens), np.int32)
    numbers = *case.grid, merged, len(matches.values), int(anywhere), processors
    answer = kernels.call(
        "selectSlots",
        matches.batch,
        *numbers,
        padded(matches.values, 3e38),
        padded(matches.destinations, 0),
        padded(matches.inverse, np.nan),
        slot,
        order=order,
    )
    assert answer.code == 0
    found: Slots = answer.arrays[3]
    return found


def expected(case: Case, matches: Matches, merged: int, *, anywhere: bool = True) -> Slots:
    """Slots by sorting: the first of equal scores first, what is no number last."""
    kept = case.sources - merged
    rows = []
    for image, inverse in enumerate(matches.inverse):
        # The first of equal products, before they are scaled.
        split = matches.values[:, image].argmax(0)
        every = np.arange(case.sources)
        with np.errstate(over="ignore", invalid="ignore"):
            score = matches.values[split, image, every] * inverse
        first = np.where(np.isnan(score), -np.inf, score.astype(np.float64))
        order = np.lexsort((every, -first, np.isnan(score)))
        destination = matches.destinations[split, image, every]
        if anywhere:
            destination = np.where(inverse == 0, 0, destination)
        slot = np.empty(case.tokens, np.int32)
        stays = np.ones(case.sources, bool)
        stays[order[:merged]] = False
        slots = np.where(stays, stays.cumsum() - 1, kept + destination)
        slot[case.partition.sources] = slots
        slot[case.partition.destinations] = kept + np.arange(case.partition.cells.tokens)
        rows.append(slot)
    return np.stack(rows)


def assert_selects(kernels: Kernels, case: Case, matches: Matches, *merged: int) -> None:
    for count in merged:
        assert (
            selected(kernels, case, matches, count).tolist()
            == expected(case, matches, count).tolist()
        )


@pytest.mark.parametrize("sources", COUNTS)
def test_sources_merge_in_the_order_of_a_stable_sort(plain: Kernels, sources: int) -> None:
    case = row_of(sources)
    matches = drawn(case, 1)

    assert_selects(plain, case, matches, 0, 1, sources // 2, sources * 7 // 8, sources)


@pytest.mark.parametrize("sources", COUNTS)
def test_equal_scores_merge_in_raster_order(sanitized: Kernels, sources: int) -> None:
    # Three values: ties lie on both sides of every group and of every block.
    case = row_of(sources)
    matches = drawn(case, 2)
    few = np.random.default_rng(2).choice(np.float32([0.25, 0.5, 0.75]), matches.values.shape)
    equal = Matches(few, matches.destinations, np.ones_like(matches.inverse))

    assert_selects(sanitized, case, equal, sources // 3, sources // 2, sources * 9 // 10)


@pytest.mark.parametrize("batch", range(1, 9))
@pytest.mark.parametrize("sources", [1920, 2051, 8194])
def test_images_of_a_batch_are_selected_each_by_itself(
    plain: Kernels, batch: int, sources: int
) -> None:
    case = row_of(sources)
    matches = drawn(case, 3, batch=batch)

    assert_selects(plain, case, matches, sources * 4 // 5)


@pytest.mark.parametrize("sources", [1921, 7681, 8195])
@pytest.mark.parametrize(("processors", "order"), [(8, 0), (16, 5), (20, 6), (132, 7)])
def test_no_number_of_blocks_and_no_order_of_threads_changes_a_slot(
    plain: Kernels, sources: int, processors: int, order: int
) -> None:
    case = row_of(sources)
    matches = drawn(case, 4)
    merged = sources * 3 // 4

    slot = selected(plain, case, matches, merged, processors=processors, order=order)

    assert slot.tolist() == expected(case, matches, merged).tolist()


@pytest.mark.parametrize("sources", [2047, 8191, 8193])
@pytest.mark.parametrize("splits", [2, 3, 5])
def test_the_best_of_all_splits_counts(sanitized: Kernels, sources: int, splits: int) -> None:
    case = row_of(sources, 7)
    matches = drawn(case, 5, splits=splits, batch=2)

    assert_selects(sanitized, case, matches, sources // 2, case.sources)


@pytest.mark.parametrize("sources", [2047, 8191, 8193])
def test_products_are_compared_before_they_are_scaled(plain: Kernels, sources: int) -> None:
    # Neighbouring products that the length of the source makes equal: the greater one is later.
    case = row_of(sources, 2)
    rng = np.random.default_rng(6)
    less = rng.uniform(0.5, 1, sources * 64).astype(np.float32)
    more = np.nextafter(less, np.float32(2))
    inverse = rng.uniform(0.5, 1, less.size).astype(np.float32)
    equal = np.flatnonzero(less * inverse == more * inverse)[: case.sources]
    assert len(equal) == case.sources
    values = np.stack([less[equal], more[equal]])[:, None]
    destinations = np.zeros(values.shape, np.int32)
    destinations[1] = 1

    slot = selected(plain, case, Matches(values, destinations, inverse[None, equal]), case.sources)

    assert slot[0, case.partition.sources].tolist() == [1] * case.sources


@pytest.mark.parametrize("sources", [2047, 8191, 8193])
def test_scores_of_every_magnitude_and_none_keep_their_order(
    sanitized: Kernels, sources: int
) -> None:
    # All exponents and signs, infinities, both zeroes, subnormals, and 1 of 16 no number at all.
    case = row_of(sources)
    rng = np.random.default_rng(7)
    bits = rng.integers(0, 2**32, (1, 1, sources), np.uint32)
    values = bits.view(np.float32).copy()
    special = np.float32([np.inf, -np.inf, 0.0, -0.0, 1e-45, -1e-45])
    where = rng.random(values.shape) < 0.3
    values[where] = rng.choice(special, int(where.sum()))
    values[np.isnan(values)] = -np.inf
    inverse = np.where(rng.random((1, sources)) < 1 / 16, 0, 0.5).astype(np.float32)
    # Infinity without length is no number.
    values[0, inverse == 0] = -np.inf
    matches = Matches(values, np.zeros(values.shape, np.int32), inverse)
    numbers = int((inverse != 0).sum())

    assert_selects(
        sanitized, case, matches, 1, sources // 2, numbers - 1, numbers, numbers + 1, sources - 1
    )


@pytest.mark.parametrize("sources", [5, 2047, 8191, 8193])
def test_without_a_single_number_the_first_sources_merge(sanitized: Kernels, sources: int) -> None:
    case = row_of(sources)
    shape = (1, 1, sources)
    nothing = np.full(shape, -np.inf, np.float32)
    matches = Matches(nothing, np.zeros(shape, np.int32), np.zeros((1, sources), np.float32))

    assert_selects(sanitized, case, matches, 1, sources // 2, sources)


@pytest.mark.parametrize("sources", [2047, 8191, 8193])
def test_products_that_vanish_below_zero_are_zero(plain: Kernels, sources: int) -> None:
    # -1e-45 x 0.25 rounds to -0, which ties with 0; fused with the addition it would not.
    case = row_of(sources)
    shape = (1, 1, sources)
    values = np.zeros(shape, np.float32)
    values[..., ::3] = np.float32(-1e-45)
    inverse = np.full((1, sources), 0.25, np.float32)
    matches = Matches(values, np.zeros(shape, np.int32), inverse)

    assert_selects(plain, case, matches, sources // 2)


@pytest.mark.parametrize("bits", range(0, 32, 3))
@pytest.mark.parametrize("sources", [700, 3000])
def test_keys_that_differ_in_few_bits_are_told_apart(
    plain: Kernels, sources: int, bits: int
) -> None:
    # Values in a range of 2^bits neighbours, at its ends too.
    case = row_of(sources)
    rng = np.random.default_rng(bits)
    steps = rng.integers(0, 2 ** min(bits, 29), (1, 1, sources)).astype(np.uint32)
    steps[0, 0, :2] = 0, 2 ** min(bits, 29) - 1
    values = (np.uint32(0x30000001) + steps).view(np.float32)
    ones = np.ones((1, sources), np.float32)
    matches = Matches(values, np.zeros(values.shape, np.int32), ones)

    assert_selects(plain, case, matches, 1, sources // 3, sources - 1)


@pytest.mark.parametrize("window", [0, 1])
def test_a_source_without_length_goes_to_the_first_destination_of_all(
    plain: Kernels, window: int
) -> None:
    case = row_of(2049, 9)
    matches = drawn(case, 8)
    matches.inverse[:, ::4] = 0

    slot = selected(plain, case, matches, case.sources, anywhere=not window)

    wanted = expected(case, matches, case.sources, anywhere=not window)
    assert slot.tolist() == wanted.tolist()


@pytest.mark.emulation
@pytest.mark.parametrize(("sources", "blocks"), [(1920, 2), (7680, 4), (20000, 4)])
def test_the_selection_takes_the_barriers_that_were_counted(
    plain: Kernels, sources: int, blocks: int
) -> None:
    # Of each block: one for the range, two for each digit of the keys, one for each group of its
    # sources. The random scores of an image take three digits at most.
    case = row_of(sources)
    matches = drawn(case, 9)
    plain.call("segppEmulationCounts", np.zeros(5, np.uint64))

    selected(plain, case, matches, sources * 5 // 6)

    ran, barriers = plain.call("segppEmulationCounts", np.zeros(5, np.uint64)).arrays[0][:2]
    groups = -(-sources // 2048) if sources > 2048 else blocks
    assert ran == blocks
    digits = (int(barriers) - blocks - groups) / (2 * blocks)
    assert digits in (1, 2, 3)
