"""What nvcc makes of the kernels, for every architecture, into docs/.

    python -m benchmarks.kernels.compile_table

Writes docs/results/kernels.json and the tables of docs/kernels.md. A test compiles again and
compares.
"""

import json
import os
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from benchmarks.common.markdown import table, with_blocks
from benchmarks.kernels.changed import changed
from benchmarks.kernels.instruction_counts import ARCHITECTURE, as_rows, count_work
from benchmarks.kernels.nvcc import Kernel, Toolkit, find_toolkit
from segpp.errors import SegppError

ROOT = Path(__file__).resolve().parents[2]
PLUGINS = ROOT / "trt_plugins"
RESULT = ROOT / "docs" / "results" / "kernels.json"
PAGE = ROOT / "docs" / "kernels.md"
# Of the kernels that an H200 ran on 2026-11-28, counted by the same rules.
BEFORE = ROOT / "docs" / "results" / "kernels_before.json"

# Thread instructions that a chip issues in the time in which its memory moves a byte: SMs x 128
# lanes x clock / bandwidth, for Orin AGX 64 GB (16 SMs, 1.3 GHz, 204.8 GB/s) and H200 (132 SMs,
# 1.755 GHz, 4.3 TB/s).
ISSUE_PER_BYTE = {"Orin": 16 * 128 * 1.3 / 204.8, "H200": 132 * 128 * 1.755 / 4300}

# Under which name the work is kept, by the machine code of which architecture.
WORK = {"work": ARCHITECTURE, "work_sm90": 90}

Compiled = dict[tuple[str, int], list[Kernel]]


def main() -> int:
    """Compile, count and write."""
    try:
        toolkit = find_toolkit()
        result = result_of(toolkit, compile_all(toolkit))
        RESULT.write_text(as_text(result), encoding="utf-8")
        page = PAGE.read_text(encoding="utf-8")
        PAGE.write_text(with_tables(page, result), encoding="utf-8")
    except SegppError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    return 0


def operator_sources() -> list[Path]:
    """Return the .cu file of every operator, whose name begins as that of its folder."""
    files = PLUGINS.glob("*/*.cu")
    return sorted(path for path in files if path.stem.startswith(path.parent.name))


def compile_all(toolkit: Toolkit) -> Compiled:
    """Compile every .cu file for every architecture; the files' names and the architectures."""
    jobs = [
        (source, architecture)
        for source in operator_sources()
        for architecture in toolkit.architectures
    ]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        kernels = pool.map(lambda job: toolkit.compile(job[0], job[1], [PLUGINS]), jobs)
        return {
            (source.name, architecture): found
            for (source, architecture), found in zip(jobs, kernels, strict=True)
        }


def result_of(toolkit: Toolkit, compiled: Compiled) -> dict[str, Any]:
    """Return what is committed of one compilation."""
    return {
        "toolkit": toolkit.version,
        "kernels": [
            {"file": file, "architecture": architecture, **_facts(kernel)}
            for (file, architecture), kernels in compiled.items()
            for kernel in kernels
        ],
        **{key: _work_of(compiled, architecture) for key, architecture in WORK.items()},
    }


def _work_of(compiled: Compiled, architecture: int) -> list[dict[str, Any]]:
    of = [kernels for (_, one), kernels in compiled.items() if one == architecture]
    return as_rows(count_work(kernel for kernels in of for kernel in kernels))


def _facts(kernel: Kernel) -> dict[str, Any]:
    return {
        "kernel": kernel.name,
        "registers": kernel.registers,
        "spills": kernel.spills,
        "stack": kernel.stack,
        "shared": kernel.shared,
        "instructions": kernel.instructions,
        "counts": {kind: number for kind, number in kernel.counts.items() if number},
    }


def as_text(result: dict[str, Any]) -> str:
    """Return JSON with a line for each kernel."""
    parts = [f'"toolkit": {json.dumps(result["toolkit"])}']
    for name in ("kernels", *WORK):
        lines = ",\n".join(f"    {json.dumps(row)}" for row in result[name])
        parts.append(f'"{name}": [\n{lines}\n  ]')
    return "{\n  " + ",\n  ".join(parts) + "\n}\n"


def with_tables(page: str, result: dict[str, Any]) -> str:
    """Return the page with its tables drawn anew."""
    before = json.loads(BEFORE.read_text(encoding="utf-8"))
    blocks = {
        "compiled": _compiled_table(result),
        "work": _work_table(result),
        "changed": changed(before, result),
    }
    return with_blocks(page, blocks)


def _compiled_table(result: dict[str, Any]) -> str:
    rows: dict[tuple[str, str], dict[int, dict[str, Any]]] = {}
    for row in result["kernels"]:
        rows.setdefault((row["file"], row["kernel"]), {})[row["architecture"]] = row
    architectures = sorted({row["architecture"] for row in result["kernels"]})
    heads = ["kernel", *(f"{number}" for number in architectures), "shared", "instructions of note"]
    lines = []
    for (_, name), found in rows.items():
        registers = [
            str(found[number]["registers"]) if number in found else "-" for number in architectures
        ]
        last = found[max(found)]
        shared = f"{last['shared']:,}" if last["shared"] else "-"
        shown = found.get(ARCHITECTURE, last)["counts"]
        notes = [
            f"{shown[kind]} {kind}"
            for kind in ("HMMA", "LDSM", "async 16 B", "load 16 B", "store 16 B")
            if kind in shown
        ]
        lines.append([f"`{name}`", *registers, shared, ", ".join(notes) or "-"])
    return table(heads, lines)


def _work_table(result: dict[str, Any]) -> str:
    heads = [
        "kernel",
        "site",
        "floor, MB",
        "asked for, MB",
        "instructions, M",
        "per byte of the floor",
        *(f"of what {chip} issues" for chip in ISSUE_PER_BYTE),
        "counted",
    ]
    lines = []
    for row in result["work"]:
        per_byte = row["instructions"] / row["floor_bytes"]
        cells = [
            f"`{row['kernel']}`",
            row["site"],
            f"{row['floor_bytes'] / 1e6:.2f}",
            f"{row['asked_bytes'] / 1e6:.2f}",
            f"{row['instructions'] / 1e6:.1f}",
            f"{per_byte:.1f}",
            *(f"{per_byte / issued:.0%}" for issued in ISSUE_PER_BYTE.values()),
            row["remark"],
        ]
        lines.append(cells)
    return table(heads, lines)


if __name__ == "__main__":
    sys.exit(main())
