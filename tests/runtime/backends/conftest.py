"""What the tests of engines share."""

from tests.runtime.backends.engine.parts.engines import rtx_engine

__all__ = ["rtx_engine"]
