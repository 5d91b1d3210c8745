"""The JSON beside every file of segpp: what it is, what it was made from, how to feed it."""

from segpp.manifest.json_file import parse_manifest, read_manifest, render_manifest
from segpp.manifest.schema import (
    LABEL_DIMENSIONS,
    TENSOR_DIMENSIONS,
    Architecture,
    Classes,
    EngineInfo,
    FileInfo,
    InputSpec,
    Manifest,
    MatchSearch,
    MatchTrial,
    Origin,
    OutputSpec,
    Parity,
    ReductionSite,
    Reference,
    Source,
)

__all__ = [
    "LABEL_DIMENSIONS",
    "TENSOR_DIMENSIONS",
    "Architecture",
    "Classes",
    "EngineInfo",
    "FileInfo",
    "InputSpec",
    "Manifest",
    "MatchSearch",
    "MatchTrial",
    "Origin",
    "OutputSpec",
    "Parity",
    "ReductionSite",
    "Reference",
    "Source",
    "parse_manifest",
    "read_manifest",
    "render_manifest",
]
