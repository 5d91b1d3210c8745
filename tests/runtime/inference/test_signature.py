"""What a network declares: compared with its manifest, or all there is to go by."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest

from segpp.errors import GraphError, ManifestError
from segpp.runtime.inference.open_session import open_session
from segpp.utils.files import manifest_path
from tests.helpers.tiny_networks import thirds

Network = Callable[..., Path]
Stripes = Callable[[int, int], np.ndarray]


def test_without_a_manifest_it_assumes_and_says_so(network: Network, stripes: Stripes) -> None:
    with open_session(network(manifest=False)) as session:
        labels = session(stripes(32, 64)).masks[0]

    assert session.assumed
    assert "ImageNet" in session.manifest.notes[0]
    assert session.classes.names == ("0", "1", "2")
    assert thirds(labels) == [0, 1, 2]


@pytest.mark.parametrize("kind", ["logits", "labels", "uint8", "nine"])
def test_every_kind_of_network_runs_without_a_manifest(network: Network, kind: str) -> None:
    channels = 9 if kind == "nine" else 3
    image = np.zeros((16, 16, channels), np.uint8)

    with open_session(network(kind, manifest=False)) as session:
        assert session(image).masks[0].shape == (16, 16)


@pytest.mark.parametrize(
    ("graph", "problem"),
    [
        (
            "(float[1,3,8,8] a, float[1,3,8,8] b) => (float[1,3,8,8] out) { out = Add(a, b) }",
            "2 inputs; one image is expected",
        ),
        (
            "(float[N,3,8,8] a) => (float[N,3,8,8] out) { out = Relu(a) }",
            r"open dimension in its input: a \(N, 3, 8, 8\)",
        ),
        (
            "(float[1,3,8] a) => (float[1,3,8] out) { out = Relu(a) }",
            r"no batch of images: a \(1, 3, 8\)",
        ),
        (
            "(float[1,3,8,8] a) => (float[1,3,8,1] out) { out = ReduceMax<axes=[3]>(a) }",
            "0 outputs that could be masks",
        ),
        (
            "(float[1,3,8,8] a) => (float[1,3,8,8] b, float[1,3,8,8] c) { b=Relu(a) c=Neg(a) }",
            "2 outputs that could be masks",
        ),
        (
            "(float[1,3,2,8] a)=>(float[1,3,H,8] out)<bool[2] b={1,0}> {out=Compress<axis=2>(a,b)}",
            r"open dimension in its output: out \(1, 3, H, 8\)",
        ),
    ],
)
def test_without_a_manifest_it_says_exactly_what_is_missing(
    tmp_path: Path, graph: str, problem: str
) -> None:
    path = tmp_path / "foreign.onnx"
    version = 13 if "axes" in graph else 18
    model = onnx.parser.parse_model(f'<ir_version: 8, opset_import: ["": {version}]> g {graph}')
    onnx.save(model, path)

    with pytest.raises(GraphError, match=problem):
        open_session(path)


def test_a_manifest_about_another_file_is_refused(network: Network) -> None:
    path = network()
    with path.open("ab") as file:
        file.write(b"\x72\x00")  # a field that every reader skips, but another file

    with pytest.raises(ManifestError, match="written for another file"):
        open_session(path)


@pytest.mark.parametrize(
    ("place", "value", "problem"),
    [
        (("input", "name"), "picture", "another input than its manifest says"),
        (("input", "shape"), [1, 3, 64, 64], r"manifest: image \(1, 3, 64, 64\) float32"),
        (("input", "dtype"), "float16", r"file:     image \(1, 3, 32, 64\) float32"),
        (("outputs", 0, "name"), "mask", "another output than its manifest says"),
        (("outputs", 0, "kind"), "labels", "gives labels the shape"),
        (("classes", "names"), ["a", "b"], "names 2 classes and colours 3"),
    ],
)
def test_a_manifest_that_contradicts_its_file_is_refused(
    network: Network, place: tuple[str | int, ...], value: object, problem: str
) -> None:
    path = network()
    content = json.loads(manifest_path(path).read_text())
    target = content
    for key in place[:-1]:
        target = target[key]
    target[place[-1]] = value
    manifest_path(path).write_text(json.dumps(content))

    with pytest.raises(ManifestError, match=problem):
        open_session(path)
