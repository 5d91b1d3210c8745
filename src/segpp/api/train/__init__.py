"""Checkpoints trained further: without labels by themselves, or with labels; and policies."""

from segpp.api.train.distill import distill
from segpp.api.train.fine_tune import fine_tune
from segpp.api.train.policy import train_policy

__all__ = ["distill", "fine_tune", "train_policy"]
