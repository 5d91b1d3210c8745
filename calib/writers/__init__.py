"""INT8 files in the form that an engine takes: one dialect, one file, found by scanning."""

from segpp.calib.writers.base import Writer
from segpp.utils.registry import Registry

__all__ = ["WRITERS"]

WRITERS: Registry[Writer] = Registry(__name__, "INT8 target")
