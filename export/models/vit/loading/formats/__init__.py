"""Checkpoint formats: one codebase's names and numerics each, found by scanning this folder."""

from segpp.errors import CheckpointError
from segpp.export.models.vit.loading.formats._base import CheckpointFormat, FeedForward, Module
from segpp.utils.registry import Registry

__all__ = ["FORMATS", "CheckpointFormat", "FeedForward", "Module"]

FORMATS: Registry[CheckpointFormat] = Registry(__name__, "checkpoint format", CheckpointError)
