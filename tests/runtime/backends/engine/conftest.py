"""What the tests of engines share."""

from tests.helpers.engines.built import rtx_engine

__all__ = ["rtx_engine"]
