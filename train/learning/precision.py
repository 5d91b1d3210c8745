"""What a step is computed in: FP32, or halves where the machine is measured to be faster so."""

import time
from contextlib import AbstractContextManager
from copy import deepcopy

import torch

from segpp.errors import InputError
from segpp.train.learning.tapped import Tapped

__all__ = ["autocast", "choose_precision"]

_TYPES = {"bf16": torch.bfloat16, "fp16": torch.float16}
_ROUNDS = 2
# A gain that a neighbour's work could have made is none.
_WORTH = 0.9


def autocast(precision: str, device: torch.device) -> AbstractContextManager[object]:
    """Return a context in which large products are computed in ``fp32``, ``bf16`` or ``fp16``."""
    return torch.autocast(
        device.type, dtype=_TYPES.get(precision, torch.bfloat16), enabled=precision in _TYPES
    )


def choose_precision(
    asked: str, student: Tapped, shape: tuple[int, ...], device: torch.device
) -> str:
    """Return what to compute in.

    GPUs that have BF16 take it, older ones FP16. A CPU is timed: few have BF16, and it is slow
    where it is made of FP32.

    Args:
        asked: ``auto``, or what is wanted.
        student: The network.
        shape: Of a picture as the network takes it, (1, C, H, W).
        device: What computes.

    Raises:
        InputError: The device does not train in what is asked for.
    """
    if asked == "fp16" and device.type == "cpu":
        raise InputError(
            "`precision=fp16` trains on GPUs alone", hint="`precision=bf16`, or leave it at auto"
        )
    if asked != "auto":
        return asked
    if device.type == "cuda":
        return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "fp16"
    trial, image = deepcopy(student), torch.zeros(shape)
    times = {name: _seconds(trial, image, name, device) for name in ("fp32", "bf16")}
    return "bf16" if times["bf16"] < _WORTH * times["fp32"] else "fp32"


def _seconds(student: Tapped, image: torch.Tensor, precision: str, device: torch.device) -> float:
    """Return what a step takes, the smallest of several after a first."""
    taken = []
    for _ in range(1 + _ROUNDS):
        start = time.perf_counter()
        with autocast(precision, device):
            logits, *inside = student(image)
        (logits.float().mean() + sum(x.float().mean() for own in inside for x in own)).backward()
        taken.append(time.perf_counter() - start)
    return min(taken[1:])
