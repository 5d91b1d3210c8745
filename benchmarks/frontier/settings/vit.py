"""What is compared on plain ViTs: three costs of each way to have fewer tokens."""

from collections.abc import Mapping
from typing import Literal

from benchmarks.frontier.settings.setting import Setting
from segpp.export.models.vit.architecture import exit_blocks

__all__ = ["VIT_SETTINGS"]

# Blocks of the networks compared, and the shares of DoViT's preset.
_DEPTH, _DOVIT = 12, (0.3, 0.286, 0.3)


def _algm(windows: float, tokens: float) -> Setting:
    reduce = (f"1.tokens=clap:ratio={windows:g}", f"5.tokens=gbm:ratio={tokens:g}")
    return Setting(reduce=reduce, group="windows")


def _pass(*shares: float, by: Literal["change", "confidence"] = "change") -> Setting:
    """Return a setting in which shares of the tokens left leave before the blocks 3, 6 and 9."""
    places = zip(exit_blocks(_DEPTH), shares, strict=True)
    # What was not trained with it keeps its class token, as in the preset.
    how = f"by={by}" if by == "confidence" else f"by={by},cls=same"
    reduce = tuple(f"{block}.tokens=pass:{how},ratio={share:g}" for block, share in places)
    return Setting(reduce=reduce, group="pass", needs="exits" if by == "confidence" else "")


def _shared(share: float, method: Literal["flat", "policy"] = "flat") -> Setting:
    needs: Literal["", "policy"] = "policy" if method == "policy" else ""
    return Setting(
        reduce=(f"embed.patches={method}:ratio={share:g}",), group="patches", needs=needs
    )


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
    # The same, chosen by a policy that was trained to.
    "policy 0.2": _shared(0.2, "policy"),
    "policy 0.4": _shared(0.4, "policy"),
    "policy 0.6": _shared(0.6, "policy"),
    # Tokens that are done leave, as in DoViT: those that changed little, or that heads are sure of.
    "pass, less": _pass(0.15, 0.15, 0.15),
    "pass": _pass(*_DOVIT),
    "pass, more": _pass(0.4, 0.5, 0.5),
    "dovit, less": _pass(0.15, 0.15, 0.15, by="confidence"),
    "dovit": _pass(*_DOVIT, by="confidence"),
    "dovit, more": _pass(0.4, 0.5, 0.5, by="confidence"),
    # Neighbours that are alike merge row by row and column by column, behind the third block.
    "grid 0.85": _grid(0.85),
    "grid 0.75": _grid(0.75),
    "grid 0.6": _grid(0.6),
    "flat 0.4 + gbm": Setting(
        reduce=("embed.patches=flat:ratio=0.4", "5.tokens=gbm:ratio=0.2"), group="combined"
    ),
}
