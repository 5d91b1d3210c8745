"""The decode head's own source against the oracle, under sanitizers."""

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from segpp.ops import decode_head_reference
from tests.trt_plugins.conftest import Open
from tests.trt_plugins.kernels.gather_kernels import TYPES, shifted
from tests.trt_plugins.kernels.kernel_library import HERE, PLUGINS, Kernels, poisoned

SOURCES = (PLUGINS / "decode_head/decode_head.cu", HERE / "entries/decode_head_entries.cu")

HALVES = TYPES[1:]
Array = NDArray[Any]
Sizes = tuple[tuple[int, int], ...]


def pyramid(height: int, width: int) -> Sizes:
    """The sizes of the four levels of an image whose first level is height x width."""
    return tuple((-(-height // scale), -(-width // scale)) for scale in (1, 2, 4, 8))


@dataclass(frozen=True)
class Case:
    """One shape of SegppDecodeHead."""

    sizes: Sizes
    classes: int
    channels: int
    batch: int = 1
    align_corners: bool = field(default=False, kw_only=True)

    def __str__(self) -> str:
        sizes = "-".join(f"{height}x{width}" for height, width in self.sizes)
        corners = "-aligned" * self.align_corners
        return f"{self.batch}x{self.channels}-{sizes}-k{self.classes}{corners}"

    @property
    def numbers(self) -> tuple[int, ...]:
        sizes = (number for size in self.sizes for number in size)
        return self.batch, self.channels, self.classes, *sizes, int(self.align_corners)

    def inputs(self, kind: Any, seed: int = 0) -> list[Array]:
        """Four levels, weights and bias; of fused values of about 1 and logits of about 1."""
        random = np.random.default_rng(seed)
        shapes = [(self.batch, self.channels, *size) for size in self.sizes]
        levels = [random.standard_normal(shape, np.float32).astype(kind) for shape in shapes]
        weight = random.standard_normal((self.classes, self.channels, 1, 1), np.float32)
        bias = random.standard_normal(self.classes, np.float32)
        return [*levels, (weight / self.channels**0.5).astype(kind), bias.astype(kind)]


# For the tensor cores: pixels of one tile and of several, tiles with missing rows and columns, one
# row and one column, levels whose sizes are not a quarter, a smaller grid with levels as large as
# the first; classes and channels of one step and of several, and of several blocks of classes.
TENSOR = (
    Case(pyramid(8, 32), 19, 32),
    Case(pyramid(16, 64), 19, 16),
    Case(pyramid(9, 33), 19, 48, 2),
    Case(pyramid(13, 21), 1, 16),
    Case(pyramid(1, 1), 2, 16),
    Case(pyramid(1, 70), 25, 16),
    Case(pyramid(21, 1), 24, 16),
    Case(pyramid(12, 40), 60, 32, 2),
    Case(pyramid(5, 36), 65, 16),
    Case(pyramid(5, 34), 150, 32),
    Case(pyramid(4, 8), 310, 16),
    Case(((10, 36), (10, 36), (10, 36), (5, 18)), 19, 16, 2),
    Case(((10, 36), (9, 30), (3, 35), (10, 1)), 19, 16),
    Case(pyramid(6, 36), 19, 256),
    Case(pyramid(3, 20), 19, 768),
    Case(pyramid(2050, 2), 2, 16),
)
# What only the other kernel does: channels that 16 does not divide, a level finer than the first,
# and one hardly coarser, of so many rows that rounding might skip one.
PLAIN = (
    Case(pyramid(9, 33), 19, 33, 2),
    Case(pyramid(5, 7), 1, 1),
    Case(pyramid(3, 50), 33, 40),
    Case(((5, 7), (10, 7), (2, 15), (1, 1)), 19, 32),
    Case(((4, 6), (4, 7), (2, 3), (1, 2)), 150, 16),
    Case(((2050, 1), (2049, 1), (513, 1), (257, 1)), 2, 16),
)
# The levels of a 512x512 picture, which are whole tiles throughout.
REAL = Case(pyramid(128, 128), 19, 32)


@pytest.fixture(scope="module")
def kernels(open_kernels: Open) -> Kernels:
    return open_kernels(*SOURCES)


@pytest.fixture(scope="module")
def plain(open_kernels: Open) -> Kernels:
    return open_kernels(*SOURCES, flavour="plain")


def logits_of(
    kernels: Kernels,
    case: Case,
    inputs: list[Array],
    *,
    offset: int = 0,
    order: int = 0,
    device: int = 87,
) -> Array:
    kind = inputs[0].dtype
    out = poisoned((case.batch, case.classes, *case.sizes[0]), kind)
    given = [shifted(array, offset) for array in (*inputs, out)]
    numbers = (TYPES.index(kind), *case.numbers, offset)
    answer = kernels.call("head", *given, *numbers, order=order, device=device)
    assert answer.code == 0
    written = answer.arrays[-1]
    assert (written[:offset] == 0xFF).all()
    logits: Array = written[offset:].view(kind).reshape(out.shape)
    return logits


def bound_of(case: Case, inputs: list[Array]) -> Array:
    """How far a logit may be from the oracle's, (B, K, h, w).

    Three roundings are beyond FP32's, each of at most half a unit of the type: of the fused value
    before it is multiplied, so of the sum of the products' magnitudes, and of the logit, in the
    kernel and in the oracle. FP32 adds what a sum of D products, in any order, and 30 roundings of
    the interpolation are off by: D + 30 of its units of that sum, with magnitudes before ReLU.
    """
    kind = inputs[0].dtype
    unit = {"float32": 2.0**-24, "float16": 2.0**-11, "bfloat16": 2.0**-8}[kind.name]
    corners = {"align_corners": case.align_corners}
    *levels, weight, bias = (array.astype(np.float32) for array in inputs)
    logits = decode_head_reference(levels, weight, bias, **corners)
    fused = decode_head_reference(levels, abs(weight), abs(bias), **corners)
    magnitude = decode_head_reference([abs(x) for x in levels], abs(weight), abs(bias), **corners)
    single = (case.channels + 30) * 2.0**-24 * magnitude
    # Where a half is so small that its unit no longer shrinks with it.
    smallest = 2.0**-25 * (1 + abs(weight).sum(1).max()) if kind == np.float16 else 0.0
    bound: Array = single + unit * (fused + 2 * (abs(logits) + single)) * 1.01 + smallest
    return bound


def assert_like_the_oracle(case: Case, inputs: list[Array], logits: Array) -> None:
    *levels, weight, bias = inputs
    expected = decode_head_reference(levels, weight, bias, align_corners=case.align_corners)
    assert logits.dtype == expected.dtype
    off = np.abs(logits.astype(np.float64) - expected.astype(np.float64))
    # `not <=` is true for NaN as well.
    assert not (~(off <= bound_of(case, inputs))).any(), np.nanmax(off)


@pytest.mark.parametrize("kind", TYPES, ids=str)
@pytest.mark.parametrize("case", [*TENSOR, *PLAIN], ids=str)
def test_logits_are_the_oracles_up_to_rounding(kernels: Kernels, case: Case, kind: Any) -> None:
    inputs = case.inputs(kind)

    logits = logits_of(kernels, case, inputs)

    assert_like_the_oracle(case, inputs, logits)


@pytest.mark.parametrize("kind", TYPES, ids=str)
@pytest.mark.parametrize("case", [TENSOR[2], TENSOR[9], TENSOR[11], TENSOR[12], PLAIN[3]], ids=str)
def test_corners_can_be_aligned(kernels: Kernels, case: Case, kind: Any) -> None:
    aligned = replace(case, align_corners=True)
    inputs = aligned.inputs(kind, seed=1)

    logits = logits_of(kernels, aligned, inputs)

    assert_like_the_oracle(aligned, inputs, logits)


@pytest.mark.parametrize("kind", TYPES, ids=str)
def test_a_real_size_has_the_oracles_logits(plain: Kernels, kind: Any) -> None:
    inputs = REAL.inputs(kind)

    logits = logits_of(plain, REAL, inputs)

    assert_like_the_oracle(REAL, inputs, logits)


@pytest.mark.parametrize("kind", TYPES, ids=str)
@pytest.mark.parametrize("case", [TENSOR[2], TENSOR[9], PLAIN[0]], ids=str)
def test_no_order_of_threads_changes_a_bit(plain: Kernels, case: Case, kind: Any) -> None:
    inputs = case.inputs(kind)

    first, *others = (logits_of(plain, case, inputs, order=order) for order in (0, 3, 8))

    assert_like_the_oracle(case, inputs, first)
    assert all(other.tobytes() == first.tobytes() for other in others)


@pytest.mark.parametrize("case", [TENSOR[2], TENSOR[7], PLAIN[0]], ids=str)
@pytest.mark.parametrize("order", [0, 4])
def test_one_image_of_a_batch_knows_nothing_of_the_others(
    plain: Kernels, case: Case, order: int
) -> None:
    *levels, weight, bias = case.inputs(np.float16)
    alone = replace(case, batch=1)

    together = logits_of(plain, case, [*levels, weight, bias], order=order)

    for image in range(case.batch):
        own = [level[image : image + 1] for level in levels]
        assert (logits_of(plain, alone, [*own, weight, bias])[0] == together[image]).all()


@pytest.mark.parametrize("kind", HALVES, ids=str)
@pytest.mark.parametrize("offset", [2, 4, 8])
def test_arrays_may_lie_at_any_multiple_of_their_type(
    kernels: Kernels, kind: Any, offset: int
) -> None:
    case = TENSOR[1]
    inputs = case.inputs(kind)

    logits = logits_of(kernels, case, inputs, offset=offset)

    assert_like_the_oracle(case, inputs, logits)


@pytest.mark.parametrize("case", [TENSOR[0], PLAIN[0]], ids=str)
def test_what_is_exact_in_any_order_is_exact(kernels: Kernels, case: Case) -> None:
    # Small whole numbers, and shares of the higher value that are odd sixteenths.
    sizes = pyramid(8, 32)
    case = replace(case, sizes=sizes)
    random = np.random.default_rng(0)
    levels = [
        random.integers(-2, 3, (case.batch, case.channels, *size)).astype(np.float32)
        for size in sizes
    ]
    weight = random.integers(-1, 2, (case.classes, case.channels, 1, 1)).astype(np.float32)
    bias = random.integers(-2, 3, case.classes).astype(np.float32)

    for kind in TYPES[:2]:
        inputs = [array.astype(kind) for array in (*levels, weight, bias)]
        logits = logits_of(kernels, case, inputs)

        assert (logits == decode_head_reference(inputs[:4], *inputs[4:])).all()


@pytest.mark.parametrize("kind", TYPES, ids=str)
@pytest.mark.parametrize("channels", [16, 15])
def test_sums_and_bias_are_added_in_single(kernels: Kernels, kind: Any, channels: int) -> None:
    # 2048 and a few ones, less 2048: halves know no odd number beyond 2048, and bfloat16 none
    # beyond 256.
    case = Case(pyramid(8, 32), 2, channels)
    levels = [np.zeros((1, channels, *size), kind) for size in case.sizes]
    levels[0][:] = 1
    weight = np.ones((2, channels, 1, 1), kind)
    weight[:, 0] = 2048
    bias = np.full(2, -2048, kind)

    logits = logits_of(kernels, case, [*levels, weight, bias])

    assert (logits == channels - 1).all()


@pytest.mark.parametrize("kind", TYPES, ids=str)
@pytest.mark.parametrize("case", [TENSOR[0], PLAIN[1]], ids=str)
def test_not_a_number_stays_in_its_pixel_and_infinity_above_zero(
    kernels: Kernels, case: Case, kind: Any
) -> None:
    inputs = case.inputs(kind)
    inputs[4] = np.abs(inputs[4]) + kind.type(0.125)
    inputs[0][0, 0, 2, 3] = np.nan
    inputs[0][0, 0, 4, 5] = np.inf
    inputs[0][0, 0, 1, 6] = -np.inf

    logits = logits_of(kernels, case, inputs)

    assert np.isnan(logits[0, :, 2, 3]).all()
    assert (logits[0, :, 4, 5] == np.inf).all()
    others = np.ones(logits.shape, bool)
    others[0, :, 2, 3] = others[0, :, 4, 5] = False
    assert np.isfinite(logits[others]).all()


@pytest.mark.emulation
@pytest.mark.parametrize("kind", HALVES, ids=str)
def test_a_chip_without_the_instructions_takes_the_other_kernel(plain: Kernels, kind: Any) -> None:
    case = TENSOR[2]
    inputs = case.inputs(kind)
    multiplications(plain)

    logits = logits_of(plain, case, inputs, device=75)

    assert multiplications(plain) == 0
    assert_like_the_oracle(case, inputs, logits)


def multiplications(kernels: Kernels) -> int:
    """The products of the tensor cores since the last call of this function."""
    counts = kernels.call("segppEmulationCounts", np.zeros(5, np.uint64)).arrays[0].tolist()
    found: int = counts[2]
    return found


@pytest.mark.emulation
@pytest.mark.parametrize("case", [*TENSOR, *PLAIN], ids=str)
def test_the_tensor_cores_do_what_they_can(plain: Kernels, case: Case) -> None:
    multiplications(plain)

    logits_of(plain, case, case.inputs(np.dtype(np.float16)))

    height, width = case.sizes[0]
    # Eight rows and up to 3 x 8 classes, where the deeper levels' columns leave shared memory for
    # them; otherwise four rows, and 8 x 8 classes or 19 x 8.
    few_columns = sum(size[1] for size in case.sizes[1:]) <= 2 * width
    rows = 8 if case.classes <= 24 and few_columns else 4
    tiles = 3 if rows == 8 else 8 if case.classes <= 64 else 19
    groups = -(-case.classes // (8 * tiles))
    blocks = -(-height // rows) * -(-width // 32) * groups * case.batch
    wanted = blocks * rows * 2 * tiles * case.channels // 16
    assert multiplications(plain) == (wanted if case in TENSOR else 0)


@pytest.mark.parametrize(
    "change",
    [
        {"batch": 0},
        {"batch": 65536},
        {"channels": 0},
        {"classes": 0},
        {"classes": 65536},
        {"channels": 1 << 16, "classes": 1 << 15},
        {"sizes": ((2, 2), (0, 1), (1, 1), (1, 1))},
        {"sizes": ((2, 2), (1, 1), (1, 1), (1, -1))},
        {"sizes": ((1 << 15, 1 << 15), (1, 1), (1, 1), (1, 1)), "channels": 2},
        {"sizes": ((1 << 15, 1 << 15), (1, 1), (1, 1), (1, 1)), "classes": 2},
        {"sizes": ((1, 1), (1, 1), (1 << 15, 1 << 15), (1, 1)), "channels": 2},
        {"sizes": ((1 << 16, 1 << 16), (1, 1), (1, 1), (1, 1))},
    ],
    ids=str,
)
def test_sizes_that_mean_nothing_are_refused(kernels: Kernels, change: dict[str, Any]) -> None:
    case = replace(Case(((1, 1),) * 4, 1, 1), **change)
    arrays = [poisoned((4,), np.float32) for _ in range(7)]

    answer = kernels.call("head", *arrays, 0, *case.numbers, 0)

    assert answer.code != 0
    assert np.isnan(answer.arrays[-1]).all()
