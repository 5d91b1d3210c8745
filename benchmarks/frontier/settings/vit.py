"""What is compared on plain ViTs: three costs of each way to have fewer tokens."""

from collections.abc import Mapping

from benchmarks.frontier.settings.setting import Setting

__all__ = ["VIT_SETTINGS"]


def _algm(windows: float, tokens: float) -> Setting:
    reduce = (f"1.tokens=clap:ratio={windows:g}", f"5.tokens=gbm:ratio={tokens:g}")
    return Setting(reduce=reduce, group="windows")


def _pass(*shares: float) -> Setting:
    """Return a setting in which shares of the tokens left leave before the blocks 3, 6 and 9."""
    places = zip((3, 6, 9), shares, strict=True)
    return Setting(reduce=tuple(f"{b}.tokens=pass:ratio={s:g}" for b, s in places), group="pass")


def _shared(share: float) -> Setting:
    return Setting(reduce=(f"embed.patches=flat:ratio={share:g}",), group="patches")


def _grid(share: float) -> Setting:
    return Setting(reduce=(f"3.tokens=similarity:share={share:g}",), group="grid")


VIT_SETTINGS: Mapping[str, Setting] = {
    "none": Setting(),
    "even": Setting("even"),
    # Windows and whatever is alike, as ALGM; the middle one as its preset has it.
    "algm, less": _algm(0.1, 0.1),
    "algm": Setting("algm", group="windows"),
    "algm, more": _algm(0.35, 0.35),
    # Superpatches of one colour share a token, as in CTS; 30 and 44 % fewer tokens are published.
    "flat 0.2": _shared(0.2),
    "flat 0.4": _shared(0.4),
    "flat 0.6": _shared(0.6),
    # Tokens that are done leave, as in DoViT; the middle one as its preset has it.
    "pass, less": _pass(0.15, 0.15, 0.15),
    "dovit": Setting("dovit", group="pass"),
    "pass, more": _pass(0.4, 0.5, 0.5),
    # Neighbours that are alike merge row by row and column by column, behind the third block.
    "grid 0.85": _grid(0.85),
    "grid 0.75": _grid(0.75),
    "grid 0.6": _grid(0.6),
    "flat 0.4 + gbm": Setting(
        reduce=("embed.patches=flat:ratio=0.4", "5.tokens=gbm:ratio=0.2"), group="combined"
    ),
}
