"""What a manifest holds about an engine."""

from dataclasses import dataclass, field
from typing import Literal

__all__ = ["EngineInfo", "PluginInfo"]


@dataclass(frozen=True)
class PluginInfo:
    """The plugin library that an engine was built with, and must be run with.

    Attributes:
        version: Of segpp, that it was built from.
        tensorrt: The version of TensorRT that it was built for.
        embedded: Whether the engine holds it.
    """

    name: str
    sha256: str
    version: str
    tensorrt: str
    embedded: bool = False


@dataclass(frozen=True)
class EngineInfo:
    """What an engine was built with and for; it runs nowhere else.

    Attributes:
        layers: Before anything was fused.
        attention_found: Sites of attention that the compiler recognised.
        attention_fused: Those of them in a type that there are fused kernels for; None in files
            of before it was counted.
        activation_bytes, weight_bytes: None where the library did not tell.
        typing: ``strong`` where every tensor has the type that the ONNX file gives it, ``weak``
            where the library chose.
        plugins: How many nodes of each operator of ours are plugins.
        functions: How many were compiled from standard operators instead.
        version_compatible: Later versions of the library run it, too. It holds code of its maker's
            for that, which a runtime has to allow.
        warnings: What was told about it when it was built.
    """

    library: str
    version: str
    compute_capabilities: tuple[str, ...]
    layers: int
    attention_found: int
    attention_expected: int
    activation_bytes: int | None
    weight_bytes: int | None
    build_seconds: float
    ran: bool
    attention_fused: int | None = None
    typing: Literal["strong", "weak"] = "strong"
    plugins: dict[str, int] = field(default_factory=dict)
    functions: dict[str, int] = field(default_factory=dict)
    plugin_library: PluginInfo | None = None
    version_compatible: bool = False
    warnings: tuple[str, ...] = ()
