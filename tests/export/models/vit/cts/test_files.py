"""A file in which superpatches share tokens passes the gate, and every command knows it.

Tests reduction/sharing.py and models/vit/policy.py in whole files.
"""

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
import yaml

from segpp.export.images import normalized_image
from segpp.export.models.loading import load_checkpoint
from segpp.export.models.vit.family import FAMILY
from segpp.export.onnx_graph.lint import lint
from segpp.export.reduction.config import recorded_config
from segpp.images import sample_image
from segpp.manifest import read_manifest
from segpp.ops.grid import Size
from segpp.runtime.backends.base import BACKENDS, BackendConfig
from tests.export.models.vit.checkpoints import variant_of
from tests.export.models.vit.references import reference
from tests.helpers.commands import Completed

pytest.importorskip("timm", reason="needs timm, which the oracle is of")

from tests.export.models.vit.cts.by_pixels import cts_state, policy_of

Command = Callable[..., Completed]

# Five rows of patches, the last in no superpatch and filled up with zeros.
SIZE = Size(72, 128)


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    network, path = reference(dim=64, heads=1, size=(64, 128)), tmp_path / "checkpoint.pth"
    torch.save({"model": cts_state(network, policy_of()), "n_cls": 5}, path)
    variant = variant_of(network, policy_schedule=[20, 3])
    (tmp_path / "variant.yml").write_text(yaml.dump(variant), encoding="utf-8")
    return path


def test_the_file_of_a_policy_is_pytorchs_equal_and_is_told_of(
    checkpoint: Path, segpp: Command
) -> None:
    path = checkpoint.with_name("x.onnx")
    reduce = ("--reduce", "embed.patches=policy", "--reduce", "2.tokens=gbm")

    done = segpp("export", checkpoint, path, "--size", str(SIZE), *reduce)

    assert done.returncode == 0, done.stderr
    manifest, graph = read_manifest(path), onnx.load(path)
    told = [(one.stage, one.side, one.grid, one.tokens_out) for one in manifest.reduction]
    assert told == [(-1, "patches", (5, 8), 31), (2, "tokens", (1, 31), 25)]
    assert "tokens   embed   patches policy: 40 -> 31" in done.stdout
    assert manifest.parity is not None
    assert manifest.parity.agreement_given_matches == 1.0
    assert lint(graph) == []
    operators = [node.op_type for node in graph.graph.node]
    # Convolutions of the policy with their norms, of its head, and of patches twice.
    assert operators.count("Conv") == 48 + 1 + 2
    assert not {"BatchNormalization", "TopK", "AveragePool"} & set(operators)
    # As whoever has the manifest alone builds it.
    config = recorded_config(manifest.reduction)
    model = load_checkpoint(checkpoint).at(SIZE).build().apply_reductions(config)
    image = normalized_image(sample_image(), manifest.input)
    [found] = BACKENDS["onnxruntime"].open(path, BackendConfig()).run({"image": image}, ["logits"])
    with torch.inference_mode():
        expected = model(torch.from_numpy(image)).numpy()
    allowed = FAMILY.tolerance(manifest.architecture, SIZE) * np.abs(expected).max()
    assert np.abs(found - expected).max() <= allowed
    described = segpp("inspect", f"{path}.json")
    assert "embed.patches" in described.stdout
    assert "policy:ratio=0.375" in described.stdout


def test_inspect_tells_what_sharing_leaves_and_costs(checkpoint: Path, segpp: Command) -> None:
    options = ("--size", "256x512", "--reduce", "embed.patches=policy")

    done = segpp("inspect", checkpoint, *options)
    listed = segpp("export", "--list-reductions")

    assert done.returncode == 0, done.stderr
    [line] = [line for line in done.stdout.splitlines() if line.startswith("  embed.patches")]
    # 48 of 128 superpatches share.
    assert line.split()[-1] == str(512 - 48 * 3)
    assert "patches of the image" in line
    assert re.search(r"policy +ratio=0, count=0 +\(at patches\)", listed.stdout)
    assert re.search(r"flat +ratio=0.4, count=0 +\(at patches\)", listed.stdout)
