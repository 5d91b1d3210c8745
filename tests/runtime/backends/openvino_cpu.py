"""What OpenVINO computes in on this CPU."""

from importlib.util import find_spec

import pytest


def has_bf16() -> bool:
    if find_spec("openvino") is None:
        return False
    import openvino  # noqa: PLC0415  # an extra

    return "BF16" in openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")


needs_bf16 = pytest.mark.skipif(not has_bf16(), reason="this CPU does not compute in BF16")
