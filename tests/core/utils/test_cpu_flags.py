"""Whether a CPU adds products of 8 bits without overflow, as the kernel tells."""

from pathlib import Path

import pytest

from segpp.utils.limits import cpu_flags, has_vnni


@pytest.mark.parametrize(
    ("text", "has"),
    [
        ("processor\t: 0\nflags\t\t: fpu avx2 avx512_vnni\nflags\t\t: fpu\n", True),
        ("flags\t\t: fpu avx2 avx_vnni\n", True),
        ("Features\t: fp asimd asimddp\n", True),
        ("flags\t\t: fpu avx2 avx512f\n", False),
        # A part of a name is not the name.
        ("flags\t\t: avx512_vnni_like\n", False),
        ("nothing of the kind", False),
    ],
)
def test_the_kernel_is_asked(tmp_path: Path, text: str, has: bool) -> None:  # noqa: FBT001 - a case
    (tmp_path / "proc").mkdir()
    (tmp_path / "proc/cpuinfo").write_text(text)

    assert has_vnni(tmp_path) is has


def test_a_system_without_such_a_list_has_none(tmp_path: Path) -> None:
    assert cpu_flags(tmp_path) == frozenset()
    assert not has_vnni(tmp_path)
