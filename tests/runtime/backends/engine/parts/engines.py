"""A real engine of TensorRT-RTX, and what can be wrong with one."""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock

from segpp.manifest import Manifest, read_manifest, render_manifest
from segpp.runtime.build import BuildConfig, build_engine
from segpp.runtime.system.gpu import gpu_compute_capability
from segpp.utils.files import manifest_path, sha256_of
from tests.helpers.tiny_networks import GRAPHS, manifest_of, write_graph

__all__ = ["ALTERATIONS", "NO_GPU_HERE", "built", "header_of", "rtx_engine", "written_by"]

NO_GPU_HERE = pytest.mark.skipif(
    gpu_compute_capability() is not None, reason="there is a GPU here, so its absence is not told"
)


@pytest.fixture
def rtx_engine(session_folder: Path, tmp_path: Path) -> Path:
    """An engine with its manifest, and the ONNX file beside it; built once, and copied."""
    pytest.importorskip("onnx")
    pytest.importorskip("tensorrt_rtx", reason="needs the wheel of TensorRT-RTX (extra rtx)")
    made = session_folder / "engines"
    with FileLock(f"{made}.lock"):
        if not (made / "net.engine.json").exists():
            made.mkdir(exist_ok=True)
            built(made)
    for path in made.iterdir():
        shutil.copy(path, tmp_path)
    return tmp_path / "net.engine"


def built(folder: Path) -> Path:
    """Build an engine of a tiny network that takes pixels."""
    onnx = folder / "net.onnx"
    write_graph(onnx, GRAPHS["uint8"].format(b=1))
    manifest_path(onnx).write_text(render_manifest(manifest_of(onnx, "uint8", 1)))
    # For one GPU: half the time of all.
    config = BuildConfig(
        onnx, folder / "net.engine", builder="tensorrt-rtx", compute_capabilities=("8.9",)
    )
    build_engine(config)
    return config.output


def header_of(version: tuple[int, ...], *, magic: bytes = b"vtrt", size: int = 64) -> bytes:
    """Return the first 64 bytes of an engine."""
    return magic + bytes(12) + size.to_bytes(8, "little") + bytes(version) + bytes(36)


def written_by(engine: Path, version: tuple[int, ...], **changes: Any) -> Manifest:
    """Turn an engine into one of another version, header and manifest alike."""
    content = bytearray(engine.read_bytes())
    content[24:28] = bytes(version)
    engine.write_bytes(content)
    manifest = read_manifest(engine, verify=False)
    assert manifest.engine is not None
    info = replace(manifest.engine, version=".".join(map(str, version)), **changes)
    manifest = replace(manifest, engine=info)
    return rewrite(engine, manifest)


def rewrite(engine: Path, manifest: Manifest) -> Manifest:
    """Write a manifest beside an engine, about the bytes that it has now."""
    file = replace(manifest.file, sha256=sha256_of(engine), bytes=engine.stat().st_size)
    changed = replace(manifest, file=file)
    manifest_path(engine).write_text(render_manifest(changed))
    return changed


def _flip(engine: Path) -> None:
    content = bytearray(engine.read_bytes())
    content[len(content) // 2] ^= 0xFF
    engine.write_bytes(content)


def _truncate(engine: Path) -> None:
    engine.write_bytes(engine.read_bytes()[:-1000])
    rewrite(engine, read_manifest(engine, verify=False))


def _no_engine(engine: Path) -> None:
    engine.write_bytes(engine.with_suffix(".onnx").read_bytes())
    manifest_path(engine).unlink()


def _other_library(engine: Path) -> None:
    manifest = read_manifest(engine)
    assert manifest.engine is not None
    rewrite(engine, replace(manifest, engine=replace(manifest.engine, version="1.6.0.1")))


def _no_json(engine: Path) -> None:
    manifest_path(engine).write_text("{")


def _unknown_key(engine: Path) -> None:
    path = manifest_path(engine)
    path.write_text(json.dumps({**json.loads(path.read_text()), "extra": 1}))


# What is done to an engine, the exit code, and what its first line says then.
ALTERATIONS: dict[str, tuple[Callable[[Path], object], int, str]] = {
    "altered": (_flip, 2, "net.engine.json was written for another file than net.engine"),
    "truncated": (_truncate, 2, "net.engine has"),
    "no engine": (_no_engine, 2, "net.engine is not an engine"),
    "without manifest": (
        lambda engine: manifest_path(engine).unlink(),
        2,
        "net.engine has no manifest, and an engine is code that runs as soon as it is loaded",
    ),
    "of another version": (
        lambda engine: written_by(engine, (1, 4, 0, 76)),
        2,
        "net.engine was built with another version",
    ),
    "manifest of another version": (
        _other_library,
        2,
        "net.engine.json contradicts the engine beside it",
    ),
    "manifest is no JSON": (_no_json, 2, "net.engine.json is not JSON"),
    "manifest with an unknown key": (
        _unknown_key,
        2,
        "net.engine.json has the unknown key 'extra'",
    ),
}
