"""The JSON beside every file of segpp: what it is, what it was made from, how to feed it."""

from segpp.manifest.certificate import Certificate, ProbeResult, RoundTrip
from segpp.manifest.channels import ChannelSite
from segpp.manifest.consistency import check_fitting_bands, reading_pictures
from segpp.manifest.distilled import Distilled, read_distilled
from segpp.manifest.engine import EngineInfo, PluginInfo
from segpp.manifest.island import Island
from segpp.manifest.json_file import parse_manifest, read_manifest, render_manifest
from segpp.manifest.schema import (
    LABEL_DIMENSIONS,
    TENSOR_DIMENSIONS,
    WEIGHT_BITS,
    Architecture,
    Calibration,
    CalibrationDrop,
    Classes,
    FileInfo,
    InputSpec,
    Manifest,
    MatchSearch,
    MatchTrial,
    Origin,
    OutputSpec,
    Parity,
    PlainViT,
    ReductionSite,
    Reference,
    Resize,
    Source,
)

__all__ = [
    "LABEL_DIMENSIONS",
    "TENSOR_DIMENSIONS",
    "WEIGHT_BITS",
    "Architecture",
    "Calibration",
    "CalibrationDrop",
    "Certificate",
    "ChannelSite",
    "Classes",
    "Distilled",
    "EngineInfo",
    "FileInfo",
    "InputSpec",
    "Island",
    "Manifest",
    "MatchSearch",
    "MatchTrial",
    "Origin",
    "OutputSpec",
    "Parity",
    "PlainViT",
    "PluginInfo",
    "ProbeResult",
    "ReductionSite",
    "Reference",
    "Resize",
    "RoundTrip",
    "Source",
    "check_fitting_bands",
    "parse_manifest",
    "read_distilled",
    "read_manifest",
    "reading_pictures",
    "render_manifest",
]
