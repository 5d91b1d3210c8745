"""``segpp-verify``: what every writer leaves is proved again, and what was altered never is."""

import json
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import segpp as package
from segpp.manifest import read_manifest
from segpp.utils.files import certificate_path, manifest_path
from tests.conftest import corners
from tests.helpers.commands import Completed, in_process, python_without
from tests.runtime.verification.forgery import certified, edited, resealed

pytest.importorskip("torch", reason="torch exports the files")

Command = Callable[..., Completed]
Network = Callable[..., Path]

SIZE = "128x256"
# Of what an export can write: a file of every precision, target, input and output.
FORMS = {
    "hq": ("--preset", "hq"),
    "labels": ("--outputs", "labels", "--ratio", "0.5"),
    "both": ("--outputs", "both"),
    "pixels": ("--input-dtype", "uint8", "--outputs", "labels"),
    "halves": ("--precision", "fp16"),
    "plain": ("--target", "plain"),
    "own attention": ("--target", "onnxruntime"),
    "batch": ("--batch", "2"),
    "crop": ("--fit", "crop"),
    "stretch": ("--fit", "stretch"),
    "bgr": ("--colors", "bgr"),
}  # fmt: skip


def saved_pictures(folder: Path, count: int = 10) -> Path:
    folder.mkdir()
    street = Image.open(package.sample_image())
    for number in range(count):
        street.resize((256, 128)).rotate(3 * number).save(folder / f"{number}.png")
    return folder


