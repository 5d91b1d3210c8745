"""The kernels' CPU emulation compiled for a board's aarch64, and called in the board's Python."""

from collections.abc import Sequence
from pathlib import Path

from tests.trt_plugins.kernels.kernel_library import CACHE, Kernels, build


def on_board(sources: Sequence[Path], flags: Sequence[str]) -> Kernels:
    """Build a library and open it where the board's programs run, under its emulator.

    Raises:
        MissingError: The board's userland or its compiler cannot be fetched.
    """
    # They need apt, Maven and pip, and no other tests of kernels do.
    from tests.board import userland  # noqa: PLC0415
    from tests.board.cross_compiler import compiler  # noqa: PLC0415

    CACHE.mkdir(parents=True, exist_ok=True)
    library = build(sources, "plain", *flags, by=str(compiler(CACHE)))
    env = {"PYTHONPATH": str(userland.site())}
    return Kernels(library, sanitized=False, python=userland.command(userland.python()), env=env)
