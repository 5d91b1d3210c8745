"""Every setting of every site in a few files, for the tests of all that must take such files.

Each fits the miniature network of the tests and any larger one, at 128x160 and above.
"""

__all__ = ["SETTINGS", "flags"]

_PLACES = [f"{stage}.{part}" for stage in (1, 2, 3, 4) for part in ("hidden", "qkv")]

SETTINGS: dict[str, tuple[str, ...]] = {
    "grids": (
        "1.grid=area:share=0.75",
        "2.grid=bilinear:every=2",
        "3.grid=sample",
        "4.grid=area",
        "head.grid=sample:share=0.75",
    ),
    "similar": (
        "1.grid=similarity:share=0.75",
        "2.grid=similarity:every=2,value=max",
        "3.grid=similarity",
        "head.grid=bilinear",
    ),
    "ffn": ("1.ffn=bsm:ratio=0.4", "2.q=bsm", "2.ffn=q", "3.q=n2d", "3.ffn=q", "4.ffn=n2d"),
    "options": (
        "1.kv=bsm:sy=1,sx=2,protect=0.5",
        "2.q=bsm:destination=center,value=max",
        "3.q=bsm:ratio=0.6,sy=2,sx=2,protect=1,window=1",
    ),
    "chosen": ("2.q=bsm:destination=typical", "3.q=bsm:destination=salient,protect=1"),
    "fixed": tuple(f"{place}=fixed:keep=0.75" for place in _PLACES),
    "dynamic": tuple(f"{place}=dynamic:keep=0.75" for place in _PLACES),
    "together": (
        "1.kv=bsm:sy=1,sx=2,protect=2",
        "2.ffn=bsm",
        "3.grid=similarity",
        "3.q=bsm",
        "3.ffn=q",
        "3.hidden=fixed:keep=0.75",
        "4.qkv=dynamic:keep=0.75",
        "head.grid=area",
    ),
}


def flags(name: str) -> list[str]:
    """Return what the export is told for one of them."""
    return [word for text in SETTINGS[name] for word in ("--reduce", text)]
