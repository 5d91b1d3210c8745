"""Whole networks: under CUDA graphs, eager, through torch.compile, and where the time goes."""

from collections.abc import Iterator
from dataclasses import dataclass

from benchmarks.common.markdown import table
from benchmarks.gpu.page.run import Facts, Run
from segpp.export.models.segformer.architecture import SIZES

__all__ = ["Cost", "compiled", "cost", "costs", "eager", "graphs", "stage_3_of_b5"]

# Kienzle et al., SegFormer++, 2024 (arXiv:2405.14467): B5 on Cityscapes, without retraining.
PAPER = {"hq": 1.61, "fast": 1.94}

_ONE_MATCH = "one match a stage"


def graphs(run: Run) -> str:
    """Return milliseconds and ratios of every variant of every network."""
    networks = {name: found for name, found in run.graphs.items() if "times" in found}
    heads = ["tokens merged", *(text for name in networks for text in (f"{name}, ms", "speed"))]
    variants = next(iter(networks.values()))["times"]
    rows = []
    for variant in variants:
        cells = [text for found in networks.values() for text in _timed(found, variant)]
        rows.append([variant, *cells])
    return table(heads, rows)


def _timed(found: Facts, variant: str) -> tuple[str, str]:
    if variant not in found["times"]:
        return "failed", "-"
    ratio = found["faster_than_none"][variant]
    quartiles = f"[{ratio['lower_quartile']:.3f}-{ratio['upper_quartile']:.3f}]"
    time = found["times"][variant]["median_ms"]
    return f"{time:.2f}", f"{ratio['median']:.3f}x {quartiles}"


@dataclass(frozen=True)
class Cost:
    """What merging adds to a network, in milliseconds.

    Attributes:
        blocks: Of the network; each matches once.
        left_out: The matches that one match a stage saves.
        added: By ``hq``.
        added_by_one: By ``hq`` with one match a stage.
    """

    network: str
    blocks: int
    left_out: int
    added: float
    added_by_one: float

    @property
    def match(self) -> float:
        """One match inside of the network."""
        return (self.added - self.added_by_one) / self.left_out

    @property
    def matches(self) -> float:
        """All of them."""
        return self.blocks * self.match

    @property
    def rest(self) -> float:
        """Merging and unmerging, less what attention over fewer tokens saves."""
        return self.added - self.matches


def cost(run: Run, network: str, *, window: bool = False) -> Cost:
    """Return what ``hq`` costs, from the difference that leaving out matches makes."""
    times = {name: one["median_ms"] for name, one in run.graphs[network]["times"].items()}
    depths = SIZES[network.partition(" ")[0]][1]
    near = ", window 1" if window else ""
    return Cost(
        network=network,
        blocks=sum(depths),
        left_out=sum(depths) - len(depths),
        added=times[f"hq{near}"] - times["none"],
        added_by_one=times[f"hq, {_ONE_MATCH}{near}"] - times["none"],
    )


def costs(run: Run) -> str:
    """Return where the time that ``hq`` adds goes."""
    heads = [
        "network",
        "window",
        "matches",
        "hq adds, ms",
        "with one match a stage, ms",
        "so a match, us",
        "all matches, ms",
        "all else, ms",
    ]
    rows = []
    for network in run.graphs:
        for window in (False, True):
            found = cost(run, network, window=window)
            numbers = [found.added, found.added_by_one, 1e3 * found.match]
            cells = [f"{number:+.2f}" for number in numbers[:2]] + [f"{numbers[2]:.1f}"]
            cells += [f"{found.matches:+.2f}", f"{found.rest:+.2f}"]
            rows.append([network, "1" if window else "-", str(found.blocks), *cells])
    return table(heads, rows)


def stage_3_of_b5(run: Run) -> str:
    """Return what the kernels of stage 3 of B5 take alone, at the sizes around its own."""
    blocks = SIZES["b5"][1][2]
    launches = list(_stage_3(run))
    heads = ["kernel", *(f"{size}, us" for size in _SIZES), f"x {blocks} blocks, ms"]
    rows = [
        [name, *(f"{one:.1f}" for one in times), _range(blocks, times)] for name, times in launches
    ]
    together = [sum(times) for times in zip(*(times for _, times in launches), strict=True)]
    rows.append(["together", *(f"{one:.1f}" for one in together), _range(blocks, together)])
    return table(heads, rows)


# 2,048 and 8,192 tokens of 320 channels; B5 at 1024x1024 has 4,096.
_SIZES = ("512x1024 stage 3", "1024x2048 stage 3")


def _stage_3(run: Run) -> Iterator[tuple[str, list[float]]]:
    cold = {
        (one["kernel"], one["size"]): one["cold_us"] for one in run.launches if one["batch"] == 1
    }
    for kernel in ("match", "merge", "unmerge"):
        yield kernel, [cold[kernel, size] for size in _SIZES]


def _range(blocks: int, times: list[float]) -> str:
    low, high = (blocks * one / 1e3 for one in times)
    return f"{low:.2f}-{high:.2f}"


def eager(run: Run) -> str:
    """Return the FP32 times beside the paper's ratios."""
    heads = [
        "products",
        "tokens merged",
        "median, ms",
        "tenth to ninetieth, ms",
        "least, ms",
        "speed, by medians",
        "by the least",
        "the paper's",
    ]
    rows = []
    for key, found in run.eager.items():
        precision = "TF32" if key.endswith("high") else "FP32"
        for variant, time in found["times"].items():
            rows.append([precision, variant, *_eager(found, variant, time)])
    return table(heads, rows)


def _eager(found: Facts, variant: str, time: Facts) -> list[str]:
    paper = PAPER.get(variant)
    least = found["times"]["none"]["least_ms"] / time["least_ms"]
    return [
        f"{time['median_ms']:.1f}",
        f"{time['tenth_ms']:.1f}-{time['ninetieth_ms']:.1f}",
        f"{time['least_ms']:.1f}",
        f"{found['faster_than_none'][variant]['median']:.2f}x",
        f"{least:.2f}x",
        f"{paper:.2f}x" if paper else "-",
    ]


def compiled(run: Run) -> str:
    """Return what torch.compile had finished."""
    heads = ["network", "tokens merged", "ms", "speed", "seconds to compile"]
    rows = []
    for network, found in run.compiled.items():
        if isinstance(found, dict):
            for variant in found["times"]:
                seconds = run.compiled[f"seconds to compile {variant}"]
                rows.append([network, variant, *_timed(found, variant), f"{seconds:.0f}"])
    return table(heads, rows)
