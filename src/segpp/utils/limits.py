"""How many CPUs and how much memory this process may use, and what these CPUs can do.

The first two are often less than there are.

A container or batch system limits a process in three ways, and most libraries look at none:

    affinity    the CPUs it runs on: taskset, Slurm, docker --cpuset-cpus
    cgroup v2   a share of time, ``cpu.max``, and of memory, ``memory.max``: docker --cpus and
                --memory; each folder from the process's own up to the root may set one
    rlimit      address space: ulimit -v
"""

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from segpp.errors import InputError

__all__ = [
    "Room",
    "check_threads",
    "cpu_flags",
    "default_threads",
    "has_vnni",
    "usable_cpus",
    "usable_memory",
]

_ROOT = Path("/")
_CGROUPS = Path("sys/fs/cgroup")

# More threads than that help nobody, and their stacks and start-up alone can bring a machine down.
_MOST_THREADS = 256
_MOST_THREADS_PER_CPU = 4


@dataclass(frozen=True)
class Room:
    """Memory that the process may still take, in bytes, and what limits it ("ulimit -v")."""

    bytes: int
    limit: str


def usable_cpus(root: Path = _ROOT) -> int:
    """Return how many CPUs this process may keep busy, at least 1.

    Args:
        root: Where ``proc`` and ``sys`` are.
    """
    # Not on macOS and Windows.
    affinity = getattr(os, "sched_getaffinity", None)
    cpus = len(affinity(0)) if affinity else _cpus()
    return max(1, min([cpus, *_quotas(root)]))


def cpu_flags(root: Path = _ROOT) -> frozenset[str]:
    """Return the features that the kernel lists for the first CPU; none where it lists none.

    Args:
        root: Where ``proc`` and ``sys`` are.
    """
    try:
        text = (root / "proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return frozenset()
    # On Arm the line is called Features.
    found = re.search(r"^(?:flags|Features)\s*:\s*(.+)", text, re.MULTILINE)
    return frozenset(found[1].split()) if found else frozenset()


def has_vnni(root: Path = _ROOT) -> bool:
    """Return whether the CPU adds four products of 8 bits at once into 32, without overflow.

    x86 calls that VNNI; Arm's dot products never overflow either.
    """
    return bool(cpu_flags(root) & {"avx512_vnni", "avx_vnni", "asimddp", "i8mm"})


def default_threads(root: Path = _ROOT) -> int | None:
    """Return how many threads to run where nobody says: None for the library's own choice.

    Libraries know best what to do with a whole machine, one thread a core for example; of limits
    they know little.
    """
    usable = usable_cpus(root)
    return usable if usable < _cpus() else None


def check_threads(threads: int) -> None:
    """Raise InputError for a number of threads that makes no sense on this machine."""
    if threads < 1:
        raise InputError(f"cannot run on {threads} threads")
    most = min(_MOST_THREADS, _MOST_THREADS_PER_CPU * _cpus())
    if threads > most:
        raise InputError(
            f"{threads:,} threads are too many for {_cpus()} CPUs",
            f"allowed here: 1 to {most}",
            hint=f"this process may use {usable_cpus()} of them, so many threads are fastest",
        )


def usable_memory(root: Path = _ROOT) -> Room | None:
    """Return how much memory this process may still take; None where the system does not tell.

    Args:
        root: Where ``proc`` and ``sys`` are.
    """
    return min(_rooms(root), key=lambda room: room.bytes, default=None)


def _cpus() -> int:
    return os.cpu_count() or 1


def _quotas(root: Path) -> Iterator[int]:
    for folder in _cgroup_folders(root):
        # "150000 100000" is one and a half CPUs, on which two threads would wait for each other.
        if quota := re.match(r"(\d+) (\d+)", _text(folder / "cpu.max")):
            yield int(quota[1]) // max(int(quota[2]), 1)


def _rooms(root: Path) -> Iterator[Room]:
    if free := _kibibytes(root / "proc/meminfo", "MemAvailable"):
        yield Room(free, "the memory that is free")
    for folder in _cgroup_folders(root):
        limit, used = _text(folder / "memory.max"), _text(folder / "memory.current")
        if limit.isdigit() and used.isdigit():
            # Files that were read can go at any time.
            files = re.search(r"^inactive_file (\d+)", _text(folder / "memory.stat"), re.MULTILINE)
            taken = int(used) - (int(files[1]) if files else 0)
            yield Room(max(int(limit) - taken, 0), "the memory limit of the container")
    yield from _address_space(root)


def _address_space(root: Path) -> Iterator[Room]:
    try:
        import resource  # noqa: PLC0415 - not on Windows
    except ModuleNotFoundError:
        return
    limit = resource.getrlimit(resource.RLIMIT_AS)[0]
    if limit != resource.RLIM_INFINITY:
        taken = _kibibytes(root / "proc/self/status", "VmSize")
        yield Room(max(limit - taken, 0), "the limit of its address space (ulimit -v)")


def _cgroup_folders(root: Path) -> Iterator[Path]:
    """Yield the process's own cgroup and those that it lies in."""
    own = re.search(r"^0::/(.*)$", _text(root / "proc/self/cgroup"), re.MULTILINE)
    folder = Path(own[1] if own else "")
    # In a container the path is the host's and may not be here; the root is then its own.
    yield from (root / _CGROUPS / part for part in (folder, *folder.parents))


def _kibibytes(path: Path, name: str) -> int:
    found = re.search(rf"^{name}:\s+(\d+) kB", _text(path), re.MULTILINE)
    return int(found[1]) * 1024 if found else 0


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""
