"""What became of certificates, in words and as JSON."""

import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

from segpp.certificate.archive import Probe
from segpp.manifest import Calibration, CalibrationDrop, Manifest
from segpp.runtime.verification.report import VerificationReport
from segpp.runtime.verification.verify import Refused, verify_file
from tests.runtime.verification.forgery import certified, resealed

Network = Callable[..., Path]


def report(*paths: Path) -> VerificationReport:
    return VerificationReport(tuple(verify_file(path, {})[0] for path in paths))


def wrong_left(probe: Probe) -> Probe:
    labels = probe.expected.labels.copy()
    labels[:, : labels.shape[1] // 4] = 2
    return replace(probe, expected=replace(probe.expected, labels=labels))


def test_a_file_that_passes_is_a_table_and_a_verdict(network: Network) -> None:
    text = report(certified(network())).text()

    assert "logits.onnx: as in its certificate\n" in text
    assert "  street   512x1024  1.00000    0.99900  1.00000     0 " in text
    assert (
        "  masks come back to the pixel: 9 drawn ones, through stretch, letterbox and crop" in text
    )
    assert "  run by then    a test" in text
    assert text.endswith("\nPASSED")


def test_a_file_that_differs_names_the_classes(network: Network) -> None:
    path = certified(network())
    resealed(path, probe=wrong_left)

    text = report(certified(network("uint8")), path).text()

    assert "logits.onnx: DIFFERS from its certificate" in text
    assert re.search(r"  street, by class:\n    class +agrees +pixels\n    blue ", text)
    assert "most others are" in text
    assert text.endswith("\nFAILED")


def test_versions_are_told_where_they_are_others(network: Network) -> None:
    def older(manifest: Manifest) -> Manifest:
        assert manifest.certificate
        versions = {**manifest.certificate.versions, "numpy": "1.0"}
        return replace(manifest, certificate=replace(manifest.certificate, versions=versions))

    path = certified(network())
    assert "other versions" not in report(path).text()
    resealed(path, manifest=older)

    assert f"  other versions numpy {np.__version__} (then 1.0)" in report(path).text()


def test_what_a_calibration_lost_is_told_by_class_with_its_interval(network: Network) -> None:
    drop = CalibrationDrop(
        "mIoU", 71.0, 70.5, 0.1, 0.9, (0.2, 1.5, None), 12, (0.1, 0.5, None), (0.3, 2.5, None)
    )
    made = Calibration("openvino", {}, (), {}, {}, (), (), (), 0.99, drop)
    path = certified(network())
    resealed(path, manifest=lambda m: replace(m, calibration=made, precision="int8"))

    told = (
        "accuracy       mIoU 70.50 on 12 pictures, 0.50 points below the float file (95 % from "
        "0.10 to 0.90); most is lost of green, 1.50 (0.50 to 2.50)"
    )
    assert told in report(path).text()


def test_the_json_has_every_class_and_both_sides_versions(network: Network) -> None:
    path = certified(network())
    resealed(path, probe=wrong_left)

    value = json.loads(report(path).json())

    [file] = value["files"]
    [street, _] = file["pictures"]
    assert value["passed"] is file["passed"] is street["passed"] is False
    assert {c["name"] for c in street["classes"]} == {"red", "green", "blue"}
    assert street["agreement"] < street["min_agreement"]
    assert set(file["versions"]) == set(file["then"]["versions"])
    assert value["divergences"] == []
    assert "mask" not in street


def test_of_several_files_one_that_cannot_be_run_has_its_reason(network: Network) -> None:
    path = certified(network())
    [passed] = report(path).files

    both = VerificationReport((Refused(Path("b.engine"), "no GPU\n  none answers", 3), passed))

    assert both.exit_code == 3
    assert not both.passed
    assert both.text().startswith("b.engine: NOT VERIFIED\n  no GPU\n    none answers\n\n")
    assert json.loads(both.json())["files"][0]["problem"] == "no GPU\n  none answers"


def test_masks_that_differ_count_more_than_files_that_cannot_be_run(network: Network) -> None:
    path = certified(network())
    resealed(path, probe=wrong_left)
    [wrong] = report(path).files

    assert VerificationReport((Refused(path, "no GPU", 3), wrong)).exit_code == 1
