"""What segpp can do on this machine, why not, and what would help."""

import os
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, replace

from segpp.runtime.backends.base import BACKENDS, backends_for
from segpp.runtime.build.builders import BUILDERS
from segpp.runtime.system.hardware import Machine
from segpp.runtime.system.packages import distribution_of, is_installed
from segpp.runtime.system.plugins import LIBRARY, VARIABLE, Plugins, find_plugins
from segpp.runtime.system.self_test import EXPORT_MODULES
from segpp.utils.child import child_command

__all__ = ["Capability", "capabilities_of", "is_useful", "try_out"]

_TIMEOUT_SECONDS = 300
_BUILD_PLUGINS = "trt_plugins/README.md of the sources tells how to build it"


@dataclass(frozen=True)
class Capability:
    """One thing that segpp does.

    Args:
        key: Its name for ``segpp.runtime.system.self_test``, and in JSON.
        name: The same in words.
        works: Whether everything for it is here.
        reason: What is missing, or a remark.
        fix: The command that helps, if one does.
    """

    key: str
    name: str
    works: bool
    reason: str = ""
    fix: str = ""


def capabilities_of(machine: Machine) -> tuple[Capability, ...]:
    """Return everything segpp can or cannot do on ``machine`` with the installed packages."""
    return (
        _packaged("export", "export checkpoints", EXPORT_MODULES, "export"),
        *(_backend(name) for name in backends_for(".onnx")),
        _cuda(machine),
        *(_build(name, machine) for name in BUILDERS),
        _engines(machine),
        _packaged("video", "read and write video", ("av",), "video"),
        _plugins(find_plugins()),
    )


def is_useful(capabilities: Sequence[Capability]) -> bool:
    """Return whether segpp can at least export or run."""
    return any(
        one.works for one in capabilities if one.key == "export" or one.key.startswith("run-")
    )


def try_out(capability: Capability) -> Capability:
    """Return the capability as it shows itself when tried, in a process of its own."""
    if not capability.works:
        return capability
    command = child_command("segpp.runtime.system.self_test", capability.key)
    try:
        done = subprocess.run(  # noqa: S603 - our own module
            command,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            check=False,
            timeout=_TIMEOUT_SECONDS,
        )
    except subprocess.TimeoutExpired:
        return replace(
            capability, works=False, reason=f"tried: still busy after {_TIMEOUT_SECONDS} s"
        )
    if done.returncode == 0:
        return replace(capability, reason="tried: works")
    last = (done.stderr.strip().splitlines() or [f"ended with {done.returncode}"])[-1]
    return replace(capability, works=False, reason=f"tried: {last}")


def _packaged(key: str, name: str, modules: Sequence[str], extra: str) -> Capability:
    missing = [module for module in modules if not is_installed(module)]
    if not missing:
        return Capability(key, name, works=True)
    return Capability(key, name, works=False, reason=_not_installed(missing), fix=_install(extra))


def _backend(name: str) -> Capability:
    spec = BACKENDS[name]
    words = f"run ONNX files with {spec.title}"
    return _packaged(f"run-{spec.extra}", words, (spec.module, *spec.needs), spec.extra)


def _cuda(machine: Machine) -> Capability:
    key, name = "run-cuda", "run them with ONNX Runtime on the GPU"
    if machine.gpu.obstacle:
        return Capability(key, name, works=False, reason=machine.gpu.obstacle)
    installed = distribution_of("onnxruntime")
    if installed == "onnxruntime-gpu":
        return Capability(key, name, works=True)
    if machine.jetson:
        reason = "needs the onnxruntime-gpu that NVIDIA builds for this JetPack"
        return Capability(key, name, works=False, reason=reason)
    # Both distributions bring the same module; the later one silently wins.
    first = "pip uninstall onnxruntime; " if installed else ""
    reason = "onnxruntime-gpu is not installed"
    return Capability(key, name, works=False, reason=reason, fix=first + _install("gpu"))


def _build(name: str, machine: Machine) -> Capability:
    builder = BUILDERS[name]
    key, words = f"build-{name}", f"build {builder.title} engines"
    if builder.needs_gpu and machine.gpu.obstacle:
        return Capability(key, words, works=False, reason=machine.gpu.obstacle)
    return _packaged(key, words, (builder.module,), builder.extra)


def _engines(machine: Machine) -> Capability:
    key, name = "run-engines", "run engines"
    specs = [spec for spec in BACKENDS.values() if ".engine" in spec.suffixes]
    if machine.gpu.obstacle:
        return Capability(key, name, works=False, reason=machine.gpu.obstacle)
    installed = [spec for spec in specs if is_installed(spec.module)]
    if not installed:
        modules = [spec.module for spec in specs]
        return Capability(key, name, works=False, reason=_not_installed(modules))
    missing = [module for module in installed[0].needs if not is_installed(module)]
    if missing:
        return Capability(
            key, name, works=False, reason=_not_installed(missing), fix=_install(installed[0].extra)
        )
    return Capability(key, name, works=True, reason=", ".join(spec.title for spec in installed))


def _plugins(plugins: Plugins) -> Capability:
    key, name = "plugins", "TensorRT plugins"
    if plugins.library.path is None:
        return Capability(key, name, works=False, reason=_unbuilt(plugins), fix=_BUILD_PLUGINS)
    if not is_installed("tensorrt"):
        reason = f"{plugins.library.path} is here, and TensorRT's Python module is not"
        return Capability(key, name, works=False, reason=reason, fix=_install("tensorrt"))
    return Capability(key, name, works=True, reason=plugins.library.path)


def _unbuilt(plugins: Plugins) -> str:
    [*_, path] = plugins.library.looked_in
    named = f"{VARIABLE} names {path}, which does not exist"
    reason = named if VARIABLE in os.environ else f"{LIBRARY} is not built"
    missing = plugins.missing_to_build
    lacking = f"; to build it {', '.join(missing)} would be needed" if missing else ""
    return f"{reason}{lacking}; files run without it, by standard operators"


def _not_installed(modules: Sequence[str]) -> str:
    return f"{', '.join(modules)} {'is' if len(modules) == 1 else 'are'} not installed"


def _install(extra: str) -> str:
    return f"pip install 'segpp[{extra}]'"
