"""Files that no engine is built of are told what they are for."""

from pathlib import Path

import pytest

pytest.importorskip("onnxruntime", reason="calibration runs the network (extra cpu)")

from segpp.calib.writers import WRITERS
from segpp.errors import InputError
from segpp.manifest import read_manifest
from segpp.runtime.build.check_target import check_target
from tests.cli.calibrate.quantizable_network import save_network, save_pictures
from tests.helpers.commands import in_process


@pytest.mark.parametrize("target", list(WRITERS))
def test_an_int8_file_is_taken_only_where_it_is_for_engines(target: str, tmp_path: Path) -> None:
    save_network(tmp_path / "b.onnx")
    save_pictures(tmp_path / "pictures", labels=tmp_path / "labels")
    file = tmp_path / "b.int8.onnx"
    words = ["-o", file, "--target", target, "--no-timing", "--min-agreement", 0]
    done = in_process("calibrate", tmp_path / "b.onnx", tmp_path / "pictures", *words)
    assert done.returncode == 0, done.stderr

    if target == "tensorrt":
        check_target(file, read_manifest(file))
        return
    with pytest.raises(InputError, match=f"is an INT8 file for {WRITERS[target].title}, not"):
        check_target(file, read_manifest(file))
