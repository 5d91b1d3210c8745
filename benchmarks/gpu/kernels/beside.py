"""Each kernel beside what PyTorch has for it, at the sites of B5 that kernels.cpp measures.

Times are those of one call in a graph of many, each on the next of several sets of tensors, which
together do not fit into the second-level cache.
"""

from collections.abc import Callable, Mapping
from itertools import cycle
from typing import Any

import torch
from torch import Tensor

from benchmarks.gpu.effort import effort, trying
from benchmarks.gpu.kernels import operators, plain_torch
from benchmarks.gpu.results import exit_if_failed, record, record_failure
from benchmarks.gpu.timing import captured, device, measured
from segpp.export.custom_ops.torch_ops import MatchSettings, plain_match

STAGE = "kernels beside PyTorch"
Calls = Mapping[str, Callable[..., Any]]
# One set of tensors.
Set = tuple[Tensor, ...]

_CACHES = 4


def main() -> None:
    """Measure every operator at every site."""
    for name, (height, width, channels) in effort().sites.items():
        for batch in effort().batches:
            settings = MatchSettings(height, width, 4, 4, height * width * 4 // 5, 0)
            _safely(f"{name}, batch {batch}", _tokens, settings, batch, channels)
    for classes, height, width in effort().logits:
        _safely(f"{classes} classes, {height}x{width} to x4", _labels, classes, height, width)
    exit_if_failed()


@torch.inference_mode()
def _safely(place: str, measure: Callable[..., None], *arguments: object) -> None:
    try:
        measure(place, *arguments)
    except Exception:  # noqa: BLE001 - the next size may work
        record_failure(STAGE, place)


def _tokens(place: str, settings: MatchSettings, batch: int, channels: int) -> None:
    count = settings.height * settings.width
    slots = count - settings.merged
    singles = _singles(settings)
    sets = [_token_set(settings, batch, channels, slots) for _ in range(_sets(batch * count))]
    x, slot, y = sets[0]
    checks = {
        "match: equal slots, kernel / torch FP32": _equal(slot, plain_match(x.float(), settings)),
        "match: equal slots, torch topk FP16 / torch FP32": _equal(
            plain_torch.match_by_topk(x, settings), plain_match(x.float(), settings)
        ),
        "merge: largest difference": _far(
            operators.merge(x, slot, slots, singles), plain_torch.merge_by_index_add(x, slot, slots)
        ),
        "unmerge: equal values": _equal(
            operators.unmerge(y, slot), plain_torch.unmerge_by_gather(y, slot)
        ),
    }
    record(STAGE, **{f"{place}, checks": checks})
    _measure(f"{place}: match", _matches(settings), sets)
    _measure(f"{place}: merge", _merges(slots, singles), sets)
    _measure(f"{place}: unmerge", _unmerges(), sets)


def _matches(settings: MatchSettings) -> Calls:
    grid = settings.height, settings.width, settings.stride_y, settings.stride_x, settings.merged
    return {
        "kernel": lambda x, *_: operators.match(x, *grid, 0),
        "kernel, window 1": lambda x, *_: operators.match(x, *grid, 1),
        "torch topk": lambda x, *_: plain_torch.match_by_topk(x, settings),
        "cosines alone (normalize, gather, bmm)": lambda x, *_: plain_torch.similarities(
            x, settings
        ),
        "bmm alone": _bmm(settings),
        "copy of x": lambda x, *_: x.clone(),
    }


def _bmm(settings: MatchSettings) -> Callable[..., Tensor]:
    destinations = (settings.height // settings.stride_y) * (settings.width // settings.stride_x)

    def run(x: Tensor, *_: Tensor) -> Tensor:
        return torch.bmm(x[:, destinations:], x[:, :destinations].transpose(1, 2))

    return run


def _merges(slots: int, singles: int) -> Calls:
    return {
        "kernel": lambda x, slot, _: operators.merge(x, slot, slots, singles),
        "scatter_reduce": lambda x, slot, _: plain_torch.merge_by_scatter_reduce(x, slot, slots),
        "index_add": lambda x, slot, _: plain_torch.merge_by_index_add(x, slot, slots),
        "copy of y": lambda _, __, y: y.clone(),
        "copy of x": lambda x, *_: x.clone(),
    }


def _unmerges() -> Calls:
    return {
        "kernel": lambda _, slot, y: operators.unmerge(y, slot),
        "gather": lambda _, slot, y: plain_torch.unmerge_by_gather(y, slot),
        "copy of x": lambda x, *_: x.clone(),
    }


def _labels(place: str, classes: int, height: int, width: int) -> None:
    count = _sets(height * width * classes // 300)
    shape = 1, classes, height, width
    sets: list[Set] = [(torch.randn(shape, device=device()).half(),) for _ in range(count)]
    [logits] = sets[0]
    size = 4 * height, 4 * width
    found = operators.resize_argmax(logits, *size)
    expected = plain_torch.resize_argmax(logits.float(), *size)
    record(STAGE, **{f"{place}, checks": {"equal labels": _equal(found, expected)}})
    calls: Calls = {
        "kernel": lambda x: operators.resize_argmax(x, *size),
        "interpolate, argmax": lambda x: plain_torch.resize_argmax(x, *size),
        "copy of the logits": lambda x: x.clone(),
    }
    _measure(f"{place}: resize-argmax", calls, sets)


def _measure(place: str, calls: Calls, sets: list[Set]) -> None:
    replays = {}
    for name, call in calls.items():
        replay = _replay(f"{place}, {name}", call, sets)
        if replay:
            replays[name] = replay
    # Replays beforehand in place of ``waking``: there are many short measurements.
    measured(replays, 2, waking=0)
    found = measured(replays, max(2, effort().rounds // 2), calls=effort().calls, waking=0)
    record(STAGE, **{place: {**found, "sets": len(sets)}})


def _replay(what: str, call: Callable[..., Any], sets: list[Set]) -> Callable[[], object] | None:
    try:
        return captured(_in_turn(call, sets), times=effort().calls).replay
    except Exception:  # noqa: BLE001 - the others may work
        record_failure(STAGE, what)
        return None


def _in_turn(call: Callable[..., Any], sets: list[Set]) -> Callable[[], Any]:
    turns = cycle(sets)
    return lambda: call(*next(turns))


def _token_set(settings: MatchSettings, batch: int, channels: int, slots: int) -> Set:
    height, width = settings.height, settings.width
    x = torch.randn(batch, height * width, channels, device=device()).half()
    strides = settings.stride_y, settings.stride_x
    slot = operators.match(x, height, width, *strides, settings.merged, 0)
    return x, slot, operators.merge(x, slot, slots, _singles(settings))


def _singles(settings: MatchSettings) -> int:
    """The sources that stay: their slots come first, and have one row each."""
    cells = (settings.height // settings.stride_y) * (settings.width // settings.stride_x)
    return settings.height * settings.width - settings.merged - cells


def _sets(rows: int) -> int:
    """Return how many sets of ``rows`` FP16 rows of 300 numbers do not fit into the cache."""
    if trying():
        return 2
    cache = torch.cuda.get_device_properties(0).L2_cache_size
    return max(2, min(effort().calls, _CACHES * cache // (rows * 600) + 1))


def _equal(one: Tensor, other: Tensor) -> float:
    return float((one == other).float().mean())


def _far(one: Tensor, other: Tensor) -> float:
    return float((one.float() - other.float()).abs().max())


if __name__ == "__main__":
    main()
