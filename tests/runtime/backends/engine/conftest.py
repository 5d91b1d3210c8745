"""What the tests of engines share."""

from tests.helpers.engines import rtx_engine

__all__ = ["rtx_engine"]
