"""What is said of the work that an engine leaves to the CPU."""

from dataclasses import replace
from pathlib import Path

import pytest

from segpp.manifest import OutputSpec
from segpp.runtime.backends.engine.picture_path import picture_path_note
from tests.helpers.tiny_networks import GRAPHS, manifest_of, write_graph

LABELS = OutputSpec("labels", "labels", (1, 32, 64), "int8")


@pytest.mark.parametrize(
    ("kind", "gives_labels", "said"),
    [
        ("logits", False, "turns pixels into float32 and makes class numbers of logits"),
        ("uint8", False, "the CPU makes class numbers of logits"),
        ("labels", True, "the CPU turns pixels into float32,"),
        ("uint8", True, None),
    ],
)
def test_only_what_is_left_is_told(
    kind: str, said: str | None, tmp_path: Path, *, gives_labels: bool
) -> None:
    path = tmp_path / "net.onnx"
    write_graph(path, GRAPHS[kind].format(b=1))
    manifest = manifest_of(path, kind, 1)
    if gives_labels:
        # Beside logits too: then the session takes the labels.
        manifest = replace(manifest, outputs=(*manifest.outputs, LABELS))

    note = picture_path_note(manifest)

    if said is None:
        assert note is None
    else:
        assert note
        assert said in note
        assert "segpp-export --for engine" in note
