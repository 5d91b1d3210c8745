"""Which instructions for 8-bit products the CPU has."""

from pathlib import Path

__all__ = ["cpu_flags", "has_vnni"]


def cpu_flags(root: Path = Path("/")) -> frozenset[str]:
    """Return the features that the kernel lists for the first CPU; none where it lists none.

    Args:
        root: Where ``proc`` is.
    """
    try:
        text = (root / "proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return frozenset()
    for line in text.splitlines():
        name, _, value = line.partition(":")
        # On Arm the line is called Features.
        if name.strip() in {"flags", "Features"}:
            return frozenset(value.split())
    return frozenset()


def has_vnni(root: Path = Path("/")) -> bool:
    """Return whether the CPU adds four products of 8 bits at once into 32, without overflow.

    x86 calls that VNNI; Arm's dot products never overflow either.
    """
    return bool(cpu_flags(root) & {"avx512_vnni", "avx_vnni", "asimddp", "i8mm"})
