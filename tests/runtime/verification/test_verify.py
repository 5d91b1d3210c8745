"""One file against its certificate: what passes, and that no alteration does."""

import io
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper
from PIL import Image

from segpp.certificate.archive import Probe
from segpp.certificate.pictures import Picture
from segpp.errors import ManifestError
from segpp.manifest import Manifest
from segpp.runtime.verification.verify import Verified, verify_file
from segpp.utils.files import manifest_path
from tests.helpers.commands import in_process
from tests.runtime.verification.forgery import certified, edited, resealed

Network = Callable[..., Path]

pytest.importorskip("torch", reason="torch exports the file")


@pytest.fixture(scope="module")
def exported_once(tiny_checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("proved") / "tiny.onnx"
    done = in_process("export", tiny_checkpoint, path, "--preset", "hq", "--size", "128x256")
    assert done.returncode == 0, done.stderr
    return path


@pytest.fixture
def path(exported_once: Path, tmp_path: Path) -> Path:
    """A file as an export leaves it, with what lies beside it."""
    for file in exported_once.parent.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    return tmp_path / exported_once.name


def verified(path: Path, **settings: object) -> Verified:
    return verify_file(path, settings)[0]


@pytest.mark.parametrize("backend", ["onnxruntime", "openvino"])
def test_an_exported_file_is_proved_again_by_any_backend(path: Path, backend: str) -> None:
    pytest.importorskip(backend)

    done = verified(path, backend=backend, cache=False)

    assert done.passed
    assert backend in done.backend
    assert [one.name for one in done.pictures] == ["street", "patches"]
    assert min(len(one.classes) for one in done.pictures) >= 2
    assert not any(trip.different for trip in done.round_trips)


def with_weights(path: Path, of: str, change: Callable[[np.ndarray], np.ndarray]) -> bytes:
    """Return the file with the weights of one layer changed."""
    model = onnx.load(path)
    [tensor] = [one for one in model.graph.initializer if one.name.endswith(f"{of}.weight")]
    changed = change(numpy_helper.to_array(tensor)).astype(np.float32)
    tensor.CopyFrom(numpy_helper.from_array(np.ascontiguousarray(changed), tensor.name))
    return model.SerializeToString()


# --- what is altered alone is told by a hash


@pytest.mark.parametrize("ending", ["", ".json", ".probe.zip"])
def test_one_flipped_bit_anywhere_is_found(path: Path, ending: str) -> None:
    file = path.with_name(path.name + ending)
    whole = file.read_bytes()
    draw = np.random.default_rng(0)
    for place in draw.integers(0, len(whole), 10):
        content = bytearray(whole)
        content[place] ^= 1
        file.write_bytes(content)

        with pytest.raises(ManifestError):
            verified(path)


def test_a_wrong_mean_in_the_manifest_is_found(path: Path) -> None:
    edited(path, lambda m: m["input"].update(mean=[0.0, 0.0, 0.0]))

    with pytest.raises(ManifestError, match="was changed after"):
        verified(path)


# --- what a forger makes fit by every hash is told by the masks


FORGED: dict[str, Callable[[Path], object]] = {
    "classes": lambda path: resealed(path, content=with_weights(path, "classifier", reversed_)),
    "a block": lambda path: resealed(path, content=with_weights(path, "1.ffn.fc2", np.negative)),
    "mean": lambda path: resealed(path, manifest=with_input(mean=(0.0, 0.0, 0.0))),
    "std": lambda path: resealed(path, manifest=with_input(std=(255.0, 255.0, 255.0))),
    "colours": lambda path: resealed(path, manifest=with_input(colours="BGR")),
    "resize": lambda path: resealed(path, manifest=with_input(resize="pillow-nearest")),
    "fit": lambda path: resealed(path, manifest=with_input(fit="stretch")),
    "labels": lambda path: resealed(path, probe=with_labels(lambda labels: labels[::-1])),
    "a few labels": lambda path: resealed(path, probe=with_labels(patched)),
    "pictures": lambda path: resealed(path, probe=mirrored),
}  # fmt: skip


def reversed_(weights: np.ndarray) -> np.ndarray:
    return weights[::-1]


def with_input(**changes: object) -> Callable[[Manifest], Manifest]:
    def change(manifest: Manifest) -> Manifest:
        return replace(manifest, input=replace(manifest.input, **changes))  # type: ignore[arg-type]  # a case's keys

    return change


def with_labels(change: Callable[[np.ndarray], np.ndarray]) -> Callable[[Probe], Probe]:
    def altered(probe: Probe) -> Probe:
        labels = np.ascontiguousarray(change(probe.expected.labels))
        return replace(probe, expected=replace(probe.expected, labels=labels))

    return altered


def patched(labels: np.ndarray) -> np.ndarray:
    """A square of one class in the middle, two hundredths of the picture."""
    changed = labels.copy()
    height, width = labels.shape
    inside = np.s_[height // 2 : height // 2 + height // 7, width // 2 : width // 2 + width // 7]
    changed[inside] = (changed[inside] + 1) % 5
    return changed


def mirrored(probe: Probe) -> Probe:
    pixels = np.ascontiguousarray(probe.picture.pixels[:, ::-1])
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return replace(probe, picture=Picture(probe.picture.name, buffer.getvalue(), pixels))


@pytest.mark.parametrize("what", FORGED)
def test_what_was_altered_with_all_its_hashes_gives_other_masks(path: Path, what: str) -> None:
    resealed(path)
    assert verified(path).passed

    FORGED[what](path)

    done = verified(path)
    assert not done.passed
    worst = min(done.pictures, key=lambda one: one.agreement - one.min_agreement)
    assert worst.agreement < worst.min_agreement
    assert worst.classes[0].agreeing < worst.classes[0].expected


def test_a_file_of_another_network_is_found(
    path: Path, b0_checkpoint: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other.onnx"
    done = in_process("export", b0_checkpoint, other, "--size", "128x256", "--no-check")
    assert done.returncode == 0, done.stderr

    path.write_bytes(other.read_bytes())
    with pytest.raises(ManifestError, match="was written for another file"):
        verified(path)


def test_another_networks_masks_are_found_with_every_hash_renewed(
    path: Path, b0_checkpoint: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other.onnx"
    in_process("export", b0_checkpoint, other, "--size", "128x256", "--no-check")

    resealed(path, content=other.read_bytes())

    assert not verified(path).passed


def test_a_file_of_the_transposed_size_is_found(
    path: Path, tiny_checkpoint: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other.onnx"
    in_process("export", tiny_checkpoint, other, "--preset", "hq", "--size", "256x128")
    beside = manifest_path(path)
    sizes = beside.read_text()

    resealed(path, content=other.read_bytes())
    with pytest.raises(ManifestError, match="has another input than its manifest says"):
        verified(path)

    beside.write_text(sizes)
    (path.with_name(path.name + ".probe.zip")).write_bytes(
        other.with_name(other.name + ".probe.zip").read_bytes()
    )
    with pytest.raises(ManifestError):
        verified(path)


def test_infinities_fail_and_say_so(network: Network) -> None:
    path = certified(network())
    broken = network("nan")
    resealed(
        path,
        content=broken.read_bytes(),
        manifest=lambda m: replace(m, outputs=(replace(m.outputs[0], shape=(1, 3, 32, 64)),)),
    )

    done = verified(path)

    assert not done.passed
    assert done.problem
    assert "not a number" in done.problem
    assert done.pictures == ()


def test_a_certificate_that_counts_no_pixel_proves_nothing(network: Network) -> None:
    def all_ties(probe: Probe) -> Probe:
        return replace(probe, expected=replace(probe.expected, ties=probe.expected.ties | True))

    def below_nothing(manifest: Manifest) -> Manifest:
        assert manifest.certificate
        return replace(manifest, certificate=replace(manifest.certificate, tie_margin=-1.0))

    for change in ({"probe": all_ties}, {"manifest": below_nothing}):
        path = certified(network())
        resealed(path, **change)  # type: ignore[arg-type]

        with pytest.raises(ManifestError, match="counts no pixel: it proves nothing"):
            verify_file(path, {})
