"""The list of faults is of the kernels as they are; the module itself tries them."""

import shutil
from pathlib import Path

import pytest

from tests.trt_plugins.mutations.faults import FAULTS, PLUGINS, Fault


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_a_fault_changes_one_place_of_the_kernels(fault: Fault, tmp_path: Path) -> None:
    target = tmp_path / fault.file
    target.parent.mkdir(parents=True)
    shutil.copy(PLUGINS / fault.file, target)

    fault.put_into(tmp_path)

    assert target.read_text() != (PLUGINS / fault.file).read_text()
    assert all((PLUGINS.parent / tests).exists() for tests in fault.tests)


def test_a_place_that_is_not_there_is_told(tmp_path: Path) -> None:
    (tmp_path / "a.cu").write_text("int twice; int twice;")

    with pytest.raises(ValueError, match=r"a\.cu has 'twice' 2 times"):
        Fault("none", "a.cu", "twice", "once").put_into(tmp_path)


def test_no_two_faults_have_one_name() -> None:
    assert len({fault.name for fault in FAULTS}) == len(FAULTS)
