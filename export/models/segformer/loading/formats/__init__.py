"""Checkpoint formats: one codebase's names and numerics each, found by scanning this folder."""

from segpp.errors import CheckpointError
from segpp.export.models.segformer.loading.formats._base import CheckpointFormat, Rule
from segpp.export.models.segformer.loading.formats._convert import from_segpp, to_segpp
from segpp.export.models.segformer.loading.formats._key_mapping import (
    KeyMatch,
    encoder_root,
    is_unused,
    key_matches,
    match_key,
    root_modules,
)
from segpp.utils.registry import Registry

__all__ = [
    "FORMATS",
    "CheckpointFormat",
    "KeyMatch",
    "Rule",
    "encoder_root",
    "from_segpp",
    "is_unused",
    "key_matches",
    "match_key",
    "root_modules",
    "to_segpp",
]

FORMATS: Registry[CheckpointFormat] = Registry(__name__, "checkpoint format", CheckpointError)
