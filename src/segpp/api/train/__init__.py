"""Checkpoints trained further: without labels by themselves, or with labels."""

from segpp.api.train.distill import distill
from segpp.api.train.fine_tune import fine_tune

__all__ = ["distill", "fine_tune"]
