"""What is told of a file before it becomes a session."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from segpp.errors import (
    GraphError,
    InputError,
    SegppError,
)
from segpp.manifest import WEIGHT_BITS, read_manifest, render_manifest
from segpp.runtime.backends.base import BACKENDS, Backend, BackendConfig
from segpp.runtime.inference import open_session as module
from segpp.runtime.inference.open_session import open_session
from segpp.utils.files import manifest_path

Network = Callable[..., Path]
Stripes = Callable[[int, int], np.ndarray]


def test_a_file_that_is_no_network_is_one_sentence(tmp_path: Path, network: Network) -> None:
    whole = network(manifest=False).read_bytes()
    damaged = {
        "cut.onnx": whole[: len(whole) // 2],
        "text.onnx": b"this is not a network\n" * 20,
        "photo.onnx": b"\xff\xd8\xff\xe0" + bytes(2000),
        "zeros.onnx": bytes(5000),
    }
    for name, content in damaged.items():
        (tmp_path / name).write_bytes(content)

        with pytest.raises(GraphError, match=name):
            open_session(tmp_path / name)


def test_truncations_and_flipped_bytes_raise_nothing_but_our_errors(
    tmp_path: Path, network: Network
) -> None:
    whole = network(manifest=False).read_bytes()
    path = tmp_path / "fuzzed.onnx"
    rng = np.random.default_rng(0)
    for trial in range(150):
        content = bytearray(whole[: rng.integers(1, len(whole))] if trial % 2 else whole)
        content[rng.integers(len(content))] ^= 1 << rng.integers(8)
        path.write_bytes(content)
        with suppress(SegppError):
            open_session(path).close()


def test_a_missing_or_empty_file_is_an_input_error(tmp_path: Path) -> None:
    (tmp_path / "empty.onnx").touch()

    with pytest.raises(InputError, match=r"missing\.onnx does not exist"):
        open_session(tmp_path / "missing.onnx")
    with pytest.raises(InputError, match=r"empty\.onnx is empty"):
        open_session(tmp_path / "empty.onnx")


def test_unknown_engines_providers_and_suffixes_are_named(network: Network, tmp_path: Path) -> None:
    path = network()
    other = tmp_path / "b0.pth"
    other.write_bytes(b"x")

    with pytest.raises(InputError, match="unknown backend 'onnxruntme'"):
        open_session(path, backend="onnxruntme")
    with pytest.raises(InputError, match="unknown provider 'cudaa'"):
        open_session(path, provider="cudaa")
    (tmp_path / "street.png").write_bytes(b"\x89PNG")
    with pytest.raises(InputError, match=r"street\.png(.|\n)*the network first"):
        open_session(tmp_path / "street.png")
    with pytest.raises(InputError, match=r"no backend runs .*b0\.pth"):
        open_session(other)
    with pytest.raises(InputError, match=r"onnxruntime does not run .*b0\.pth"):
        open_session(other, backend="onnxruntime")
    with pytest.raises(InputError, match="cannot run on 0 threads"):
        open_session(path, threads=0)


@pytest.mark.parametrize("backend", ["auto", "onnxruntime"])
def test_a_checkpoint_is_to_be_exported_first(tmp_path: Path, backend: str) -> None:
    path = tmp_path / "my model.pth"
    path.write_bytes(b"PK\x03\x04")

    with pytest.raises(InputError, match=r"hint: export it first: segpp-export '.*' 'my model'"):
        open_session(path, backend=backend)


def test_a_backend_whose_file_does_not_fit_its_manifest_is_closed(
    network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = network()
    text = manifest_path(path).read_text()
    manifest_path(path).write_text(text.replace('"name": "out"', '"name": "mask"'))
    loaded: list[Backend] = []
    exact = BACKENDS["onnxruntime"]

    def open_exact(path: Path, config: BackendConfig) -> Backend:
        loaded.append(exact.open(path, config))
        return loaded[-1]

    monkeypatch.setitem(BACKENDS._members, "any", replace(exact, open=open_exact))
    with pytest.raises(InputError, match="another output than its manifest says"):
        open_session(path, backend="any")

    [backend] = loaded
    with pytest.raises(GraphError, match="failed to run"):
        backend.run({"image": np.zeros((1, 3, 32, 64), np.float32)}, ["out"])


@pytest.mark.parametrize(
    ("bits", "vnni", "told"), [("8", False, True), ("8", True, False), ("7", False, False)]
)
def test_weights_whose_sums_overflow_here_are_told_of(
    network: Network, monkeypatch: pytest.MonkeyPatch, bits: str, *, vnni: bool, told: bool
) -> None:
    path = network()
    manifest = replace(read_manifest(path), options={WEIGHT_BITS: bits})
    manifest_path(path).write_text(render_manifest(manifest))
    # The CPU of another machine.
    monkeypatch.setattr(module, "has_vnni", lambda: vnni)

    with open_session(path) as session:
        assert any("overflow on this CPU" in note for note in session.notes) is told
