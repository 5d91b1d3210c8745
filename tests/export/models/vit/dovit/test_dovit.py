"""DoViT with fixed counts is DoViT as released, wherever as many tokens leave there.

Tests reduction/methods/token_pass.py, reduction/matching/certainty.py,
reduction/assignments/passed_tokens.py, models/vit/passes.py and models/vit/network/passing.py.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from segpp.errors import CheckpointError, InputError, ReductionError
from segpp.export.models.loading import load_checkpoint
from segpp.export.models.vit.architecture import exit_blocks
from segpp.export.models.vit.family import FAMILY
from segpp.export.models.vit.network import ViT
from segpp.export.reduction.base import TokenReduction
from segpp.export.reduction.config import ReductionChoice, count_tokens
from segpp.export.reduction.matching.certainty import confidence
from segpp.export.reduction.methods.clap import ConditionalLocalPooling
from segpp.export.reduction.methods.gbm import GlobalBipartiteMatching
from segpp.export.reduction.methods.n2d import Neighbor2d
from segpp.export.reduction.methods.token_pass import TokenPass
from segpp.export.reduction.sites import Site
from segpp.export.search.counts import search_counts
from segpp.ops.grid import Grid, Size
from tests.export.models.vit.checkpoints import mmsegmentation, save_segmenter
from tests.export.models.vit.dovit.dynamic import (
    Auxiliary,
    Outcome,
    auxiliaries,
    by_change,
    dovit_state,
    dynamic_dovit,
    save_dovit,
)
from tests.export.models.vit.references import Reference, reference

pytest.importorskip("timm", reason="needs timm, which the oracle's encoder is of")

DEPTH, SIZE = 8, (96, 144)
BLOCKS = (2, 4, 6)
# Logits of a few, in FP32 through eight blocks, in another order of sums.
TOLERANCE = 1e-4


def picture(seed: int = 1, size: tuple[int, int] = SIZE) -> Tensor:
    draw = torch.Generator().manual_seed(seed)
    blobs = torch.nn.functional.interpolate(torch.randn(1, 3, 4, 6, generator=draw), size)
    return blobs + 0.2 * torch.randn(1, 3, *size, generator=draw)


def network(head: str = "linear", **choices: Any) -> Reference:
    return mmsegmentation(**{
        "depth": DEPTH, "dim": 64, "heads": 1, "size": SIZE, "head": head, **choices,
    })  # fmt: skip


def saved(path: Path, oracle: Reference, heads: list[Auxiliary]) -> Path:
    return save_dovit(path / "dovit.pth", oracle, heads)


def by_heads(heads: list[Auxiliary]) -> Any:
    return lambda number, _, patches: heads[number](patches).softmax(1).amax(1)


def thresholds_of(
    oracle: Reference, x: Tensor, judge: Any, blocks: tuple[int, ...] = BLOCKS
) -> dict[int, float]:
    """Return what about a third of the patches are surer than, each time."""
    found = dict.fromkeys(blocks, 2.0)
    for number, block in enumerate(blocks):
        found[block] = float(dynamic_dovit(oracle, x, found, judge).sure[number].quantile(0.7))
    return found


def passes(outcome: Outcome, blocks: tuple[int, ...] = BLOCKS, **settings: Any) -> Any:
    return {
        Site(block, "tokens"): TokenPass(count=left, **settings)
        for block, left in zip(blocks, outcome.left, strict=True)
    }


def run(path: Path, config: Mapping[Site, TokenReduction], x: Tensor) -> Tensor:
    with torch.inference_mode():
        logits: Tensor = load_checkpoint(path).build().apply_reductions(config)(x)
    return logits


@pytest.mark.parametrize("head", ["mask", "linear", "setr"])
def test_at_equal_counts_it_is_the_dynamic_one(tmp_path: Path, head: str) -> None:
    oracle = network(head)
    heads, x = auxiliaries(oracle), picture()
    judge = by_heads(heads)
    with torch.inference_mode():
        expected = dynamic_dovit(oracle, x, thresholds_of(oracle, x, judge), judge)

    found = run(saved(tmp_path, oracle, heads), passes(expected, by="confidence"), x)

    assert min(expected.left) > 0
    assert sum(expected.left) < 54
    scale = expected.logits.abs().max()
    assert float((found - expected.logits).abs().max() / scale) <= TOLERANCE
    assert torch.equal(found.argmax(1), expected.logits.argmax(1))


@pytest.mark.parametrize("tells_class", [True, False])
def test_without_heads_those_leave_that_changed_least(tmp_path: Path, *, tells_class: bool) -> None:
    # Patches that fill up an edge leave too.
    oracle = reference(depth=DEPTH, dim=64, heads=1, size=(90, 144), head="mask")
    x, blocks = picture(size=(96, 144)), (2, 3, 6)
    with torch.inference_mode():
        thresholds = thresholds_of(oracle, x, by_change, blocks)
        expected = dynamic_dovit(oracle, x, thresholds, by_change, tells_class=tells_class)

    config = passes(expected, blocks, cls="mean" if tells_class else "same")
    found = run(save_segmenter(tmp_path, oracle), config, x)

    assert min(expected.left) > 0
    assert float((found - expected.logits).abs().max() / expected.logits.abs().max()) <= TOLERANCE


def test_of_few_that_left_the_class_token_takes_up_nothing(tmp_path: Path) -> None:
    oracle, x = network(), picture()
    path = saved(tmp_path, oracle, auxiliaries(oracle))

    def differs(*counts: int) -> bool:
        found = [
            run(
                path,
                {
                    Site(block, "tokens"): TokenPass(count=count, cls=cls)  # type: ignore[arg-type]  # either
                    for block, count in zip(BLOCKS, counts, strict=False)
                },
                x,
            )
            for cls in ("mean", "same")
        ]
        return not torch.equal(*found)

    # A tenth of 55 tokens are five and a half; what left before counts.
    assert not differs(5)
    assert differs(6)
    assert differs(5, 1)


def test_a_batch_is_its_images(tmp_path: Path) -> None:
    oracle = network()
    path = saved(tmp_path, oracle, auxiliaries(oracle))
    config = {Site(2, "tokens"): TokenPass(by="confidence"), Site(5, "tokens"): TokenPass()}
    x = torch.cat([picture(seed) for seed in (1, 2)])

    together, alone = run(path, config, x), [run(path, config, one[None]) for one in x]

    assert torch.allclose(together, torch.cat(alone), atol=1e-5)


def test_in_a_batch_each_image_counts_its_own_tokens(tmp_path: Path) -> None:
    path = save_segmenter(tmp_path, network(depth=4))
    config = {
        Site(1, "tokens"): ConditionalLocalPooling(count=2),
        Site(2, "tokens"): TokenPass(count=3),
        Site(3, "tokens"): GlobalBipartiteMatching(count=4),
    }
    x = torch.cat([picture(seed) for seed in (1, 2)])

    together, alone = run(path, config, x), [run(path, config, one[None]) for one in x]

    assert torch.allclose(together, torch.cat(alone), atol=1e-5)


def test_what_left_merges_with_nothing_and_is_restored_first(tmp_path: Path) -> None:
    """By hand: cells of 2x2 merge, some of them leave, the rest merges again."""
    oracle, x = network(depth=4), picture(size=(64, 96))
    checkpoint = load_checkpoint(save_segmenter(tmp_path, oracle))
    config = {
        Site(1, "tokens"): Neighbor2d(2, 2),
        Site(2, "tokens"): TokenPass(count=2, cls="same"),
        Site(3, "tokens"): GlobalBipartiteMatching(count=1),
    }
    with torch.inference_mode():
        found = checkpoint.build().apply_reductions(config)(x)

        model = checkpoint.build()
        first, second, third, fourth = model.blocks()
        x, grid = model.patch_embed(x)
        x = first.attend(x, grid)
        cells = x[:, 1:].reshape(1, 2, 2, 3, 2, 64).mean((2, 4)).flatten(1, 2)
        before = model.patch_embed(picture(size=(64, 96)))[0][:, 1:]
        before = before.reshape(1, 2, 2, 3, 2, 64).mean((2, 4)).flatten(1, 2)
        x = first.transform(torch.cat((x[:, :1], cells), 1))
        alike = torch.nn.functional.cosine_similarity(before, x[:, 1:], dim=2)[0]
        gone = alike.argsort(descending=True)[:2]
        assert gone.tolist() != [0, 1]
        stays = torch.tensor([n for n in range(6) if n not in gone])
        rest = x[:, 1:]
        left, x = rest[:, gone], torch.cat((x[:, :1], rest[:, stays]), 1)
        x = third.attend(second(x))
        patches = x[:, 1:]
        decided = GlobalBipartiteMatching(count=1).match(patches, Grid(1, 4))
        x = third.transform(torch.cat((x[:, :1], decided.merge(patches)), 1))
        x = fourth(x)
        whole = torch.empty(1, 6, 64)
        whole[:, gone], whole[:, stays] = left, decided.unmerge(x[:, 1:])
        logits = model.head.tokens(model.norm(whole)).reshape(1, 2, 3, 5)
        expected = logits.repeat_interleave(2, 1).repeat_interleave(2, 2).permute(0, 3, 1, 2)
    assert torch.allclose(found, expected, atol=1e-5)


def test_of_every_block_all_patches_are_given(tmp_path: Path) -> None:
    oracle, x = network(), picture()
    model = load_checkpoint(saved(tmp_path, oracle, auxiliaries(oracle))).build()
    model.apply_reductions({Site(3, "tokens"): TokenPass(count=20)})
    given: list[Any] = []
    for stage in model.stages:
        stage.register_forward_hook(lambda _, __, output: given.append(output))

    model(x)

    outputs = model.stage_outputs(given)
    assert {tuple(one.shape) for one in outputs} == {(1, 54, 64)}
    # What left is the same behind the third block and behind the last, and the rest is not.
    same = (outputs[2] == outputs[-1]).all(2)
    assert int(same.sum()) == 20
    assert torch.equal((outputs[1] == outputs[2]).all(2), same)


# --- what it costs, and where


@pytest.mark.parametrize("head", ["linear", "setr"])
def test_tokens_and_costs_are_those_of_the_blocks(tmp_path: Path, head: str) -> None:
    oracle = network(head)
    checkpoint = load_checkpoint(saved(tmp_path, oracle, auxiliaries(oracle)))
    architecture, size = checkpoint.architecture, Size(*SIZE)
    config = FAMILY.reduction_config(ReductionChoice(preset="dovit"), architecture)
    grids = FAMILY.grids(size, config, architecture)

    sites = count_tokens(config, grids)

    assert [(s.stage, s.tokens_in, s.tokens_out, s.settings["by"]) for s in sites] == [
        (2, 54, 38, "confidence"),
        (4, 38, 28, "confidence"),
        (6, 28, 20, "confidence"),
    ]
    # The block misses them, attention included.
    assert [grids[Site(block, "q")].tokens for block in range(1, 9)] == [
        54, 38, 38, 28, 28, 20, 20, 20,
    ]  # fmt: skip
    macs = FAMILY.macs(architecture, size, sites)
    assert macs.total == counted(checkpoint.build().apply_reductions(config)) + sum(
        2 * (1 + tokens) ** 2 * 64 for tokens in (54, 38, 38, 28, 28, 20, 20, 20)
    ) + sum(stage.matching + stage.merging for stage in macs.stages)
    assert [stage.gating for stage in macs.stages] == [
        0, 54 * 24 * 69, 0, 38 * 24 * 69, 0, 28 * 24 * 69, 0, 0,
    ]  # fmt: skip


def counted(model: ViT) -> int:
    total = 0

    def watch(module: Any, _: object, output: Tensor) -> None:
        nonlocal total
        total += output.numel() * module.weight[0].numel()

    layers = (torch.nn.Linear, torch.nn.Conv2d)
    hooks = [m.register_forward_hook(watch) for m in model.modules() if isinstance(m, layers)]
    model(picture())
    for hook in hooks:
        hook.remove()
    return total


def test_the_preset_has_the_published_blocks_and_heads_where_there_are_any(tmp_path: Path) -> None:
    assert (exit_blocks(12), exit_blocks(24)) == ((3, 6, 9), (7, 13, 19))
    oracle = network()
    with_heads = load_checkpoint(saved(tmp_path, oracle, auxiliaries(oracle))).architecture

    told = FAMILY.reduction_config(ReductionChoice(preset="dovit"), with_heads)
    plain = FAMILY.reduction_config(ReductionChoice(preset="dovit"))

    assert {str(site): method.leaves_by for site, method in told.items()} == {
        "2.tokens": "confidence", "4.tokens": "confidence", "6.tokens": "confidence",
    }  # fmt: skip
    assert {str(site): method.to_string() for site, method in plain.items()} == {
        "3.tokens": "pass:ratio=0.3,by=change,cls=same",
        "6.tokens": "pass:ratio=0.286,by=change,cls=same",
        "9.tokens": "pass:ratio=0.3,by=change,cls=same",
    }


def test_found_counts_are_a_quantile_of_the_dynamic_ones(tmp_path: Path) -> None:
    oracle, images = network(), [picture(seed) for seed in (1, 2, 3)]
    heads = auxiliaries(oracle)
    judge, model = by_heads(heads), load_checkpoint(saved(tmp_path, oracle, heads)).build()
    with torch.inference_mode():
        threshold = float(dynamic_dovit(oracle, images[0], {2: 2}, judge).sure[0].quantile(0.6))
        wanted = [dynamic_dovit(oracle, x, {2: threshold}, judge).left[0] for x in images]
    open_ones = {Site(block, "tokens"): TokenPass(by="confidence") for block in BLOCKS[:2]}

    config, found = search_counts(
        model,
        open_ones,
        [lambda x=x: x.numpy() for x in images],  # type: ignore[misc]  # bound now
        quantile=0.5,
        thresholds=dict.fromkeys(open_ones, threshold),
        prefix=1,
    )

    assert found[0].wanted == tuple(wanted)
    assert len(set(wanted)) > 1
    first, second = (config[site] for site in open_ones)
    assert isinstance(first, TokenPass)
    assert first.count == found[0].count <= sorted(wanted)[1]
    # Behind it, what has stayed decides.
    assert isinstance(second, TokenPass)
    assert second.count > 0
    assert (55 - first.count) % 8 == 0


def test_published_thresholds_are_by_the_classes(tmp_path: Path) -> None:
    oracle = network(classes=19)
    streets = load_checkpoint(saved(tmp_path, oracle, auxiliaries(oracle))).architecture

    assert TokenPass(by="confidence").published(streets) == 0.985
    with pytest.raises(InputError, match="no threshold is published of pass:by=change"):
        TokenPass().published(streets)


# --- what is no such network


def test_of_one_class_a_token_is_sure_that_it_is_there_or_not() -> None:
    sure = confidence(torch.tensor([[[-3.0], [0.0], [3.0]]]))

    assert torch.allclose(sure, torch.tensor([[0.9526, 0.5, 0.9526]]), atol=1e-4)


def test_a_checkpoint_with_heads_is_read_strictly(tmp_path: Path) -> None:
    oracle = network(size=(96, 96))
    state = dovit_state(oracle, auxiliaries(oracle))
    path = tmp_path / "x.pth"

    def message(changed: dict[str, Tensor]) -> str:
        torch.save({"state_dict": changed}, path)
        with pytest.raises(CheckpointError) as caught:
            load_checkpoint(path)
        return str(caught.value)

    second = {name: t for name, t in state.items() if "auxiliary_head.1" not in name}
    bias = {**state, "backbone.auxiliary_head.0.convs.0.conv.bias": torch.zeros(24)}
    whole = {n: t for n, t in state.items() if not n.endswith("head.2.convs.0.bn.running_var")}
    assert "has the auxiliary heads 0, 2" in message(second)
    assert "auxiliary_head.0.convs.0.conv.bias" in message(bias)
    assert "auxiliary_head.2.convs.0.bn.running_var" in message(whole)


def test_what_is_read_is_written_back(tmp_path: Path) -> None:
    oracle = network("setr")
    state = dovit_state(oracle, auxiliaries(oracle))
    checkpoint = load_checkpoint(saved(tmp_path, oracle, auxiliaries(oracle)))

    stored = checkpoint.stored(checkpoint.state)

    floats = {name: tensor for name, tensor in state.items() if tensor.is_floating_point()}
    assert checkpoint.format == "dovit"
    assert set(stored) == set(floats)
    assert all(torch.equal(stored[name], tensor) for name, tensor in floats.items())


@pytest.mark.parametrize(
    ("method", "site", "words"),
    [
        (TokenPass(by="confidence"), 3, r"leave at 3\.tokens\n.*at 2\.tokens, 4\.tokens, 6\.tok"),
        (TokenPass(), 1, r"pass cannot work at 1\.tokens"),
    ],
    ids=["no head there", "nothing before"],
)
def test_where_nothing_tells_which_tokens_leave_none_do(
    tmp_path: Path, method: TokenPass, site: int, words: str
) -> None:
    oracle = network()
    model = load_checkpoint(saved(tmp_path, oracle, auxiliaries(oracle))).build()

    with pytest.raises(ReductionError, match=words):
        model.apply_reductions({Site(site, "tokens"): method})


def test_a_network_without_heads_says_so(tmp_path: Path) -> None:
    plain = load_checkpoint(save_segmenter(tmp_path, reference(depth=3, dim=64, heads=1)))
    choice = ReductionChoice(reduce=("2.tokens=pass:by=confidence",))

    with pytest.raises(ReductionError, match=r"the network has none\n.*pass:by=change needs none"):
        FAMILY.reduction_config(choice, plain.architecture)
