"""Instructions of the kernels that ran on a GPU, beside those of the kernels as they are."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from benchmarks.common.markdown import table

__all__ = ["changed"]

WARP = 32
_PLACES = {"work": "sm_87", "work_sm90": "sm_90"}

Rows = Sequence[Mapping[str, Any]]
Key = tuple[str, str, str]


def changed(before: Mapping[str, Rows], now: Mapping[str, Rows]) -> str:
    """Return the table: thousands of instructions of warps, of one launch, for each GPU's code."""
    heads = ["kernel", "site"]
    for place in _PLACES.values():
        heads += [f"{place} before, thousand", "now", "share"]
    return table(heads, list(_lines(before, now)))


def _lines(before: Mapping[str, Rows], now: Mapping[str, Rows]) -> Iterator[list[str]]:
    found = {name: (_counts(before[name]), _counts(now[name])) for name in _PLACES}
    for key in found["work"][0]:
        cells = [f"`{key[0]}`", ", ".join(filter(None, key[1:]))]
        for old, new in found.values():
            cells += [f"{old[key]:,.1f}", f"{new[key]:,.1f}", f"{new[key] / old[key]:.0%}"]
        yield cells


def _counts(rows: Rows) -> dict[Key, float]:
    # The first row of a site is that of ``hq``, which the others count.
    counts: dict[Key, float] = {}
    for row in rows:
        counts.setdefault(_key(row), row["instructions"] / WARP / 1e3)
    return counts


def _key(row: Mapping[str, Any]) -> Key:
    kernel = row["kernel"].partition("<")[0]
    state = row["remark"] if kernel.startswith("resizeArgmax") else ""
    return kernel, row["site"].removesuffix(", hq"), state
