"""Comparisons in the type that tokens have, whatever a training computes in."""

from contextlib import AbstractContextManager, nullcontext

import torch

__all__ = ["full_precision"]


def full_precision(device: str) -> AbstractContextManager[object]:
    """Return a context without autocast on a kind of device, as ``cpu``.

    Where there is none, as in an export, it is no context at all: a traced graph would have one
    within, and such a graph has to be decomposed before ONNX has all of its operators.
    """
    if torch.is_autocast_enabled(device):
        return torch.autocast(device, enabled=False)
    return nullcontext()
