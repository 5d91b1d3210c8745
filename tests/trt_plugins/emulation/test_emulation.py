"""CUDA emulated on the CPU: what it computes, and the mistakes it sees in kernels."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.trt_plugins.conftest import Open
from tests.trt_plugins.kernels.kernel_library import KernelDiedError, Kernels, poisoned

pytestmark = pytest.mark.emulation

HERE = Path(__file__).resolve().parent
FLAVOURS = ("plain", "sanitized")
ORDERS = (0, 1)


@pytest.fixture(scope="session", params=FLAVOURS)
def faults(request: pytest.FixtureRequest, open_kernels: Open) -> Kernels:
    return open_kernels(HERE / "model_faults.cu", flavour=request.param)


@pytest.fixture(scope="session")
def plain_faults(open_kernels: Open) -> Kernels:
    return open_kernels(HERE / "model_faults.cu", flavour="plain")


@pytest.fixture(scope="session")
def sanitized_faults(open_kernels: Open) -> Kernels:
    return open_kernels(HERE / "model_faults.cu", flavour="sanitized")


@pytest.fixture(scope="session")
def instructions(open_kernels: Open) -> Kernels:
    return open_kernels(HERE / "model_instructions.cu", flavour="sanitized")


def numbers(count: int) -> NDArray[np.int32]:
    return np.arange(1000, 1000 + count, dtype=np.int32)


def run(kernels: Kernels, name: str, count: int, *, wrong: bool, order: int) -> NDArray[np.int32]:
    out = poisoned((count,), np.int32)
    answer = kernels.call(f"call_{name}", int(wrong), numbers(count), out, order=order)
    assert answer.code == 0
    return answer.arrays[1]


# What each kernel gives without its mistake, of what it was given.
RIGHT = {
    "reverse": (64, lambda x: x[::-1]),
    "rotate": (64, lambda x: x),
    "copyThrough": (256, lambda x: x),
    "copyMisaligned": (4, None),
    "writeStatic": (32, lambda x: x),
    "writeDynamic": (32, lambda x: x),
    "readGlobal": (32, lambda x: x),
    "writeGlobal": (32, lambda x: x),
    "loadMisaligned": (32, lambda x: x // 4 * 4),
    "barrierForSome": (32, lambda x: x),
    "twoBarriers": (32, lambda x: x),
    "shuffleForSome": (32, lambda x: x),
    "shuffleFromOutside": (32, lambda x: x),
}


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("name", [name for name, (_, right) in RIGHT.items() if right])
def test_a_kernel_without_a_mistake_is_right(faults: Kernels, name: str, order: int) -> None:
    count, right = RIGHT[name]

    out = run(faults, name, count, wrong=False, order=order)

    assert right
    assert out.tolist() == right(numbers(count)).tolist()


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("name", ["reverse", "rotate", "copyThrough"])
def test_a_missing_barrier_or_wait_changes_the_result(
    plain_faults: Kernels, name: str, order: int
) -> None:
    count, right = RIGHT[name]

    out = run(plain_faults, name, count, wrong=True, order=order)

    assert right
    assert out.tolist() != right(numbers(count)).tolist()


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("writeStatic", "global-buffer-overflow"),
        ("writeDynamic", "heap-buffer-overflow"),
        ("readGlobal", "heap-buffer-overflow"),
        ("writeGlobal", "heap-buffer-overflow"),
        ("loadMisaligned", "misaligned address"),
    ],
)
def test_the_sanitizers_see_what_leaves_its_array(
    sanitized_faults: Kernels, name: str, message: str
) -> None:
    with pytest.raises(KernelDiedError, match=message) as caught:
        run(sanitized_faults, name, 32, wrong=True, order=0)

    # The report leads to the kernel.
    assert f"in {name}" in str(caught.value)


def test_guard_bands_see_what_leaves_its_array(plain_faults: Kernels) -> None:
    with pytest.raises(KernelDiedError, match="call_writeGlobal wrote outside its argument"):
        run(plain_faults, "writeGlobal", 32, wrong=True, order=0)


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("barrierForSome", "16 wait in __syncthreads at .*\n.*16 of 32 have returned"),
        ("twoBarriers", "threads of a block came to different barriers"),
        ("shuffleForSome", "16 wait in __shfl_xor_sync at .*mask ffffffff"),
        ("shuffleFromOutside", "a shuffle reads a lane that its mask does not name"),
        ("copyMisaligned", "an asynchronous copy is not aligned to its size"),
    ],
)
def test_the_model_refuses_what_no_device_defines(
    faults: Kernels, name: str, message: str, order: int
) -> None:
    with pytest.raises(KernelDiedError, match=message) as caught:
        run(faults, name, 32, wrong=True, order=order)

    # Which line of the kernel, in which block.
    assert "model_faults.cu:" in str(caught.value) or "copy.cuh:" in str(caught.value)
    assert "in block (0, 0, 0)" in str(caught.value)


def test_instructions_of_a_warp_give_what_the_manual_says(instructions: Kernels) -> None:
    x = np.array([(37 * i + 11) % 100 + 1 for i in range(32)], np.int32)
    lane = np.arange(32)
    bits = 1 << np.arange(32, dtype=np.uint64)

    answer = instructions.call("callWarpInstructions", x, poisoned((24, 32), np.int32))

    same = np.array([bits[x % 4 == value % 4].sum() for value in x], np.uint64)
    wanted = [
        np.full(32, x[5]),
        x[lane // 8 * 8 + (lane + 1) % 8],
        x[lane ^ 3],
        x[np.where(lane >= 2, lane - 2, lane)],
        x[np.where(lane % 8 >= 2, lane - 2, lane)],
        x[np.where(lane + 3 < 32, lane + 3, lane)],
        x[np.where(lane % 16 + 3 < 16, lane + 3, lane)],
        np.full(32, bits[x % 3 == 0].sum()),
        same,
        np.full(32, x.sum()),
        np.full(32, x.min()),
        np.full(32, x.max()),
        np.full(32, np.bitwise_or.reduce(x)),
        np.full(32, np.bitwise_and.reduce(x)),
        np.full(32, (x > 90).any()),
        np.full(32, (x > 90).all()),
        x.cumsum() - x,
        [int(value).bit_count() for value in x],
        [(int(value) & -int(value)).bit_length() for value in x],
        [32 - int(value).bit_length() for value in x],
        [int(value) & 0xFFFF | 0x22110000 for value in x],
        np.full(32, (x % 2).sum()),
        np.full(32, 0),
        np.full(32, 1),
    ]
    for index, row in enumerate(wanted):
        found = answer.arrays[1][index].astype(np.int64) & 0xFFFFFFFF
        assert found.tolist() == np.asarray(row).astype(np.int64).tolist(), index


@pytest.mark.parametrize("brain", [False, True], ids=["half", "bfloat16"])
def test_a_product_of_fragments_is_the_product_of_matrices(
    instructions: Kernels, *, brain: bool
) -> None:
    answer, wanted = product(instructions, brain=brain, mistake=0)

    assert answer.tolist() == wanted.tolist()


@pytest.mark.parametrize("mistake", [1, 2, 3, 4])
def test_a_wrong_index_into_a_fragment_gives_a_wrong_product(
    instructions: Kernels, mistake: int
) -> None:
    answer, wanted = product(instructions, brain=False, mistake=mistake)

    assert answer.tolist() != wanted.tolist()


def product(
    kernels: Kernels, *, brain: bool, mistake: int
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    # Small whole numbers: exact in both types and in every order of additions.
    rng = np.random.default_rng(3)
    a = rng.integers(-8, 9, (16, 16)).astype(np.float32)
    b = rng.integers(-8, 9, (8, 16)).astype(np.float32)
    given = [
        (part.view(np.uint32) >> 16).astype(np.uint16) if brain else part.astype(np.float16)
        for part in (a, b)
    ]
    out = poisoned((16, 8), np.float32)
    answer = kernels.call("callProduct", int(brain), mistake, *given, out)
    return answer.arrays[2], a @ b.T


def test_conversions_round_to_nearest_even(instructions: Kernels) -> None:
    # Every half, the points halfway between halves and beside those, and random bits.
    halves = np.arange(0x7C00, dtype=np.uint16).view(np.float16).astype(np.float32)
    between = (halves[1:] + halves[:-1]) / 2
    beside = [np.nextafter(between, np.float32(side)) for side in (0, 1e9)]
    rng = np.random.default_rng(4)
    drawn = rng.integers(0, 2**32, 40000, dtype=np.uint32).view(np.float32)
    special = np.array([65504, 65519.99, 65520, 1e9, np.inf, 0, 1e-40], np.float32)
    positive = np.concatenate([halves, between, *beside, special])
    x = np.concatenate([positive, -positive, drawn])
    x = np.pad(x, (0, -len(x) % 256))
    outputs = [poisoned(x.shape, np.uint16), poisoned(x.shape, np.uint16)]

    answer = instructions.call(
        "callConversions", len(x) // 256, x, *outputs, poisoned((len(x), 2), np.float32)
    )

    _, half, brain, back = answer.arrays
    finite = ~np.isnan(x)
    with np.errstate(over="ignore"):
        rounded = x.astype(np.float16)
    assert (half[finite] == rounded.view(np.uint16)[finite]).all()
    assert np.isnan(half.view(np.float16)[~finite]).all()
    assert (back[finite, 0] == rounded.astype(np.float32)[finite]).all()
    # bfloat16: neither neighbour is closer, and of two that are as close it is the even one.
    small = np.abs(x) < 1e38
    exact = x[small].astype(np.float64)
    error = np.abs(back[small, 1] - exact)
    odd = brain[small] % 2 == 1
    for step in (-1, 1):
        bits = (brain[small].astype(np.int64) + step) % 65536 << 16
        other = bits.astype(np.uint32).view(np.float32)
        # Below zero there is the largest NaN instead of a neighbour; it compares as not closer.
        distance = np.abs(other - exact)
        assert not (distance < error).any()
        assert not ((distance == error) & odd).any()


def test_threads_and_blocks_have_their_indices(instructions: Kernels) -> None:
    answer = instructions.call("callIndices", poisoned((360,), np.int32), order=1)

    assert answer.arrays[0].tolist() == list(range(360))


def test_threads_run_in_order_or_as_a_seed_draws_them(instructions: Kernels) -> None:
    arrivals = {
        order: instructions.call(
            "callArrivals", np.zeros(1, np.int32), poisoned((64,), np.int32), order=order
        )
        .arrays[1]
        .tolist()
        for order in (0, 1, 2)
    }

    assert arrivals[0] == list(range(64))
    assert sorted(arrivals[1]) == sorted(arrivals[2]) == list(range(64))
    assert len({tuple(order) for order in arrivals.values()}) == 3


def test_fibers_of_the_c_library_do_where_ours_are_not_written(open_kernels: Open) -> None:
    flags = ("-DCPU_EMULATION_UCONTEXT",)
    portable = open_kernels(HERE / "model_faults.cu", flavour="plain", flags=flags)

    out = run(portable, "rotate", 64, wrong=False, order=1)

    assert out.tolist() == numbers(64).tolist()


def test_a_drawn_order_lets_a_warp_run_far_ahead_of_another(instructions: Kernels) -> None:
    def ahead(order: int) -> bool:
        outputs = [poisoned((4,), np.int32), poisoned((4,), np.int32)]
        answer = instructions.call("callWalks", np.zeros(1, np.int32), *outputs, order=order)
        _, begins, ends = answer.arrays
        return bool(ends.min() < begins.max())

    # In order, the warps take turns; of 20 drawn orders, some finish one before another begins.
    assert not ahead(0)
    assert any(ahead(order) for order in range(1, 21))


@pytest.mark.parametrize(
    ("kibibytes", "raised", "code"), [(48, 0, 0), (49, 0, 9), (99, 1, 0), (100, 1, 1)]
)
def test_shared_memory_beyond_48_kib_has_to_be_asked_for(
    instructions: Kernels, kibibytes: int, raised: int, code: int
) -> None:
    # A kernel that was allowed more once stays allowed, so the order of these cases matters.
    assert instructions.call("callWithShared", kibibytes * 1024, raised).code == code
