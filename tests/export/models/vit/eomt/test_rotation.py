"""An EoMT over DINOv3 turns its patches as transformers does, merged ones by the mean of turns.

Tests models/vit/network/rotation.py, and of other modules what they have for rotary positions.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from torch import Tensor

from segpp.errors import CheckpointError, ReductionError
from segpp.export.models.loading import load_checkpoint
from segpp.export.models.vit.family import FAMILY
from segpp.export.models.vit.network.blocks import Attention
from segpp.export.models.vit.network.rotation import Rotation, turns_of
from segpp.export.onnx_graph.lint import lint
from segpp.export.reduction.config import ReductionChoice
from segpp.export.reduction.methods.bsm import BipartiteSoftMatching
from segpp.export.reduction.methods.n2d import Neighbor2d
from segpp.export.reduction.sites import Site
from segpp.manifest import read_manifest
from segpp.ops.grid import Grid, Size
from segpp.runtime.backends.base import BACKENDS, BackendConfig
from tests.export.models.vit.eomt.folders import eomt_dinov3, of_another_size, save_eomt, semantic
from tests.export.models.vit.eomt.test_eomt import check_same, images
from tests.helpers.commands import Completed

Command = Callable[..., Completed]

GRID, PREFIX = Grid(4, 6), 3

NETWORKS: dict[str, dict[str, Any]] = {
    "as released": {},
    "other biases": {"key_bias": True, "mlp_bias": False, "num_register_tokens": 0},
    "other turns": {
        "hidden_size": 96, "num_attention_heads": 3,
        "rope_parameters": {"rope_theta": 50.0, "rope_type": "default"},
    },
}  # fmt: skip


@pytest.mark.parametrize("size", [Size(64, 64), Size(32, 96)], ids=str)
@pytest.mark.parametrize("case", NETWORKS)
def test_its_labels_are_those_of_transformers(tmp_path: Path, case: str, size: Size) -> None:
    network, x = eomt_dinov3(**NETWORKS[case]), images(size)

    checkpoint = load_checkpoint(save_eomt(tmp_path, network))

    assert checkpoint.format == "hf-eomt-dinov3"
    check_same(checkpoint, x, *semantic(of_another_size(network, size), x))


@pytest.mark.parametrize(
    "changes",
    [
        {"rope_parameters": None, "rope_theta": 30.0},
        {"rope_parameters": {"rope_type": "default"}, "rope_theta": 30.0},
        {"rope_parameters": {}, "rope_theta": 30.0},
        {"rope_parameters": None, "rope_scaling": {"rope_type": "default", "rope_theta": 30.0}},
    ],
    ids=["beside", "one beside", "nothing", "scaling"],
)
def test_theta_is_read_where_older_versions_have_it(
    tmp_path: Path, changes: dict[str, Any]
) -> None:
    checkpoint = load_checkpoint(save_eomt(tmp_path, eomt_dinov3(), config=changes))

    assert checkpoint.architecture.vit is not None
    assert checkpoint.architecture.vit.rope_theta == 30.0


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "gates": ({"use_gated_mlp": True}, r"gives use_gated_mlp as True\n  expected: false"),
    "another rotation": (
        {"rope_parameters": {"rope_type": "yarn"}}, r"gives rope_type as 'yarn'\n  .*default",
    ),
    "an older name": ({"rope_parameters": {"type": "linear"}}, r"gives type as 'linear'"),
    "no rotation": ({"rope_parameters": [1]}, r"gives rope_parameters as \[1\]\n  .*an object"),
    "no theta": ({"rope_parameters": {"rope_theta": -1}}, r"gives rope_theta as -1"),
    "no pairs": ({"num_attention_heads": 32}, r"num_attention_heads as 32\n.*turn by fours"),
    "biases beyond": (
        {"query_bias": False}, r"q_proj.bias: it says that there is none, and the weights have it",
    ),
    "biases short": ({"key_bias": True}, r"missing: layers.0.attention.k_proj.bias"),
    "a word": ({"mlp_bias": "no"}, r"gives mlp_bias as 'no'\n  expected: true or false"),
    "another width": (
        {"intermediate_size": 64}, "intermediate_size: it says 64 channels, and the weights have 96"
    ),
    "DINOv2": ({"model_type": "eomt"}, r"gives model_type as 'eomt'\n  expected: eomt_dinov3"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_a_config_that_is_not_computed_is_refused(tmp_path: Path, case: str) -> None:
    config, message = REFUSED[case]

    with pytest.raises(CheckpointError, match=message):
        load_checkpoint(save_eomt(tmp_path, eomt_dinov3(), config=config))


# --- merging


def test_merging_no_token_away_gives_the_same_masks(tmp_path: Path) -> None:
    """Tokens in another order keep their own turns."""
    checkpoint = load_checkpoint(save_eomt(tmp_path, eomt_dinov3()))
    x = images()
    sites = [Site(block, side) for block in (1, 2) for side in ("q", "kv")]  # type: ignore[arg-type]  # two of them
    nothing = dict.fromkeys([*sites, Site(2, "tokens")], BipartiteSoftMatching(0.0))

    plain = checkpoint.build()(x)
    merged = checkpoint.build().apply_reductions(nothing)(x)

    assert torch.allclose(merged, plain, atol=1e-5)


def attention() -> Attention:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        return Attention(64, 2, PREFIX).requires_grad_(requires_grad=False)


def of_cells(x: Tensor) -> Tensor:
    """Return the means (B, 2 * 3, C) of cells of 2x2 of 4x6 patches."""
    return x.reshape(len(x), 2, 2, 3, 2, x.shape[2]).mean((2, 4)).flatten(1, 2)


def test_keys_that_are_alike_get_the_mean_of_what_they_turned_to() -> None:
    module, generator = attention(), torch.Generator().manual_seed(0)
    module.set_merging("kv", Neighbor2d(2, 2))
    rotation = Rotation.of_patches(turns_of(GRID, 32, 100.0)).behind(PREFIX)
    cells = torch.randn(2, 2, 1, 3, 1, 64, generator=generator).expand(-1, -1, 2, -1, 2, -1)
    patches = cells.reshape(2, GRID.tokens, 64)
    x = torch.cat((torch.randn(2, PREFIX, 64, generator=generator), patches), 1)

    merged = module(x, GRID, rotation)

    q, k = rotation.turn(module.q(x) * module.scale), rotation.turn(module.k(x))
    keys, values = (
        torch.cat((one[:, :PREFIX], of_cells(one[:, PREFIX:])), 1) for one in (k, module.v(x))
    )
    assert torch.allclose(merged, module.out(module.core(q, keys, values)), atol=1e-5)


def test_tokens_that_merged_turn_alike_in_later_blocks(tmp_path: Path) -> None:
    """By hand: a block on all patches, the next on the means of cells and of their turns."""
    model = load_checkpoint(save_eomt(tmp_path, eomt_dinov3(num_blocks=1))).build()
    size, x = Size(64, 96), images(Size(64, 96))

    found = model.apply_reductions({Site(1, "tokens"): Neighbor2d(2, 2)})(x)

    tokens, grid = model.patch_embed(x)  # type: ignore[operator]  # a module
    first, second, third = model.blocks()  # type: ignore[operator]  # of this network
    turns = Rotation.of_patches(turns_of(grid, 32, 100.0)).behind(PREFIX)
    tokens = first.attend(tokens, grid, turns)
    rows = [torch.cat((t[:, :PREFIX], of_cells(t[:, PREFIX:])), 1) for t in (turns.cos, turns.sin)]
    tokens = torch.cat((tokens[:, :PREFIX], of_cells(tokens[:, PREFIX:])), 1)
    fewer = Rotation(*rows, PREFIX)
    tokens = second.transform(second.attend(first.transform(tokens), None, fewer))
    tokens = torch.cat((model.queries.expand(2, -1, -1), tokens), 1)  # type: ignore[operator, union-attr]  # as above
    tokens = model.norm(third.transform(third.attend(tokens, None, fewer.behind(7))))  # type: ignore[operator]  # as above
    cells = tokens[:, 7 + PREFIX :].reshape(2, 2, 3, 64)
    each = cells.repeat_interleave(2, 1).repeat_interleave(2, 2).flatten(1, 2)
    assert grid == GRID
    assert found.shape[2:] == size
    assert torch.allclose(found, model.head(each, GRID, tokens[:, :7]), atol=1e-4)  # type: ignore[operator]  # as above


def test_a_maximum_of_turns_is_refused_by_its_site(tmp_path: Path) -> None:
    architecture = load_checkpoint(save_eomt(tmp_path, eomt_dinov3())).architecture
    choice = ReductionChoice(reduce=("2.kv=bsm:value=max",))

    with pytest.raises(ReductionError, match=r"2\.kv merges by value=max.*\n.*value=mean"):
        FAMILY.reduction_config(choice, architecture)


# --- the file

MERGED = ("1.q=bsm", "1.kv=bsm", "2.tokens=similarity:share=0.75", "3.kv=bsm")


def test_the_file_labels_as_transformers(tmp_path: Path, segpp: Command) -> None:
    network, path = eomt_dinov3(), tmp_path / "plain.onnx"
    x = torch.randn(1, 3, 64, 64, generator=torch.Generator().manual_seed(1))
    scores, labels = (one.numpy() for one in semantic(network, x))

    done = segpp("export", save_eomt(tmp_path, network), path, "--outputs", "both")

    assert done.returncode == 0, done.stderr
    session = BACKENDS["onnxruntime"].open(path, BackendConfig())
    found, labelled = session.run({"image": x.numpy()}, ["logits", "labels"])
    assert np.abs(found - scores).max() / np.abs(scores).max() <= 1e-4
    assert np.array_equal(labelled, labels)
    assert len(np.unique(labels)) > 1


def test_a_file_that_merges_follows_pytorch(tmp_path: Path, segpp: Command) -> None:
    folder, path = save_eomt(tmp_path, eomt_dinov3()), tmp_path / "merged.onnx"
    reduce = [word for one in MERGED for word in ("--reduce", one)]

    done = segpp("export", folder, path, "--target", "onnxruntime", *reduce)
    inspected = segpp("inspect", path).stdout.split()

    assert done.returncode == 0, done.stderr
    manifest = read_manifest(path)
    assert manifest.architecture.vit is not None
    assert manifest.architecture.vit.rope_theta == 100.0
    assert manifest.parity is not None
    assert manifest.parity.agreement_given_matches == 1.0
    # Behind the second block there is a grid, in which cells of 2x2 merge.
    assert "2.tokens similarity:share=0.75,first=1,every=0 4x4 16 9 1" in " ".join(inspected)
    assert [(one.grid, one.tokens_out) for one in manifest.reduction][-2:] == [
        ((4, 4), 9),
        ((3, 3), 5),
    ]
    graph = onnx.load(path)
    operators = [node.op_type for node in graph.graph.node]
    assert operators.count("MultiHeadAttention") == 3
    # Angles are of the export's grid, and no engine is left to compute them.
    assert not {"Sin", "Cos"} & set(operators)
    assert lint(graph, "onnxruntime") == []
