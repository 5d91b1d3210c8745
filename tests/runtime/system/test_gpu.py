"""The driver's answer, whatever this machine has."""

import re

from segpp.runtime.system.gpu import gpu_compute_capability
from segpp.runtime.system.hardware import this_machine


def test_the_capability_is_two_numbers_or_nothing() -> None:
    capability = gpu_compute_capability()

    assert capability is None or re.fullmatch(r"\d{1,2}\.\d", capability)
    assert this_machine().gpu.compute_capability == capability
