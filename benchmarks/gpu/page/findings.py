"""The numbers that the page's conclusions rest on, in sentences."""

from collections.abc import Iterable

from benchmarks.gpu.page.kernel_tables import (
    RESIZE_ARGMAX_THREADS,
    faster_than_torch,
    product_shares,
    resize_argmax_blocks,
)
from benchmarks.gpu.page.network_tables import cost
from benchmarks.gpu.page.run import Facts, Run

__all__ = [
    "a_match_alone",
    "compiled",
    "kernels",
    "many_classes",
    "networks",
    "replays",
    "where_it_goes",
]

_B0, _B2, _B5 = "b0 1024x2048", "b2 1024x1024", "b5 1024x1024"
_BOTH = ("transformers", "none")


def networks(run: Run) -> str:
    """Return what merging and the network without it are worth, FP16 under CUDA graphs."""
    both = f"{_speed(run, _B2, 'hq')} for B2 and {_speed(run, _B5, 'hq')} for B5"
    fast = f"{_speed(run, _B2, 'fast')} and {_speed(run, _B5, 'fast')}"
    small = ", ".join(
        f"{_speed(run, _B0, name)} with {name}"
        for name in ("hq", "fast", "fast, one match a stage")
    )
    theirs = ", ".join(
        f"{1 / run.graphs[name]['faster_than_none']['transformers']['median']:.2f}x for {size}"
        for name, size in ((_B0, "B0"), (_B2, "B2"), (_B5, "B5"))
    )
    return (
        f"- At 1024x1024 the network with `hq` is {both} as fast as without merging, with"
        f" `fast` {fast}: slower.\n"
        f"- B0 at 1024x2048: {small}.\n"
        f"- Our network without merging beside transformers': {theirs}."
    )


def replays(run: Run) -> str:
    """Return whether the last replay of each graph gave what an ordinary call gives."""
    found = {
        (name, variant): one
        for name, network in run.graphs.items()
        for variant, one in network["to_eager"].items()
    }
    other = {key: one for key, one in found.items() if one["max_abs"]}
    variants = ", ".join(f"`{one}`" for one in dict.fromkeys(variant for _, variant in other))
    labels = _percent(one["equal_classes"] for one in other.values())
    largest = max(one["max_abs"] for one in other.values())
    theirs = _percent(
        network["to_none"]["transformers"]["equal_classes"] for network in run.graphs.values()
    )
    return (
        f"- {len(found) - len(other)} of {len(found)} replays are equal to the ordinary call in"
        f" every logit. The others are {variants}: {labels} of the classes are the same, and logits"
        f" differ by {largest:.1e} at most.\n"
        f"- transformers' network and ours without merging agree in {theirs} of the classes."
    )


def compiled(run: Run) -> str:
    """Return what torch.compile makes of transformers' network and of ours without merging."""
    theirs, ours = (run.compiled[_B0]["times"][name]["median_ms"] for name in _BOTH)
    before = [run.graphs[_B0]["times"][name]["median_ms"] for name in _BOTH]
    return (
        f"- Compiled, transformers' B0 takes {theirs:.2f} ms and ours without merging"
        f" {ours:.2f} ms: theirs is {ours / theirs:.2f}x as fast. Compiling makes theirs"
        f" {before[0] / theirs:.2f}x as fast as it was, ours {before[1] / ours:.2f}x."
    )


def kernels(run: Run) -> str:
    """Return the kernels beside PyTorch's operators and beside copies."""
    times = "; ".join(
        f"{name} {_span(faster_than_torch(run, name).values())}"
        for name in ("match", "merge", "unmerge", "resize-argmax")
    )
    copies = "; ".join(
        f"{name} {_shares(run, name, 1)} of a copy of as many bytes at batch 1,"
        f" {_shares(run, name, 16)} at batch 16"
        for name in ("match", "merge", "unmerge")
    )
    return f"- Times as fast as PyTorch's operators: {times}.\n- {copies[0].upper()}{copies[1:]}."


def where_it_goes(run: Run) -> str:
    """Return how much of what B5 loses are its matches."""
    found, near = cost(run, _B5), cost(run, _B5, window=True)
    matches = [1e3 * cost(run, name).match for name in (_B0, _B2, _B5)]
    lists = found.added_by_one - near.added_by_one
    return (
        f"- A match takes {_span(matches, unit=' us', digits=0)} inside of the network, whichever"
        f" network: B5's {found.blocks} take {found.matches:.2f} of the {found.added:.2f} ms that"
        f" `hq` loses, {found.matches / found.added:.0%}.\n"
        f"- With one match a stage, a window of one cell saves another {lists:.2f} ms of B5,"
        f" although only {found.blocks - found.left_out} matches are left. Then"
        f" {near.added_by_one:.2f} ms are left of the loss."
    )


def a_match_alone(run: Run) -> str:
    """Return how the time of a match grows, and what its product takes."""
    small, large, deep = "512x1024 stage 3", "1024x2048 stage 3", "1024x2048 stage 4"
    cold = {(one["kernel"], one["size"], one["batch"]): one["cold_us"] for one in run.launches}
    tokens = cold["match", large, 1] / cold["match", small, 1]
    images = [cold["match", size, 16] / cold["match", size, 1] for size in (small, deep)]
    window = [cold["match, window 1", size, 1] / cold["match", size, 1] for size in (small, deep)]
    product = product_shares(run)
    return (
        f"- Alone, a match of four times the tokens, and so sixteen times the products, takes"
        f" {tokens:.2f}x as long; sixteen images of 2,048 tokens take {_span(images)} as long as"
        f" one. There a window, which leaves out most products, takes {_span(window)} of the time"
        f" without. The products alone, as `bmm` does them, take"
        f" {_span((100 * one for one in product), unit=' %', digits=0)} of a match at batch 1."
    )


def many_classes(run: Run) -> str:
    """Return how far the labels of 150 classes are from what memory allows."""
    found = [one for one in run.launches if one["size"].startswith("150x128x128")]
    times = _span((one["cold_us"] for one in found), unit=" us", digits=0)
    slower = _span((1 / one["of_copy_of_same_size"] for one in found), digits=0)
    blocks = resize_argmax_blocks(128, 128)
    [torch] = [
        value for size, value in faster_than_torch(run, "resize-argmax").items() if "150" in size
    ]
    return (
        f"- Labels of 150 classes at 128x128 take {times}, {slower} as long as a copy of as many"
        f" bytes, and are {torch:.2f}x as fast as PyTorch's two operators. The launch has {blocks}"
        f" blocks of {RESIZE_ARGMAX_THREADS} threads, each of which goes through all classes; the"
        f" GPU has {run.device['multiprocessors']} multiprocessors."
    )


def _speed(run: Run, network: str, variant: str) -> str:
    return f"{run.graphs[network]['faster_than_none'][variant]['median']:.2f}x"


def _shares(run: Run, kernel: str, batch: int) -> str:
    chosen: list[Facts] = [
        one for one in run.launches if one["kernel"] == kernel and one["batch"] == batch
    ]
    return _span((100 * one["of_copy_of_same_size"] for one in chosen), unit=" %", digits=0)


def _percent(shares: Iterable[float]) -> str:
    return _span((100 * one for one in shares), unit=" %")


def _span(values: Iterable[float], *, unit: str = "x", digits: int = 2) -> str:
    found = sorted(values)
    low, high = f"{found[0]:.{digits}f}", f"{found[-1]:.{digits}f}"
    return f"{low}{unit}" if low == high else f"{low}-{high}{unit}"
