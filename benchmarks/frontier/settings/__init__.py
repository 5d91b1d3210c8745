"""Which settings a network is compared with."""

from collections.abc import Mapping, Sequence

from benchmarks.frontier.settings.segformer import SETTINGS
from benchmarks.frontier.settings.setting import Setting
from benchmarks.frontier.settings.vit import VIT_SETTINGS
from segpp.manifest import Architecture

__all__ = ["ALL", "SETTINGS", "VIT_SETTINGS", "Setting", "chosen"]

# What two kinds of networks have under one name is the same.
ALL: Mapping[str, Setting] = {**SETTINGS, **VIT_SETTINGS}

_THIRD_STAGE, _SHALLOW = 2, 2


def chosen(names: Sequence[str] | None, architecture: Architecture) -> Mapping[str, Setting]:
    """Return the settings of these names, or all that a network has the blocks for.

    Raises:
        KeyError: There is no setting of a name.
    """
    if names:
        return {name: ALL[name] for name in names}
    if (shape := architecture.vit) is not None:
        has = {"": True, "policy": shape.policy is not None, "exits": bool(shape.exits)}
        return {name: one for name, one in VIT_SETTINGS.items() if has[one.needs]}
    deep = architecture.depths[_THIRD_STAGE] > _SHALLOW
    return {name: one for name, one in SETTINGS.items() if deep or one.group != "deep"}
