"""The machine of a run, and what shows that the kernels are right on it."""

from benchmarks.common.markdown import table
from benchmarks.gpu.page.run import Facts, Run

__all__ = ["agreement", "correct", "machine"]

_WORDS = {"equal labels": "resize-argmax: equal labels, kernel / torch FP32"}


def machine(run: Run) -> str:
    """Return what the numbers belong to."""
    asked, packages = run.environment["queried"], run.environment["packages"]
    clocks = next(iter(run.graphs.values()))["clocks"]["under_load"]
    toolkit = run.environment["nvcc_version"][0].rpartition("release ")[2]
    device, idle = run.device, asked["clocks.sm"]
    rows = [
        ["GPU", f"{asked['name']}, sm_{device['sm']}, {device['multiprocessors']} multiprocessors"],
        ["second-level cache", f"{device['l2_bytes'] / 2**20:.0f} MiB"],
        ["driver", asked["driver_version"]],
        ["CUDA toolkit", toolkit],
        ["PyTorch", packages["torch"]],
        ["transformers", packages["transformers"]],
        ["triton", packages["triton"]],
        ["Python", run.environment["python"]],
        ["clock of the multiprocessors", f"{clocks['clocks.sm']} under load, {idle} idle"],
        ["clock of the memory", clocks["clocks.mem"]],
        ["a copy of 1 GB", f"{device['large_copy_gb_per_s']:,.0f} GB/s, read and written"],
        ["day", run.date],
    ]
    return table(["what", "which"], rows)


def correct(run: Run) -> str:
    """Return what was checked on the device, and what came of it."""
    rows = [["the kernels' tests against the NumPy oracle, between guard bands", _tests(run)]]
    rows += [[f"compute-sanitizer, {tool}", _last(said)] for tool, said in run.sanitizer.items()]
    same = sum(bool(one["repeatable"]) for one in run.launches)
    rows.append(
        ["each measured kernel twice, bit for bit", f"{same} of {len(run.launches)} the same"]
    )
    checks = [found for key, found in run.beside.items() if key.endswith("checks")]
    for what in dict.fromkeys(name for found in checks for name in found):
        values = [found[what] for found in checks if what in found]
        rows.append([_WORDS.get(what, what), _between(values)])
    return table(["check", "result"], rows)


def agreement(run: Run) -> str:
    """Return how far networks with kernels are from networks of PyTorch's operators."""
    heads = ["compared", "largest difference", "largest logit", "equal classes"]
    rows = [
        [
            name,
            f"{found['max_abs']:.1e}",
            f"{found['largest_logit']:.2f}",
            f"{found['equal_classes']:.3%}",
        ]
        for name, found in run.agreement.items()
    ]
    return table(heads, rows)


def _tests(run: Run) -> str:
    counts = run.oracle_tests["counts"]
    failed = len(run.oracle_tests["failures"])
    return f"{counts['passed']} passed, {failed} failed"


def _last(said: Facts) -> str:
    end: str = said["end"][-1].strip("= ")
    return end.partition(": ")[2]


def _between(values: list[float]) -> str:
    low, high = min(values), max(values)
    return f"{low:.5g}" if low == high else f"{low:.5g} to {high:.5g}"
