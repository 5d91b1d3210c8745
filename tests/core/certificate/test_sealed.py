"""File, manifest and certificate name each other: a change of one alone is found."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from segpp.certificate.prove import not_run
from segpp.certificate.sealed import read_certificate, remove_certificate, sealed
from segpp.errors import ManifestError
from segpp.manifest import Calibration, CalibrationDrop, read_manifest, render_manifest
from segpp.utils.files import certificate_path, manifest_path
from tests.runtime.verification.forgery import certified, edited

Network = Callable[..., Path]


@pytest.fixture
def path(network: Network) -> Path:
    return certified(network())


def test_what_belongs_together_is_read(path: Path) -> None:
    manifest, proof, probes = read_certificate(path)

    assert proof == manifest.certificate
    assert [one.name for one in proof.probes] == [one.picture.name for one in probes]
    assert [one.agreement for one in proof.probes] == [1.0, 1.0]


@pytest.mark.parametrize(
    "change",
    [
        lambda m: m["input"].update(mean=[0.0, 0.0, 0.0]),
        lambda m: m["input"].update(std=[63.9, 64.0, 64.0]),
        lambda m: m["input"].update(colours="BGR"),
        lambda m: m["input"].update(fit="letterbox"),
        lambda m: m["input"].update(resize="pillow-nearest"),
        lambda m: m["outputs"][0].update(align_corners=True),
        lambda m: m["classes"]["names"].__setitem__(0, "blue"),
        lambda m: m["certificate"]["probes"][0].update(min_agreement=0.1),
        lambda m: m["certificate"].update(tie_margin=9.0),
        lambda m: m["certificate"].update(ran=False),
        lambda m: m.update(notes=["proved by somebody else"]),
        lambda m: m.update(segpp="9.9"),
    ],
)
def test_a_manifest_that_was_changed_is_found(
    path: Path, change: Callable[[dict[str, Any]], object]
) -> None:
    edited(path, change)

    with pytest.raises(ManifestError, match=r"onnx\.json was changed after .*probe\.zip was"):
        read_certificate(path)


def test_how_a_manifest_is_laid_out_is_no_change(path: Path) -> None:
    edited(path, lambda _: None)

    assert read_certificate(path)[1].ran


def test_another_certificate_is_found(path: Path, network: Network) -> None:
    other = certified(network("uint8"))
    certificate_path(path).write_bytes(certificate_path(other).read_bytes())

    with pytest.raises(ManifestError, match="is not the certificate that was written with"):
        read_certificate(path)


def test_another_certificate_with_its_hash_in_the_manifest_is_found(
    path: Path, network: Network
) -> None:
    other = certified(network("uint8"))
    archive = certificate_path(other).read_bytes()
    certificate_path(path).write_bytes(archive)
    theirs = read_manifest(other).certificate
    assert theirs

    edited(path, lambda m: m["certificate"].update(sha256=theirs.sha256, bytes=theirs.bytes))

    with pytest.raises(ManifestError, match="was changed after"):
        read_certificate(path)


def test_a_certificate_that_was_not_copied_is_missed(path: Path) -> None:
    certificate_path(path).unlink()

    with pytest.raises(ManifestError, match=r"probe\.zip does not exist(.|\n)*copy model"):
        read_certificate(path)


def test_without_one_the_way_to_one_is_told(network: Network) -> None:
    path = network()
    with pytest.raises(ManifestError, match=r"has no certificate\n  hint: export it again"):
        read_certificate(path)

    drop = CalibrationDrop("agreement", 100.0, 99.0, 0.0, 2.0, (), 2)
    made = Calibration("openvino", {}, (), {}, {}, (), (), (), 0.99, drop)
    manifest = replace(read_manifest(path), precision="int8", calibration=made)
    manifest_path(path).write_text(render_manifest(manifest))
    with pytest.raises(ManifestError, match=r"hint: calibrate it again from a float file"):
        read_certificate(path)


def test_a_file_that_was_not_run_must_give_what_the_other_must(path: Path) -> None:
    manifest, proof, probes = read_certificate(path)

    unrun, archive = sealed(not_run(replace(manifest, certificate=None), proof), probes)

    assert unrun.certificate
    assert not unrun.certificate.ran
    assert [one.agreement for one in unrun.certificate.probes] == [None, None]
    asked = [one.min_agreement for one in unrun.certificate.probes]
    assert asked == [one.min_agreement for one in proof.probes]
    assert len(archive) == unrun.certificate.bytes


def test_only_a_certificate_of_segpp_is_removed(path: Path, tmp_path: Path) -> None:
    foreign = tmp_path / "x.onnx.probe.zip"
    foreign.write_bytes(b"PK\x03\x04 photographs")

    remove_certificate(tmp_path / "x.onnx")
    remove_certificate(path)
    remove_certificate(path)

    assert foreign.exists()
    assert not certificate_path(path).exists()
