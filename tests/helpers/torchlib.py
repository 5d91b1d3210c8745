"""torch's translations into ONNX, read once for a process and not for every export."""

import sys
from functools import cache

__all__ = ["remember_torchlib"]

_REGISTRATION = "torch.onnx._internal.exporter._registration"


def remember_torchlib() -> None:
    """Keep what onnxscript finds out about its functions, if an export has loaded it.

    It parses the sources of 500 of them, which is a fifth of the time of a small export.
    """
    registration = sys.modules.get(_REGISTRATION)
    apis = getattr(registration, "onnxscript_apis", None)
    found = getattr(apis, "get_torchlib_ops", None)
    if apis is not None and found is not None and not hasattr(found, "cache_info"):
        apis.get_torchlib_ops = cache(found)
