"""The owner's own numbers tell whether his checkpoint was read as he trained it."""

import io
import pickle
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch

from segpp.errors import CheckError, InputError
from segpp.export.config import ExportConfig
from segpp.export.parity.reference import read_reference
from segpp.export.pipeline import export_onnx
from segpp.export.reduction.config import ReductionChoice
from segpp.manifest import Reference, read_manifest
from segpp.ops.grid import Size
from segpp.utils.files import sha256_of
from tests.helpers.checkpoints import Write, lively, theirs
from tests.helpers.mmseg_reference import mmseg_logits

SIZE = Size(64, 96)
HEADS = (2, 4, 10, 16)


@pytest.fixture
def owners(tmp_path: Path, write: Write) -> tuple[Path, Path]:
    """A checkpoint that does not tell its heads, and what its owner's code computes."""
    state = lively(theirs(dims=(16, 32, 80, 128)))
    x = torch.randn(1, 3, *SIZE, generator=torch.Generator().manual_seed(0))
    numbers = tmp_path / "reference.npz"
    np.savez(numbers, x=x.numpy(), logits=mmseg_logits(state, x, HEADS).numpy())
    return write(state), numbers


def exported(owners: tuple[Path, Path], out: Path, **options: object) -> Reference:
    checkpoint, numbers = owners
    config = ExportConfig(
        checkpoint,
        out,
        **{"size": SIZE, "reference": numbers, "check": False, **options},  # type: ignore[arg-type]  # as the test says
    )
    reference = export_onnx(config).manifest.reference
    assert reference is not None
    assert read_manifest(out).reference == reference
    return reference


def test_the_right_reading_gives_the_owners_labels(
    owners: tuple[Path, Path], tmp_path: Path
) -> None:
    reference = exported(owners, tmp_path / "x.onnx", heads=HEADS)

    assert (reference.file, reference.sha256) == ("reference.npz", sha256_of(owners[1]))
    assert (reference.unmerged_agreement, reference.pixel_agreement) == (1.0, 1.0)
    with np.load(owners[1]) as numbers:
        assert reference.max_logit_difference <= 1e-5 * np.abs(numbers["logits"]).max()


def test_a_wrong_reading_is_found_and_nothing_written(
    owners: tuple[Path, Path], tmp_path: Path
) -> None:
    with pytest.raises(
        CheckError, match=r"segpp reads it gives [01](.|\n)*heads assumed(.|\n)*--heads"
    ):
        exported(owners, tmp_path / "x.onnx")

    assert not (tmp_path / "x.onnx").exists()


def test_what_merging_costs_is_told_and_does_not_fail(
    owners: tuple[Path, Path], tmp_path: Path
) -> None:
    merged = ReductionChoice(ratio=0.5)

    reference = exported(owners, tmp_path / "x.onnx", heads=HEADS, reduction=merged)

    assert reference.unmerged_agreement == 1.0
    assert reference.pixel_agreement < 1.0


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"size": Size(64, 64)}, "of another size than the export(.|\n)*--size 64x96"),
        ({"input_dtype": "uint8"}, "--reference with --input-dtype uint8"),
    ],
)
def test_a_file_that_cannot_run_on_the_owners_input_is_refused(
    options: dict[str, object], says: str, owners: tuple[Path, Path], tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=says):
        exported(owners, tmp_path / "x.onnx", heads=HEADS, **options)


class Attack:
    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        return Path.touch, (self.mark,)


def npy(header: str, data: bytes = b"") -> bytes:
    text = header.encode().ljust(117) + b"\n"
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text + data


def written(path: Path, x: bytes) -> Path:
    logits = io.BytesIO()
    np.save(logits, np.zeros((1, 2, 4, 4), np.float32))
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("x.npy", x)
        archive.writestr("logits.npy", logits.getvalue())
    return path


@pytest.mark.parametrize(
    ("header", "says"),
    [
        ("{'descr': '|O', 'fortran_order': False, 'shape': (1, 3, 1, 1), }", "no reference"),
        ("{'descr': '<f4', 'fortran_order': False, 'shape': (1, 99999, 99999, 99), }", "the shape"),
        ("{'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }", r"the shape \(3, 4\)"),
        ("{'descr': '<i8', 'fortran_order': False, 'shape': (1, 3, 4, 4), }", "x as int64"),
        ("{'descr': '<f4', 'fortran_order': False, 'shape': (1, 3, 4, 4), }", "no reference"),
        ("{'descr': '<f4'", "no reference"),
    ],
)
def test_an_array_made_to_harm_is_refused(header: str, says: str, tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    path = written(tmp_path / "x.npz", npy(header, pickle.dumps(Attack(mark))[:40]))

    with pytest.raises(InputError, match=says):
        read_reference(path)

    assert not mark.exists()


def test_other_files_are_refused_with_the_way_to_make_one(tmp_path: Path) -> None:
    (tmp_path / "a.npz").write_bytes(b"hello")
    np.savez(tmp_path / "b.npz", image=np.zeros(3))

    with pytest.raises(
        InputError, match=r"is no reference(.|\n)*cannot be read: File is not(.|\n)*np\.savez"
    ):
        read_reference(tmp_path / "a.npz")
    with pytest.raises(
        InputError, match=r"is no reference: it has no x\n.*holds: image\n.*np\.savez"
    ):
        read_reference(tmp_path / "b.npz")


@pytest.mark.parametrize("shape", [(1, 3, 8192, 8192), (1, 3, 10**9, 10**9)])
def test_arrays_that_would_fill_the_memory_are_refused_by_their_headers(
    shape: tuple[int, ...], tmp_path: Path
) -> None:
    header = io.BytesIO()
    described = {"descr": "<f4", "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(header, described)
    with zipfile.ZipFile(tmp_path / "x.npz", "w") as archive:
        archive.writestr("x.npy", header.getvalue())

    with pytest.raises(InputError, match="at most 67,108,864 numbers"):
        read_reference(tmp_path / "x.npz")


@pytest.mark.parametrize("kind", [">f4", "<f2", "<f8"])
def test_any_floating_point_is_read_part_by_part(kind: str, tmp_path: Path) -> None:
    # More numbers than are read at once.
    x = np.random.default_rng(0).normal(size=(1, 3, 1200, 1200)).astype(kind)
    np.savez(tmp_path / "x.npz", x=x, logits=x[:, :1])

    read = read_reference(tmp_path / "x.npz")

    assert (read.x == x.astype(np.float32)).all()
    assert (read.logits == x[:, :1].astype(np.float32)).all()


@pytest.mark.filterwarnings("error")
def test_numbers_beyond_float32_are_infinite_and_refused_without_a_warning(tmp_path: Path) -> None:
    x = np.full((1, 3, 4, 4), 1e300)
    np.savez(tmp_path / "x.npz", x=x, logits=x)

    with pytest.raises(InputError, match="has NaN or infinity in x"):
        read_reference(tmp_path / "x.npz")
