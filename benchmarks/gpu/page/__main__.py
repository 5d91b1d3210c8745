"""Write the tables, numbers and the plot of docs/benchmarks.md from the run that is committed.

And what ``segpp-inspect`` cites of it.

python -m benchmarks.gpu.page
"""

import sys
from pathlib import Path

from benchmarks.common.markdown import with_blocks
from benchmarks.gpu.page import crossover, findings, kernel_tables, network_tables, run_tables
from benchmarks.gpu.page.run import Run, read_run
from segpp.errors import SegppError

ROOT = Path(__file__).resolve().parents[3]
RESULT = ROOT / "docs" / "results" / "gpu" / "nvidia_h200_2026-11-28"
PAGE = ROOT / "docs" / "benchmarks.md"
PLOT = ROOT / "docs" / "images" / "gpu_crossover.png"
MEASURED = ROOT / "src" / "segpp" / "inspection" / "measured.json"

BLOCKS = {
    "machine": run_tables.machine,
    "found in networks": findings.networks,
    "found in compiled": findings.compiled,
    "found in kernels": findings.kernels,
    "kernels alone": kernel_tables.alone,
    "kernels beside PyTorch": kernel_tables.beside,
    "replays": findings.replays,
    "crossover": crossover.crossover,
    "graphs": network_tables.graphs,
    "costs": network_tables.costs,
    "stage 3 of B5": network_tables.stage_3_of_b5,
    "where it goes": findings.where_it_goes,
    "a match alone": findings.a_match_alone,
    "many classes": findings.many_classes,
    "eager": network_tables.eager,
    "compiled": network_tables.compiled,
    "correct": run_tables.correct,
    "agreement": run_tables.agreement,
}


def main() -> int:
    """Write the page anew."""
    try:
        run = read_run(RESULT)
        page = PAGE.read_text(encoding="utf-8")
        PAGE.write_text(with_blocks(page, blocks_of(run)), encoding="utf-8")
        MEASURED.write_text(crossover.as_json(run), encoding="utf-8")
        crossover.draw(run, PLOT)
    except SegppError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    return 0


def blocks_of(run: Run) -> dict[str, str]:
    """Return what the page has between its marks."""
    return {name: written(run) for name, written in BLOCKS.items()}


if __name__ == "__main__":
    sys.exit(main())
