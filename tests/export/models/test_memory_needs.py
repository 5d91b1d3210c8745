"""What an export will need is told before it, and held to what an export took."""

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from segpp.errors import InputError, MissingError
from segpp.export.models.memory_needs import (
    check_memory,
    memory_needed,
    telling_when_memory_is_out,
)
from segpp.export.models.segformer.architecture import segformer
from segpp.export.models.segformer.family import FAMILY
from segpp.export.models.segformer.presets import reduction_config
from segpp.export.models.segformer.sites import site_grids
from segpp.export.reduction.config import count_tokens
from segpp.export.reduction.gates.config import build_gates, count_channels
from segpp.ops.grid import Size
from segpp.utils.limits import Room
from tests.helpers.commands import Completed

Command = Callable[..., Completed]

B0 = segformer("b0", classes=19)
LARGE = Size(1024, 2048)


def sites(size: Size, *reduce: str, preset: str | None = None) -> tuple[object, ...]:
    config = reduction_config(preset=preset, reduce=list(reduce))
    return count_tokens(config, site_grids(size, config))


def test_the_scores_of_the_first_stage_decide_at_a_large_size() -> None:
    needed, what = memory_needed(B0, LARGE, 1)

    # A quarter of the pixels along each side, against a 64th of them; one head, FP32.
    scores = (256 * 512) * (32 * 64) * 4
    assert what == "attention of stage 1, 131,072 x 2,048 scores a head"
    assert needed > 2 * scores


def test_merging_needs_less_and_a_batch_more() -> None:
    plain, _ = memory_needed(B0, LARGE, 1)
    batch, _ = memory_needed(B0, LARGE, 2)
    halved, _ = memory_needed(B0, LARGE, 1, sites(LARGE, "1.kv=bsm:ratio=0.5"))
    untold, _ = memory_needed(B0, LARGE, 1, check=False)

    assert untold < halved < plain < batch


def test_a_match_of_many_tokens_counts() -> None:
    merged = sites(LARGE, "1.q=bsm:ratio=0.5,sy=2,sx=2")

    _, what = memory_needed(B0, LARGE, 1, merged)

    assert what == "the match of stage 1, q, 3,221,225,472 similarities"


def test_a_smaller_grid_needs_less_unless_a_block_stays_on_the_full_one() -> None:
    small, what = memory_needed(B0, LARGE, 1, sites(LARGE, "1.grid=area"))
    mixed, largest = memory_needed(B0, LARGE, 1, sites(LARGE, "1.grid=area:every=2"))
    plain, _ = memory_needed(B0, LARGE, 1)

    # Half of each side leaves a quarter of the queries, and of the keys.
    assert what.startswith("the decode head, ")
    assert largest == "attention of stage 1, 131,072 x 2,048 scores a head"
    assert small < mixed == plain


def test_a_head_on_a_smaller_grid_needs_less() -> None:
    stages = ("1.grid=area", "2.grid=area")
    most, whole = memory_needed(B0, LARGE, 1, sites(LARGE, *stages))
    least, what = memory_needed(B0, LARGE, 1, sites(LARGE, *stages, "head.grid=area"))

    assert whole.startswith("the decode head, ")
    assert what == "attention of stage 3, 8,192 x 2,048 scores a head"
    assert least < most


def test_the_moments_of_many_channels_count() -> None:
    architecture, size = segformer("b5", classes=19), Size(64, 64)
    channels = FAMILY.channels(architecture)
    fixed, dynamic = (
        count_channels(build_gates([f"3.hidden={how}"], FAMILY.places), channels)
        for how in ("fixed", "dynamic")
    )

    plain = memory_needed(architecture, size, 1)
    count, what = memory_needed(architecture, size, 1, (), fixed)

    # 40 blocks with matrices of 1280 x 1280 in double precision.
    assert count - plain[0] > 40 * 1280**2 * 8
    assert "1,280 channels in 40 blocks" in what
    assert memory_needed(architecture, size, 1, (), dynamic) == plain


def test_too_little_room_is_refused_with_what_helps() -> None:
    needed = memory_needed(B0, LARGE, 4)

    with pytest.raises(MissingError, match=r"needs about .* GB of memory, and has 4\.0 GB") as told:
        check_memory(needed, Room(4_000_000_000, "--memory-limit"), batch=4, size=LARGE)

    for way in ("attention of stage 1", "--no-check", "--preset", "--size", "--batch"):
        assert way in str(told.value)


@pytest.mark.parametrize("room", [None, Room(1 << 60, "nothing")])
def test_enough_room_or_an_unknown_one_is_no_reason(room: Room | None) -> None:
    check_memory(memory_needed(B0, LARGE, 1), room, batch=1, size=LARGE)


@pytest.mark.parametrize(
    "failure",
    [
        MemoryError(),
        RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried …"),
        Exception("Failed to allocate memory for requested buffer of size 1073741824"),
    ],
    ids=["python", "torch", "onnxruntime"],
)
def test_running_out_all_the_same_is_one_sentence(failure: Exception) -> None:
    theirs = ValueError("the library's own words")
    theirs.__cause__ = failure

    with pytest.raises(MissingError, match="the memory ran out"), telling_when_memory_is_out():
        raise theirs


@pytest.mark.parametrize("failure", [ValueError("else"), InputError("not enough memory")])
def test_other_failures_stay_what_they_are(failure: Exception) -> None:
    with pytest.raises(type(failure)) as found, telling_when_memory_is_out():
        raise failure

    assert found.value is failure


@pytest.mark.parametrize(
    ("limit", "code", "says"),
    [
        ("500M", 3, "needs about 0.6 GB of memory, and has 0.5 GB"),
        ("5X", 2, "'5X' is not a size"),
        ("0G", 2, "'0G' is not a size"),
    ],
)
def test_a_limit_can_be_given(
    segpp: Command, tiny_checkpoint: Path, tmp_path: Path, *, limit: str, code: int, says: str
) -> None:
    out = tmp_path / "x.onnx"

    done = segpp(
        "export", tiny_checkpoint, out, "--size", "64x64", "--no-check", "--memory-limit", limit
    )

    assert done.returncode == code
    assert says in done.stderr
    assert not out.exists()


PEAK = """
import re, sys
from pathlib import Path
import segpp
from segpp.export import pipeline
from segpp.export.models import memory_needs
from segpp.ops.grid import Size

def peak(name):
    return int(re.search(name + r":\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) * 1024

checked = pipeline._check_memory
def remember(*given):
    global needed, before
    checked(*given)
    architecture = given[1].architecture
    before = peak("VmRSS")
    needed = memory_needs.memory_needed(architecture, Size(*map(int, sys.argv[3:5])), 1)[0]
pipeline._check_memory = remember
segpp.export_onnx(sys.argv[1], sys.argv[2], size=f"{sys.argv[3]}x{sys.argv[4]}")
print(needed, peak("VmHWM") - before)
"""


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="nothing tells the peak")
def test_the_estimate_is_that_of_a_real_export(b0_checkpoint: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-c", PEAK, str(b0_checkpoint), str(tmp_path / "x.onnx")]
    done = subprocess.run([*command, "1024", "1024"], capture_output=True, text=True, check=True)

    needed, taken = map(int, re.findall(r"\d+", done.stdout.splitlines()[-1]))
    # Enough, and not so much that an export is refused which would do with half.
    assert taken < needed < 2 * taken
