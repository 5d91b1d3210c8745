"""Checkpoint layouts: one codebase's names and numerics per module, found by scanning."""

from segpp.errors import CheckpointError
from segpp.export.models.segformer.loading.formats._base import Layout, Rule
from segpp.utils.registry import Registry

__all__ = ["LAYOUTS", "Layout", "Rule"]

LAYOUTS: Registry[Layout] = Registry(__name__, "source", CheckpointError)
