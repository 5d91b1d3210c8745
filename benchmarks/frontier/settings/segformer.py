"""What is compared on SegFormers: a name for each choice of preset and sites."""

from collections.abc import Mapping

from benchmarks.frontier.settings.setting import Setting

__all__ = ["SETTINGS"]


_KV, _Q = ("1.kv", "2.kv"), ("3.q", "4.q")


def _protected(sites: tuple[str, ...] = (*_KV, *_Q)) -> tuple[str, ...]:
    """Return fast with the tokens that stand out kept."""
    return tuple(f"{site}=bsm:ratio=0.9,sy=4,sx=4,protect=4" for site in sites)


def _hidden(*stages: int, keep: float = 0.5) -> tuple[str, ...]:
    return tuple(f"{stage}.hidden=fixed:keep={keep:g}" for stage in stages)


def _qkv(keep: float = 0.25) -> tuple[str, ...]:
    return tuple(f"{stage}.qkv=fixed:keep={keep:g}" for stage in (1, 2, 3, 4))


_GRID = "3.grid=area:share=0.5"
_HEAD = "head.grid=area:share=0.5"

SETTINGS: Mapping[str, Setting] = {
    # The paper's presets, and ours of the same counts.
    "none": Setting(),
    "2x2": Setting("2x2"),
    "hq": Setting("hq"),
    "fast": Setting("fast"),
    "fast, protected": Setting("fast", _protected()),
    # Each new site on its own.
    "3.grid 1/2": Setting(reduce=(_GRID,), group="grid"),
    "3.grid 1/2 sample": Setting(reduce=("3.grid=sample:share=0.5",), group="grid"),
    "3.grid 1/2 from block 2": Setting(reduce=(f"{_GRID},first=2",), group="grid"),
    "3.grid 3/4": Setting(reduce=("3.grid=area:share=0.75",), group="grid"),
    "3.grid 1/3": Setting(reduce=("3.grid=area:share=0.3333",), group="grid"),
    "2.grid 1/2 from block 2": Setting(reduce=("2.grid=area:share=0.5,first=2",), group="grid"),
    "4.grid 1/2 from block 2": Setting(reduce=("4.grid=area:share=0.5,first=2",), group="grid"),
    "head.grid 1/2": Setting(reduce=(_HEAD,), group="grid"),
    "fast + ffn 0.7 everywhere": Setting(
        "fast", tuple(f"{s}.ffn=bsm:ratio=0.7,sy=2,sx=2" for s in (1, 2, 3, 4)), "ffn"
    ),
    "fast + ffn 1/2 in 3, 4": Setting(
        "fast", tuple(f"{s}.ffn=bsm:ratio=0.5,sy=2,sx=2" for s in (3, 4)), "ffn"
    ),
    "3.ffn 1/2": Setting(reduce=("3.q=bsm:ratio=0.5,sy=2,sx=2", "3.ffn=q"), group="ffn"),
    "hidden 1/2 in 3, 4": Setting(reduce=_hidden(3, 4), group="channels"),
    "hidden 1/2 everywhere": Setting(reduce=_hidden(1, 2, 3, 4), group="channels"),
    "hidden 3/4 everywhere": Setting(reduce=_hidden(1, 2, 3, 4, keep=0.75), group="channels"),
    "qkv 1/4 everywhere": Setting(reduce=_qkv(), group="channels"),
    "hidden 1/2 in 3, 4 by image": Setting(
        reduce=tuple(f"{stage}.hidden=dynamic:keep=0.5" for stage in (3, 4)), group="channels"
    ),
    # Together.
    "hq + head.grid": Setting("hq", (_HEAD,), "combined"),
    "hq + hidden": Setting("hq", _hidden(3, 4), "combined"),
    "hq + hidden + qkv": Setting("hq", (*_hidden(3, 4), *_qkv()), "combined"),
    "hq + hidden + qkv + head.grid": Setting("hq", (*_hidden(3, 4), *_qkv(), _HEAD), "combined"),
    "hq + hidden + head.grid": Setting("hq", (*_hidden(3, 4), _HEAD), "combined"),
    "hq + 3.grid": Setting("hq", (_GRID,), "combined"),
    "hq + 3.grid from block 2": Setting("hq", (f"{_GRID},first=2",), "combined"),
    "hq + 3.grid from block 2 + hidden": Setting(
        "hq", (f"{_GRID},first=2", *_hidden(3, 4)), "combined"
    ),
    "2x2 + 3.grid from block 2 + hidden": Setting(
        "2x2", (f"{_GRID},first=2", *_hidden(3, 4)), "combined"
    ),
    "2x2 + 3.grid from block 2 + hidden + qkv": Setting(
        "2x2", (f"{_GRID},first=2", *_hidden(3, 4), *_qkv()), "combined"
    ),
    "2x2 + 3.grid from block 2": Setting("2x2", (f"{_GRID},first=2",), "combined"),
    "hq + 3.grid + head.grid": Setting("hq", (_GRID, _HEAD), "combined"),
    "fast, protected + head.grid": Setting("fast", (*_protected(), _HEAD), "combined"),
    "fast, protected + hidden + head.grid": Setting(
        "fast", (*_protected(), *_hidden(3, 4), _HEAD), "combined"
    ),
    "fast, protected + hidden + qkv + head.grid": Setting(
        "fast", (*_protected(), *_hidden(3, 4), *_qkv(), _HEAD), "combined"
    ),
    "fast, protected + 3.grid + head.grid": Setting(
        "fast", (*_protected(), _GRID, _HEAD), "combined"
    ),
    "fast, protected + 3.grid + hidden + head.grid": Setting(
        "fast", (*_protected(), _GRID, *_hidden(3, 4), _HEAD), "combined"
    ),
    # Deep stages alone have the blocks for these.
    "3.grid 1/2, every third block full": Setting(reduce=(f"{_GRID},every=3",), group="deep"),
    "3.grid 1/2 from block 3": Setting(reduce=(f"{_GRID},first=3",), group="deep"),
    "hq + 3.grid, every third block full": Setting("hq", (f"{_GRID},every=3",), "deep"),
}
