"""What there is to choose from in an export, and what it came to, printed without torch."""

import argparse
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

from segpp.manifest import ChannelSite, Manifest, MatchSearch, MatchTrial
from segpp.utils.choices import check_choice

if TYPE_CHECKING:
    from segpp.export.models.rewriting import Rewrite
    from segpp.export.reduction.config import ReductionConfig
    from segpp.export.reduction.sites import Site

__all__ = ["ListReductions", "ListRewrites", "channel_lines", "search_lines", "uses_of"]

# Of --for: what the file itself is like; everything else there names a server's folder.
_ENGINE = "engine"

# A SegFormer has four stages, and the same at each of them is told four times.
_MANY = 4


class ListReductions(argparse.Action):
    """Prints the methods and presets that exist, found as the export finds them."""

    def __init__(self, option_strings: list[str], dest: str, **options: object) -> None:
        super().__init__(option_strings, dest, nargs=0, help=str(options.get("help")))

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        from segpp.export.models.base import families  # noqa: PLC0415 - not for every command
        from segpp.export.reduction import REDUCTIONS  # noqa: PLC0415
        from segpp.export.reduction.gates import GATES  # noqa: PLC0415
        from segpp.export.reduction.gates.places import PARTS  # noqa: PLC0415
        from segpp.export.reduction.query_match import QUERIES, QueryMatch  # noqa: PLC0415

        lines = ["methods, with their defaults:"]
        width = max(map(len, REDUCTIONS))
        for name, method in REDUCTIONS.items():
            settings = ", ".join(method.defaults())
            lines.append(f"  {name:<{width}}  {settings}  (at {', '.join(method.sides)})")
            lines += [f"{'':<8}{key}: {', '.join(words)}" for key, words in method.words().items()]
        lines.append(
            f"  {QUERIES:<{width}}  the match of the same block's queries, whatever merges them  "
            f"(at {', '.join(QueryMatch.sides)})"
        )
        lines.append("channel gates, with their defaults:")
        for name, gate in GATES.items():
            lines.append(f"  {name:<8} {', '.join(gate.defaults())}  (at {', '.join(PARTS)})")
        presets = [preset for family in families().values() for preset in family.presets.items()]
        presets += [
            (f"{name} of {networks}", config)
            for family in families().values()
            for networks, variants in family.preset_variants.items()
            for name, config in variants.items()
        ]
        # Families may share one, as that which merges nothing.
        listed = dict.fromkeys("\n".join(_preset_lines(*preset)) for preset in presets)
        lines += listed
        sys.stdout.write("\n".join(lines) + "\n")
        parser.exit()


def _preset_lines(name: str, config: "ReductionConfig") -> Iterator[str]:
    """Yield what a preset does; sites of many blocks that do the same are one line."""
    yield f"preset {name}:"
    if not config:
        yield "  merges nothing"
    alike: dict[tuple[str, str], list[Site]] = {}
    for site, reduction in config.items():
        alike.setdefault((site.side, reduction.to_string()), []).append(site)
    for (_, method), sites in alike.items():
        if len(sites) > _MANY:
            yield f"  {sites[0]}={method}, and so on for every block"
        else:
            yield from (f"  {site}={method}" for site in sites)


class ListRewrites(argparse.Action):
    """Prints the rewrites that exist, in the order in which they apply."""

    def __init__(self, option_strings: list[str], dest: str, **options: object) -> None:
        super().__init__(option_strings, dest, nargs=0, help=str(options.get("help")))

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        from segpp.export.models.base import families  # noqa: PLC0415 - not for every command
        from segpp.export.models.rewriting import ordered_rewrites  # noqa: PLC0415
        from segpp.export.targets import TARGETS  # noqa: PLC0415

        lines = []
        known: dict[str, Rewrite] = {}
        for family in families().values():
            # What several families have is told once.
            known = {**known, **ordered_rewrites(family.rewrites()), **known}
        for name, rewrite in known.items():
            only = "" if rewrite.targets == TARGETS else f" (--target {rewrite.targets[0]} only)"
            lines.append(f"{name:<27}  {rewrite.meaning}{only}")
        sys.stdout.write("\n".join(lines) + "\n")
        parser.exit()


def uses_of(given: list[list[str]]) -> tuple[bool, list[str]]:
    """Return whether --for names an engine, and the servers that it names.

    Raises:
        InputError: It names something else.
    """
    from segpp.export.serving.base import SERVERS  # noqa: PLC0415 - help screens need no writers

    uses = [use.strip() for names in given for use in names]
    for use in uses:
        check_choice(use, [*SERVERS, _ENGINE], kind="use")
    return _ENGINE in uses, [use for use in uses if use != _ENGINE]


def channel_lines(manifest: Manifest) -> list[str]:
    """Return a line of an export's report for every place with fewer channels."""
    return [_channels_line(site) for site in manifest.channels]


def _channels_line(site: ChannelSite) -> str:
    where = f"stage {site.stage} {site.part:<6}"
    return f"channels {where} {site.method}: {site.channels_in:,} -> {site.channels_out:,}"


def search_lines(manifest: Manifest) -> list[str]:
    """Return the lines of an export's report on matches that are used again."""
    search = manifest.match_search
    if search is None:
        return []
    matching = [site for site in manifest.reduction if site.side != "grid"]
    chosen = {site.stage: site.match_every for site in matching}
    summary = (
        f"matches  as without merging, of {search.images} image(s): {search.agreement_fresh:.5f} "
        f"matching in every block, {search.agreement:.5f} as chosen"
    )
    trials = (_trial_line(trial, search, chosen[trial.stage]) for trial in search.trials)
    return [summary, *trials]


def _trial_line(trial: MatchTrial, search: MatchSearch, chosen: int) -> str:
    if trial.match_every == chosen:
        verdict = "chosen"
    elif trial.agreement < search.agreement_fresh - search.tolerance:
        verdict = f"loses more than {search.tolerance:g}"
    else:
        verdict = "saves less"
    blocks = f"one match for {trial.match_every} blocks"
    return f"{'':<8} stage {trial.stage}, {blocks}: {trial.agreement:.5f}, {verdict}"
