"""What a process may use, read from system files as containers have them."""

import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from segpp.errors import InputError
from segpp.utils.limits import check_threads, default_threads, usable_cpus, usable_memory

CPUS = os.cpu_count() or 1
MANY = pytest.mark.skipif(CPUS < 2, reason="one CPU cannot be limited further")


def system(root: Path, **files: str) -> Path:
    for name, text in files.items():
        path = root / name.replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


def test_without_limits_the_library_chooses(tmp_path: Path) -> None:
    if usable_cpus() < CPUS:
        pytest.skip("this process is limited itself")

    assert usable_cpus(tmp_path) == CPUS
    assert default_threads(tmp_path) is None


@pytest.mark.parametrize(
    ("quota", "cpus"), [("100000 100000", 1), ("150000 100000", 1), ("1 9", 1)]
)
def test_a_share_of_time_is_whole_cpus_and_at_least_one(
    tmp_path: Path, quota: str, cpus: int
) -> None:
    assert usable_cpus(system(tmp_path, **{"sys__fs__cgroup__cpu.max": quota})) == cpus


def test_a_limit_of_any_folder_above_counts(tmp_path: Path) -> None:
    root = system(
        tmp_path,
        **{
            "proc__self__cgroup": "4:memory:/x\n0::/user.slice/job.scope\n",
            "sys__fs__cgroup__user.slice__cpu.max": "100000 100000",
            "sys__fs__cgroup__user.slice__job.scope__cpu.max": "max 100000",
            "sys__fs__cgroup__user.slice__memory.max": "3000",
            "sys__fs__cgroup__user.slice__memory.current": "2500",
            "sys__fs__cgroup__user.slice__memory.stat": "anon 5\ninactive_file 700\n",
            "proc__meminfo": "MemTotal: 9 kB\nMemAvailable: 8 kB\n",
        },
    )

    assert usable_cpus(root) == 1
    room = usable_memory(root)
    assert room is not None
    assert (room.bytes, room.limit) == (1200, "the memory limit of the container")


def test_free_memory_is_a_limit_too(tmp_path: Path) -> None:
    room = usable_memory(system(tmp_path, proc__meminfo="MemAvailable:   8 kB\n"))

    assert room is not None
    assert room.bytes == 8 * 1024


def in_child(code: str, before: str = "pass") -> str:
    lines = f"import os, resource\n{before}\nfrom segpp.utils import limits\n{code}"
    done = subprocess.run([sys.executable, "-c", lines], capture_output=True, text=True, check=True)
    return done.stdout.strip()


@MANY
def test_affinity_is_a_limit() -> None:
    one = "os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})"

    assert in_child("print(limits.usable_cpus(), limits.default_threads())", one) == "1 1"


def test_a_limit_of_the_address_space_leaves_what_is_not_taken() -> None:
    limit = f"resource.setrlimit(resource.RLIMIT_AS, ({1 << 30}, {resource.RLIM_INFINITY}))"

    room = in_child("room = limits.usable_memory(); print(room.bytes, room.limit)", limit)

    assert 0 < int(room.split()[0]) < 1 << 30
    assert "ulimit -v" in room


@pytest.mark.parametrize(
    ("threads", "says"),
    [(0, "cannot run on 0"), (40_000, "40,000 threads are too many"), (4 * CPUS + 1, "too many")],
)
def test_threads_that_make_no_sense_are_refused(threads: int, says: str) -> None:
    with pytest.raises(InputError, match=says):
        check_threads(threads)


def test_a_few_threads_a_cpu_are_taken() -> None:
    check_threads(1)
    check_threads(min(4 * CPUS, 256))
