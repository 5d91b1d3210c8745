"""Which library builds, for which GPUs, with which plugins: all "auto" turned into names."""

import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from segpp.errors import InputError, MissingError
from segpp.runtime.build.builders import BUILDERS, NO_PLUGIN, BuildConfig, EngineBuilder
from segpp.runtime.system.gpu import gpu_compute_capability
from segpp.runtime.system.packages import is_installed
from segpp.runtime.system.plugin_library import (
    PluginLibrary,
    check_plugin_library,
    read_plugin_library,
)
from segpp.runtime.system.plugins import VARIABLE, find_plugins
from segpp.utils.choices import check_choice

__all__ = ["Resolved", "resolve", "resolve_builder"]


@dataclass(frozen=True)
class Resolved:
    """A build of which everything is known.

    Args:
        config: Without "auto"; its ``plugin`` is a file to load, or None.
        builder: The library.
        plugin: What that file is.
    """

    config: BuildConfig
    builder: EngineBuilder
    plugin: PluginLibrary | None


def resolve(config: BuildConfig) -> Resolved:
    """Return a build with everything resolved.

    Raises:
        InputError: An argument is wrong, or the library cannot honour it.
        MissingError: The library is not installed, does not load, or lacks a GPU.
    """
    name = resolve_builder(config.builder)
    builder = _load(name)
    plugin = _plugin(config, builder) if builder.takes_plugins else None
    if builder.takes_plugins:
        config = replace(config, plugin=plugin.path.absolute() if plugin else None)
    builder.check(config)
    capabilities = builder.compute_capabilities(config.compute_capabilities)
    resolved = replace(config, builder=name, compute_capabilities=capabilities)
    return Resolved(resolved, builder, plugin)


def resolve_builder(name: str) -> str:
    """Return the builder to use: ``name``, or for "auto" the first that can build here.

    Plain TensorRT is before TensorRT-RTX, and needs a GPU.

    Raises:
        InputError: No such builder is known.
        MissingError: It is not installed, or for "auto" none is.
    """
    check_choice(name, ["auto", *BUILDERS], kind="engine builder")
    if name == "auto":
        return _first()
    builder = BUILDERS[name]
    if not is_installed(builder.module):
        raise MissingError(
            f"{builder.title} is not installed", hint=f"pip install 'segpp[{builder.extra}]'"
        )
    return name


def _first() -> str:
    here = dict(_usable_here())
    for name, builder in here.items():
        if is_installed(builder.module):
            return name
    hint = " or ".join(f"pip install 'segpp[{builder.extra}]'" for builder in here.values())
    if useless := [one.title for one in BUILDERS.values() if is_installed(one.module)]:
        raise MissingError(f"{useless[0]} needs a GPU to build, and none answers here", hint=hint)
    raise MissingError("no engine builder is installed", hint=hint)


def _usable_here() -> Iterator[tuple[str, type[EngineBuilder]]]:
    has_gpu = gpu_compute_capability() is not None
    return ((name, one) for name, one in BUILDERS.items() if has_gpu or not one.needs_gpu)


def _load(name: str) -> EngineBuilder:
    builder = BUILDERS[name]()
    try:
        builder.version()
    except ImportError as failure:
        raise MissingError(
            f"{builder.title} is installed and does not load", str(failure)
        ) from failure
    return builder


def _plugin(config: BuildConfig, builder: EngineBuilder) -> PluginLibrary | None:
    path = config.plugin or _found()
    if path is None or path == NO_PLUGIN:
        return None
    library = read_plugin_library(path)
    check_plugin_library(library, builder.version())
    if not library.on_gpu and not config.dry_run:
        raise InputError(
            f"plugin library {path} runs its kernels on the CPU, for tests, and an engine cannot",
            hint="build it with another preset: trt_plugins/README.md of the sources tells how",
        )
    return library


def _found() -> Path | None:
    search = find_plugins().library
    if search.path is None and (named := os.environ.get(VARIABLE)):
        # Whoever names a file means that file and no other.
        raise InputError(f"{VARIABLE} names the plugin library {named}, which does not exist")
    return Path(search.path) if search.path else None
