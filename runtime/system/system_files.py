"""The system's own small files: ``/proc``, ``/sys``, ``/etc``. What is not there is nothing.

Read here and not by psutil: it knows neither a container's limits nor a Jetson's board, release and
power mode, nor the peak of a process, and it cannot be pointed at another machine's files, as the
tests do. For load and CPU time alone it would be the fourth package that every board installs.
"""

import re
from pathlib import Path

__all__ = ["read_system_file", "read_thousandths"]


def read_system_file(path: Path) -> str:
    """Return a file's text without white space and zero bytes around it, "" if it has none."""
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip("\0 \n\t")
    except OSError:
        return ""


def read_thousandths(path: Path) -> float | None:
    """Return the number in a file that holds the kernel's millidegrees or kilohertz.

    Returns:
        Degrees or megahertz; None if the file is not there or holds something else.
    """
    text = read_system_file(path)
    return int(text) / 1000 if re.fullmatch(r"-?\d+", text) else None
