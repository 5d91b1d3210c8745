"""``segpp-doctor``: the command."""

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from segpp import __version__
from segpp.cli._options.arguments import add_json_argument
from segpp.errors import MissingError
from segpp.runtime.system.capabilities import Capability, capabilities_of, is_useful, try_out
from segpp.runtime.system.hardware import Gpu, Machine, this_machine
from segpp.runtime.system.packages import distribution_of, known_packages, version_of
from segpp.runtime.system.plugins import Plugins, SearchResult, find_plugins
from segpp.utils.progress import step
from segpp.utils.table import table

__all__ = ["EXAMPLES", "GROUP", "ORDER", "SUMMARY", "add_arguments", "run"]

SUMMARY = "Say what this machine can do, and what is missing for the rest."
GROUP = "look into things"
ORDER = 1
EXAMPLES = ("segpp-doctor", "segpp-doctor --verify --json")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.add_argument_group("checks").add_argument(
        "--verify", action="store_true", help="load every library and run or build a tiny network"
    )
    add_json_argument(parser.add_argument_group("results"), "the findings")


def run(args: argparse.Namespace) -> int:
    """Print what works here; exit code 3 if neither exporting nor running does."""
    machine = this_machine()
    capabilities = capabilities_of(machine)
    if args.verify:
        capabilities = tuple(_verified(capability) for capability in capabilities)
    print(_json(machine, capabilities) if args.json else _text(machine, capabilities))  # noqa: T201 - the result
    if is_useful(capabilities):
        return 0
    print("error: segpp can neither export nor run here", file=sys.stderr)  # noqa: T201 - the command's own message
    return MissingError.exit_code


def _verified(capability: Capability) -> Capability:
    if not capability.works:
        return capability
    with step(f"trying to {capability.name}"):
        return try_out(capability)


def _text(machine: Machine, capabilities: Sequence[Capability]) -> str:
    rows = [
        [capability.name, "yes" if capability.works else "no", capability.reason, capability.fix]
        for capability in capabilities
    ]
    return "\n".join(
        [
            "machine",
            table(_machine_rows(machine), "ll", indent="  "),
            "",
            "packages",
            table(_package_rows(), "ll", indent="  "),
            "",
            "to build the TensorRT plugins",
            table(_plugin_rows(find_plugins()), "ll", indent="  "),
            "",
            "what works here",
            *(_capability_lines(rows)),
        ]
    )


def _capability_lines(rows: Sequence[Sequence[str]]) -> list[str]:
    width = max(len(row[0]) for row in rows)
    lines = []
    for name, answer, reason, fix in rows:
        lines.append(f"  {name:<{width}}  {answer:<3}  {reason}".rstrip())
        if fix:
            lines.append(f"  {'':<{width}}       {fix}")
    return lines


def _machine_rows(machine: Machine) -> list[list[str]]:
    cpu = machine.cpu
    rows = {
        "segpp": __version__,
        "python": f"{machine.python} ({sys.executable})",
        "system": f"{machine.system}, {machine.architecture}",
        "board": machine.board,
        "jetpack": _jetpack(machine),
        "cpu": f"{cpu.model}, {cpu.cores} cores",
        "instructions": ", ".join(cpu.features) or "none that help",
        "memory": _memory(machine),
        "gpu": _gpu(machine.gpu),
    }
    return [[name, text] for name, text in rows.items() if text]


def _package_rows() -> list[list[str]]:
    return [
        [distribution_of(module) or package.distributions[0], version_of(module) or "-"]
        for module, package in known_packages().items()
    ]


def _plugin_rows(plugins: Plugins) -> list[list[str]]:
    searches = {
        "library": plugins.library,
        "nvcc": plugins.compiler,
        "TensorRT's headers": plugins.headers,
        "CMake": plugins.cmake,
    }
    return [[name, search.path or _in_vain(search)] for name, search in searches.items()]


def _in_vain(search: SearchResult) -> str:
    folders = ", ".join(str(Path(path).parent) for path in search.looked_in)
    return f"not found in {folders}" if folders else "not found on the PATH"


def _jetpack(machine: Machine) -> str | None:
    if machine.jetson is None:
        return None
    too_old = "" if machine.jetson.supported else "; too old, segpp needs 6.1 or newer"
    return f"{machine.jetson.jetpack or 'unknown'} (L4T {machine.jetson.l4t}){too_old}"


def _memory(machine: Machine) -> str | None:
    if machine.memory is None:
        return None
    free = f", {machine.memory_free / 1e9:.1f} GB free" if machine.memory_free else ""
    return f"{machine.memory / 1e9:.1f} GB{free}"


def _gpu(gpu: Gpu) -> str:
    if gpu.obstacle:
        return f"none that can be used: {gpu.obstacle}"
    names = ", ".join(gpu.names) or "NVIDIA"
    driver = f", driver {gpu.driver}" if gpu.driver else ""
    return f"{names}, compute capability {gpu.compute_capability}{driver}"


def _json(machine: Machine, capabilities: Sequence[Capability]) -> str:
    facts = {
        "segpp": __version__,
        "machine": asdict(machine),
        "packages": {module: version_of(module) for module in known_packages()},
        "plugins": asdict(find_plugins()),
        "abilities": [asdict(capability) for capability in capabilities],
    }
    return json.dumps(facts, indent=2, ensure_ascii=False)