@pytest.fixture(scope="module")
def written(tiny_checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with an exported file and the same in INT8."""
    folder = tmp_path_factory.mktemp("written")
    done = in_process("export", tiny_checkpoint, folder / "a.onnx", "--size", SIZE)
    assert done.returncode == 0, done.stderr
    pictures = saved_pictures(folder / "pictures")
    flags = ("--target", "onnxruntime", "--no-timing", "--min-agreement", "0.5")
    done = in_process(
        "calibrate", folder / "a.onnx", pictures, "-o", folder / "a.int8.onnx", *flags
    )
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture
def folder(written: Path, tmp_path: Path) -> Path:
    copy = tmp_path / "written"
    shutil.copytree(written, copy)
    return copy


# --- every writer leaves a certificate that is proved again


@pytest.mark.parametrize(
    "form", corners(FORMS, {"labels", "halves", "crop", "own attention"}.__contains__)
)
def test_every_form_of_an_export_is_proved_again(
    segpp: Command, tiny_checkpoint: Path, tmp_path: Path, form: str
) -> None:
    path = tmp_path / "a.onnx"
    done = segpp("export", tiny_checkpoint, path, "--size", SIZE, *FORMS[form])
    assert done.returncode == 0, done.stderr

    done = segpp("verify", path, "--bisect", path)

    assert done.returncode == 0, done.stdout + done.stderr
    assert "no part gives more than rounding explains" in done.stdout
    assert ("decode head" in done.stdout) is (form in {"labels", "pixels", "halves"})
    assert "output l" in done.stdout
    assert certificate_path(path).stat().st_size < 400_000


def test_bf16_is_proved_by_the_library_that_runs_it(
    segpp: Command, tiny_checkpoint: Path, tmp_path: Path
) -> None:
    pytest.importorskip("openvino")
    path = tmp_path / "a.onnx"
    segpp("export", tiny_checkpoint, path, "--size", SIZE, "--precision", "bf16")

    done = segpp("verify", path, "--no-cache")

    assert done.returncode == 0, done.stdout + done.stderr
    assert "run by         openvino" in done.stdout


def test_an_int8_file_is_held_to_the_labels_of_the_float_one(segpp: Command, folder: Path) -> None:
    done = segpp("verify", folder / "a.onnx", folder / "a.int8.onnx", "--json")

    assert done.returncode == 0, done.stdout + done.stderr
    exact, rough = json.loads(done.stdout)["files"]
    assert exact["then"]["reference"] == rough["then"]["reference"] == "FP32 PyTorch"
    assert [p["ties"] for p in exact["pictures"]] == [p["ties"] for p in rough["pictures"]]
    assert rough["pictures"][0]["agreement"] < 1


def test_a_float_file_without_a_certificate_is_asked_itself(
    segpp: Command, written: Path, tiny_checkpoint: Path, tmp_path: Path
) -> None:
    path, out = tmp_path / "b.onnx", tmp_path / "b.int8.onnx"
    segpp("export", tiny_checkpoint, path, "--size", SIZE, "--no-check")
    flags = ("--target", "onnxruntime", "--no-timing", "--min-agreement", "0.5")
    segpp("calibrate", path, written / "pictures", "-o", out, *flags)

    done = segpp("verify", out)

    assert done.returncode == 0, done.stdout + done.stderr
    assert "reference      b.onnx, fp32" in done.stdout


@pytest.mark.rtx
def test_an_engine_has_one_too_and_has_not_been_run(segpp: Command, folder: Path) -> None:
    pytest.importorskip("tensorrt_rtx", reason="needs the wheel of TensorRT-RTX (extra rtx)")
    engine = folder / "a.engine"
    done = segpp(
        "build-engine", folder / "a.onnx", engine, "--compute-capability", "8.9", "--backend",
        "tensorrt-rtx",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr

    built, source = (read_manifest(p).certificate for p in (engine, folder / "a.onnx"))

    assert built
    assert source
    assert not built.ran
    assert [one.agreement for one in built.probes] == [None, None]
    assert [p.min_agreement for p in built.probes] == [p.min_agreement for p in source.probes]
    # There is no GPU, or no library that runs it: the certificate is whole, and says so.
    done = segpp("verify", engine)
    assert done.returncode in {2, 3}
    assert re.search("error: .*(none answers here|not installed)", done.stderr)


def test_the_users_pictures_are_in_no_certificate(
    segpp: Command, tiny_checkpoint: Path, tmp_path: Path
) -> None:
    own = tmp_path / "private.png"
    noise = np.random.default_rng(0).integers(0, 256, (128, 256, 3), np.uint8)
    Image.fromarray(noise).save(own)
    public, private = tmp_path / "a.onnx", tmp_path / "b.onnx"
    segpp("export", tiny_checkpoint, public, "--size", SIZE)
    segpp("export", tiny_checkpoint, private, "--size", SIZE, "--parity-image", own)

    archives = [certificate_path(path).read_bytes() for path in (public, private)]

    assert own.read_bytes()[100:1000] not in archives[1]
    told = [read_manifest(path).certificate for path in (public, private)]
    assert all(told)
    assert [p.name for p in told[1].probes] == ["street", "patches"]  # type: ignore[union-attr]  # as asserted
    assert segpp("verify", private).returncode == 0


def test_without_the_check_there_is_none_and_the_old_one_goes(
    segpp: Command, tiny_checkpoint: Path, folder: Path
) -> None:
    path = folder / "a.onnx"
    segpp("export", tiny_checkpoint, path, "--size", SIZE, "--no-check")

    done = segpp("verify", path)

    assert done.returncode == 2
    assert not certificate_path(path).exists()
    assert f"error: {path} has no certificate\n  hint: export it again, without --no-check" in (
        done.stderr
    )


def test_the_same_export_is_the_same_certificate(
    segpp: Command, tiny_checkpoint: Path, written: Path, tmp_path: Path
) -> None:
    path = tmp_path / "a.onnx"
    segpp("export", tiny_checkpoint, path, "--size", SIZE)

    first, second = (certificate_path(p).read_bytes() for p in (written / "a.onnx", path))

    assert first == second


# --- what was altered is never proved


@pytest.mark.parametrize(
    "alter",
    [
        lambda path: edited(path, lambda m: m["input"].update(mean=[0.0, 0.0, 0.0])),
        lambda path: edited(path, lambda m: m["input"].update(colours="BGR")),
        lambda path: edited(path, lambda m: m["certificate"].update(ran_with="a GPU")),
        lambda path: certificate_path(path).unlink(),
        lambda path: certificate_path(path).write_bytes(b"PK\x03\x04"),
        lambda path: manifest_path(path).unlink(),
        lambda path: path.write_bytes(path.read_bytes()[:-1]),
    ],
)
def test_what_does_not_belong_together_ends_with_2(
    segpp: Command, folder: Path, alter: Callable[[Path], object]
) -> None:
    path = folder / "a.onnx"
    alter(path)

    done = segpp("verify", path)

    assert done.returncode == 2
    assert done.stderr.count("error: ") == 1
    assert done.stdout == ""


def test_other_masks_end_with_1_name_the_class_and_draw_where(
    segpp: Command, network: Network, tmp_path: Path
) -> None:
    path, whole = certified(network()), certified(network("uint8"))
    from tests.runtime.verification.test_report import wrong_left  # noqa: PLC0415 - a helper

    resealed(path, probe=wrong_left)

    done = segpp("verify", whole, path, "--out", tmp_path / "out")

    assert done.returncode == 1
    assert f"error: other masks than in the certificate: {path}\n" in done.stderr
    assert "street, by class:" in done.stdout
    assert done.stdout.endswith("FAILED\n")
    assert len(list((tmp_path / "out").glob("*.png"))) == 4
    assert done.stderr.count("wrote ") == 4


# --- the command


def test_bisect_compares_every_file_part_by_part(segpp: Command, folder: Path) -> None:
    files = (folder / "a.int8.onnx", folder / "a.onnx")
    done = segpp("verify", *files, "--bisect", folder / "a.onnx")

    assert done.returncode == 0, done.stderr
    for path, precision in zip(files, ("int8 explains 0.5", "fp32 explains 0.01"), strict=True):
        told = f"{path} and {folder / 'a.onnx'}, block by block (rounding in {precision}"
        assert told in done.stdout
    assert "stage 1 patches" in done.stdout
    assert "output logits" in done.stdout
    assert done.stdout.endswith("certificates: PASSED\n")


def test_a_file_that_cannot_be_verified_keeps_no_other_from_it(
    segpp: Command, folder: Path, tmp_path: Path
) -> None:
    missing = tmp_path / "none.onnx"
    done = segpp("verify", missing, folder / "a.onnx")

    assert done.returncode == 2
    assert f"{missing}: NOT VERIFIED\n  file {missing} does not exist\n" in done.stdout
    assert f"{folder / 'a.onnx'}: as in its certificate" in done.stdout
    assert done.stderr.endswith(f"error: not verified: {missing}\n")


def test_an_engine_is_not_built_of_a_file_whose_certificate_was_left_behind(
    segpp: Command, folder: Path
) -> None:
    certificate_path(folder / "a.onnx").unlink()
    before = set(folder.iterdir())

    done = segpp("build-engine", folder / "a.onnx", folder / "a.engine")

    assert done.returncode == 2
    assert f"error: the certificate {certificate_path(folder / 'a.onnx')} does not" in done.stderr
    assert set(folder.iterdir()) == before


@pytest.mark.parametrize("ending", [".json", ".probe.zip"])
def test_a_sibling_in_the_networks_place_is_told(segpp: Command, folder: Path, ending: str) -> None:
    done = segpp("verify", f"{folder / 'a.onnx'}{ending}")

    assert done.returncode == 2
    assert "lies beside a network, and is none" in done.stderr
    assert f"hint: give {folder / 'a.onnx'}\n" in done.stderr


def verifying(folder: Path) -> str:
    arguments = ["verify", str(folder / "a.onnx")]
    return f"from segpp.cli import main; raise SystemExit(main({arguments!r}))"


def test_a_board_needs_no_torch_and_no_onnx(folder: Path) -> None:
    done = python_without(("torch", "onnx", "onnx_ir", "onnxscript", "openvino"), verifying(folder))

    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith("PASSED\n")


def test_without_a_library_that_runs_it_it_ends_with_3(folder: Path) -> None:
    done = python_without(("torch", "onnx", "onnxruntime", "openvino"), verifying(folder))

    assert done.returncode == 3
    assert "error: the package onnxruntime is not installed\n  hint: pip install" in done.stderr


@pytest.mark.parametrize(
    ("flags", "told"),
    [
        (["--backend", "onnx"], "unknown backend 'onnx'"),
        (["--threads", "0"], "threads"),
        (["--bisect", "missing.onnx"], "file missing.onnx does not exist"),
        (["--output-name", "logits"], "unknown argument --output-name"),
    ],
)
def test_wrong_usage_is_one_sentence(
    segpp: Command, folder: Path, flags: list[str], told: str
) -> None:
    done: subprocess.CompletedProcess[str] = segpp("verify", folder / "a.onnx", *flags)

    assert done.returncode == 2
    assert told in done.stderr


def test_a_file_that_is_not_there_is_named_itself(segpp: Command, tmp_path: Path) -> None:
    done = segpp("verify", tmp_path / "none.onnx")

    assert done.returncode == 2
    assert f"error: file {tmp_path / 'none.onnx'} does not exist" in done.stderr
    assert list(tmp_path.iterdir()) == []
