"""What an engine must pass before it is kept.

No GPU is here, so ONNX Runtime stands where the engine's library would: an ONNX file is taken for
the engine of another, by the same code, and really run. That TensorRT's engines are opened and
looked into in this way shows on a GPU alone.
"""

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper
from PIL import Image

from segpp import sample_image
from segpp.errors import CheckError, ManifestError
from segpp.manifest import EngineInfo, FileInfo, Manifest, read_manifest
from segpp.runtime.verification import engine_gate
from segpp.runtime.verification.engine_gate import (
    GateConfig,
    certified_engine,
    first_block,
    has_certificate,
    runs_here,
)
from segpp.utils.files import certificate_path, manifest_path, sha256_of
from tests.runtime.verification.forgery import certified

Network = Callable[..., Path]
Exported = Callable[[str, str, str], Path]

ENGINE = EngineInfo("onnxruntime", "1", ("8.9",), 1, 0, 0, 0, 0, 0.0, ran=False)


def engine_manifest(onnx_file: Path, part: Path) -> Manifest:
    about = FileInfo("a.engine", sha256_of(part), part.stat().st_size)
    return replace(read_manifest(onnx_file), kind="engine", file=about, engine=ENGINE)


def no_block() -> str | None:
    return None


@pytest.fixture
def with_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine_gate, "gpu_compute_capability", lambda: "8.9")


@pytest.fixture
def path(network: Network) -> Path:
    return certified(network())


def turned(path: Path, part: Path) -> Path:
    """Write a file that gives the classes in reverse."""
    model = onnx.load(path)
    last = model.graph.node[-1]
    name, last.output[0] = last.output[0], "straight"
    model.graph.initializer.append(numpy_helper.from_array(np.array([2, 1, 0]), "turned"))
    model.graph.node.append(onnx.helper.make_node("Gather", ["straight", "turned"], [name], axis=1))
    onnx.save(model, part)
    return part


def copied(path: Path, part: Path) -> Path:
    return Path(shutil.copy(path, part))


@pytest.mark.usefixtures("with_gpu")
def test_an_engine_that_gives_the_masks_of_its_file_is_certified(
    path: Path, tmp_path: Path
) -> None:
    part = copied(path, tmp_path / ".part")

    made = certified_engine(engine_manifest(path, part), path, part, GateConfig(), no_block)

    assert made.ran
    assert made.archive
    proof = made.manifest.certificate
    assert proof
    assert proof.ran
    assert proof.ran_with.startswith("onnxruntime")
    assert [one.agreement for one in proof.probes] == [1.0, 1.0]
    # Nothing stays beside the part.
    assert not manifest_path(part).exists()


@pytest.mark.usefixtures("with_gpu")
def test_an_engine_that_gives_others_is_refused_with_its_block(path: Path, tmp_path: Path) -> None:
    part = turned(path, tmp_path / ".part")

    with pytest.raises(CheckError, match="gives other masks than its file") as failure:
        certified_engine(
            engine_manifest(path, part), path, part, GateConfig(), lambda: "stage 3 block 2"
        )

    assert "of the pixels of street, 0." in str(failure.value)
    assert "the first part that gives something else: stage 3 block 2" in str(failure.value)
    assert not manifest_path(part).exists()


def test_without_a_gpu_it_is_built_and_not_run(path: Path, tmp_path: Path) -> None:
    part = turned(path, tmp_path / ".part")

    made = certified_engine(engine_manifest(path, part), path, part, GateConfig(), no_block)

    assert not made.ran
    assert made.archive
    assert made.manifest.certificate
    assert not made.manifest.certificate.ran


def test_of_a_file_without_a_certificate_there_is_none(network: Network, tmp_path: Path) -> None:
    path = network()
    part = copied(path, tmp_path / ".part")

    made = certified_engine(engine_manifest(path, part), path, part, GateConfig(), no_block)

    assert made.archive is None
    assert made.manifest.certificate is None
    assert not has_certificate(path, read_manifest(path))


def test_a_damaged_certificate_is_no_engines(path: Path, tmp_path: Path) -> None:
    part = copied(path, tmp_path / ".part")
    certificate_path(path).write_bytes(b"PK")

    with pytest.raises(ManifestError, match="is not the certificate that was written with"):
        certified_engine(engine_manifest(path, part), path, part, GateConfig(), no_block)


@pytest.mark.usefixtures("with_gpu")
@pytest.mark.parametrize(
    ("config", "told"),
    [
        ({"min_agreement": 1.01}, "asked for: 1.01"),
        ({"min_miou": 1.01}, "asked for: mIoU 1.01"),
        ({}, None),
    ],
)
def test_pictures_of_the_caller_are_compared_with_onnxruntime(
    path: Path, tmp_path: Path, config: dict[str, float], told: str | None
) -> None:
    part = copied(path, tmp_path / ".part")
    image = tmp_path / "own.png"
    Image.open(sample_image()).resize((200, 300)).save(image)
    asked = GateConfig((image,), **config)

    def run() -> object:
        return certified_engine(engine_manifest(path, part), path, part, asked, no_block)

    if told is None:
        assert run()
        return
    with pytest.raises(CheckError, match=r"1 picture\(s\) of yours, 1\.00000") as failure:
        run()
    assert told in str(failure.value)


def test_a_library_or_gpu_that_is_not_here_runs_nothing(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    manifest = engine_manifest(path, path)
    assert not runs_here(read_manifest(path))
    assert not runs_here(replace(manifest, engine=replace(ENGINE, library="tensorrt-11")))
    monkeypatch.setattr(engine_gate, "gpu_compute_capability", lambda: "8.6")
    assert not runs_here(manifest)
    monkeypatch.setattr(engine_gate, "gpu_compute_capability", lambda: "8.9")
    assert runs_here(manifest)


def test_the_block_is_found_by_building_the_engine_again_with_more_outputs(
    exported: Exported, tmp_path: Path
) -> None:
    path = exported("none", "128x256", "fp32")
    part = copied(path, tmp_path / ".part")

    def build_wrongly(marked: Path, output: Path) -> None:
        model = onnx.load(marked)
        [tensor] = [
            one
            for one in model.graph.initializer
            if one.name.endswith("stages.1.blocks.0.ffn.fc2.weight")
        ]
        tensor.CopyFrom(numpy_helper.from_array(-numpy_helper.to_array(tensor), tensor.name))
        onnx.save(model, output)

    manifest = engine_manifest(path, part)

    assert first_block(path, manifest, build_wrongly) == "stage 2 block 1"
    assert first_block(path, manifest, lambda marked, out: Path(shutil.copy(marked, out))) is None  # type: ignore[arg-type, return-value]  # what it returns is not looked at
