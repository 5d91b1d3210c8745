"""Every kernel, compiled for every architecture, against the table that is committed."""

import json
import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from benchmarks.kernels.compile_table import (
    PAGE,
    PLUGINS,
    RESULT,
    Compiled,
    as_text,
    compile_all,
    operator_sources,
    result_of,
    with_tables,
)
from benchmarks.kernels.nvcc import Kernel, Toolkit, find_toolkit

# What a kernel is fast by: without these it still computes the same.
EXPECTED = (
    (r"matchTensor<", 80, ("HMMA", "LDSM", "async 16 B")),
    (r"head::decodeHeadTensor<", 80, ("HMMA",)),
    (r"matchNear<.*, [48]>", 75, ("load 16 B",)),
    (r"packDestinations<.*, [48]>", 75, ("load 16 B", "store 16 B")),
    (r"selectAndNumber<", 75, ("load 16 B", "shared atomic")),
    (r"tokenMergeKernel<.*, [48]>", 75, ("load 16 B", "store 16 B")),
    (r"tokenUnmergeKernel<uint4>", 75, ("load 16 B", "store 16 B")),
    (r"tokenUnmergeAddKernel<.*, [48]>", 75, ("load 16 B", "store 16 B")),
)

# "special" is excepted: those are divisions, of indices and of sums.
UNWANTED = ("local", "generic", "atomic", "shared atomic")

# Counts, which are the same in whatever order they grow.
COUNTING = r"selectAndNumber<"


@pytest.fixture(scope="module")
def toolkit() -> Toolkit:
    return find_toolkit()


@pytest.fixture(scope="module")
def compiled(toolkit: Toolkit) -> Compiled:
    return compile_all(toolkit)


@pytest.fixture(scope="module")
def table() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(RESULT.read_text(encoding="utf-8"))
    return found


def every(compiled: Compiled) -> list[tuple[int, Kernel]]:
    return [
        (architecture, kernel) for (_, architecture), all_ in compiled.items() for kernel in all_
    ]


def test_the_table_was_made_with_this_toolkit(toolkit: Toolkit, table: dict[str, Any]) -> None:
    # Another nvcc gives other registers: then write the table anew, or pin the toolkit.
    assert toolkit.version == table["toolkit"]
    assert toolkit.architectures == (75, 80, 86, 87, 89, 90, 100, 110, 120)


def test_no_kernel_takes_more_registers_or_memory_than_the_table_says(
    compiled: Compiled, table: dict[str, Any]
) -> None:
    allowed = {
        (row["file"], row["architecture"], row["kernel"]): (row["registers"], row["shared"])
        for row in table["kernels"]
    }

    found = {
        (file, architecture, kernel.name): (kernel.registers, kernel.shared)
        for (file, architecture), kernels in compiled.items()
        for kernel in kernels
    }

    assert found.keys() == allowed.keys()
    more = {
        key: (used, allowed[key])
        for key, used in found.items()
        if used[0] > allowed[key][0] or used[1] > allowed[key][1]
    }
    assert more == {}


def test_no_kernel_spills(compiled: Compiled) -> None:
    spilling = [
        (architecture, kernel.name, kernel.spills, kernel.stack)
        for architecture, kernel in every(compiled)
        if kernel.spills or kernel.stack
    ]

    assert spilling == []


def test_no_kernel_has_atomics_or_addresses_of_unknown_memory(compiled: Compiled) -> None:
    unwanted = [
        (architecture, kernel.name, kind)
        for architecture, kernel in every(compiled)
        for kind in UNWANTED
        if kernel.counts[kind] and not (kind == "shared atomic" and re.match(COUNTING, kernel.name))
    ]

    assert unwanted == []


def test_kernels_use_the_instructions_that_make_them_fast(compiled: Compiled) -> None:
    missing = []
    for form, first, kinds in EXPECTED:
        of_form = [
            (architecture, kernel)
            for architecture, kernel in every(compiled)
            if re.match(form, kernel.name)
        ]
        assert of_form, form
        missing += [
            (architecture, kernel.name, kind)
            for architecture, kernel in of_form
            for kind in kinds
            if architecture >= first and not kernel.counts[kind]
        ]

    assert missing == []


def test_the_work_is_what_the_machine_code_says(
    toolkit: Toolkit, compiled: Compiled, table: dict[str, Any]
) -> None:
    counted = json.loads(as_text(result_of(toolkit, compiled)))

    assert counted["work"] == table["work"]


def test_the_benchmark_builds_and_says_that_there_is_no_gpu(
    toolkit: Toolkit, tmp_path: Path
) -> None:
    benchmark = PLUGINS / "cuda_utils" / "benchmarks"
    sources = [*benchmark.glob("*.cu"), *benchmark.glob("*.cpp"), *operator_sources()]
    program = tmp_path / "kernels_benchmark"

    toolkit.link(sources, [PLUGINS], program)

    # Without devices to see, on a machine that has one too.
    alone = {**os.environ, "CUDA_VISIBLE_DEVICES": ""}
    done = subprocess.run([program], capture_output=True, text=True, check=False, env=alone)
    assert (done.returncode, done.stdout) == (3, "")
    assert "there is no GPU to measure" in done.stderr


def test_the_page_shows_the_table(table: dict[str, Any]) -> None:
    page = PAGE.read_text(encoding="utf-8")

    assert with_tables(page, table) == page


def test_every_kernel_file_is_in_the_table(table: dict[str, Any]) -> None:
    files = PLUGINS.rglob("*.cu")
    kernels = {path.name for path in files if path.parent.name != "benchmarks"}

    assert {row["file"] for row in table["kernels"]} == kernels
