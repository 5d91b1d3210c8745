"""Gates that each image decides: how they begin, what they learn with, and where they are saved.

Tests gates/dynamic.py, and the loop and the pipeline with gates inside.
"""

import json
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import nn

from segpp.export.models.loading import load_checkpoint
from segpp.export.models.segformer.architecture import Numerics
from segpp.export.models.segformer.family import FAMILY
from segpp.export.models.segformer.model import SegFormer
from segpp.export.reduction.config import ReductionChoice
from segpp.export.reduction.gates.config import build_gates
from segpp.export.reduction.gates.gate import Gate
from segpp.export.reduction.gates.training import gates_in
from segpp.manifest import read_manifest
from segpp.train.gates.dynamic import ANNEALED, Gating, add_predictors
from tests.helpers.checkpoints import MINIATURE, lively, ours
from tests.helpers.commands import Completed
from tests.train.gates.test_choosing import SIZE, distilled, file_logits, options

Command = Callable[..., Completed]
Film = Callable[..., Path]

GATES = ("2.hidden=dynamic:keep=0.25", "3.hidden=dynamic:keep=0.25", "4.qkv=dynamic:keep=0.5")
MIXED = ("1.hidden=fixed:keep=0.25", *GATES, "2.q=n2d:rows=2,cols=2")


def network(*gates: str) -> SegFormer:
    architecture = replace(MINIATURE, dims=(16, 32, 80, 128), classes=6)
    model = SegFormer(architecture, Numerics(1e-6, 1e-6, 1e-6, 1e-6)).eval()
    model.load_state_dict(lively(ours(architecture)), strict=False)
    model.requires_grad_(requires_grad=False)
    FAMILY.apply_gates(model, build_gates(gates, FAMILY.places), [])
    return model


def images(count: int = 3) -> list[Callable[[], np.ndarray]]:
    drawn = np.random.default_rng(0).standard_normal((count, 1, 3, 64, 64)).astype(np.float32)
    return [partial(np.copy, one) for one in drawn]


def test_predictors_begin_with_what_gates_without_any_choose_most() -> None:
    bare, gated = network(*GATES), network(*GATES)
    draws = images(1)

    add_predictors(gated, draws, seed=0)

    chosen: list[list[list[int]]] = []
    for model in (bare, gated):
        seen: list[list[int]] = []
        for gate in gates_in(model):
            gate.register_forward_hook(
                lambda one, _, logits, into=seen: into.append(
                    sorted(one.indices(logits)[0].tolist())
                )
            )
        model(torch.from_numpy(draws[0]()))
        chosen.append(seen)
    # The image that they begin with, of which every gate sees what went before likewise.
    assert chosen[0] == chosen[1]
    assert chosen[0]


def test_the_same_seed_begins_alike_and_no_other_generator_moves() -> None:
    models = [network(*GATES) for _ in range(3)]
    torch.manual_seed(7)
    expected = torch.rand(1)
    torch.manual_seed(7)

    for model, seed in zip(models, (1, 1, 2), strict=True):
        add_predictors(model, images(), seed)

    assert torch.equal(torch.rand(1), expected)
    first, same, other = (
        FAMILY.dynamic_gates(model)["3.1.hidden"].state_dict() for model in models
    )
    assert all(torch.equal(first[name], same[name]) for name in first)
    assert not torch.equal(first["predictor.0.weight"], other["predictor.0.weight"])


def test_gates_leave_out_fewer_at_first_and_run_whole_between() -> None:
    model = network(*GATES)
    add_predictors(model, [], 0)
    kept = [gate.keep for gate in gates_in(model)]
    gating, counts = Gating(model), [gate.count for gate in gates_in(model)]

    seen = []
    for share in (0.0, ANNEALED / 2, ANNEALED, 0.9):
        gating.learn(share)
        seen.append([gate.keep for gate in gates_in(model)])
        assert all(gate.training for gate in gates_in(model))
    gating.rest()

    assert seen[0] == counts
    # Of heads of sixteen channels eight or all stay.
    assert all(k <= half <= c for k, half, c in zip(kept, seen[1], counts, strict=True))
    assert kept[0] < seen[1][0] < counts[0]
    assert seen[2] == seen[3] == kept == [gate.keep for gate in gates_in(model)]
    assert not any(module.training for module in model.modules())


def test_nothing_but_gates_and_what_they_work_in_is_switched() -> None:
    model = network(*GATES)

    Gating(model).learn(0.5)

    assert not any(m.training for m in model.modules() if isinstance(m, nn.BatchNorm2d))
    assert not Gating(network())


def test_every_weight_has_a_gradient_at_every_share() -> None:
    """Processes that average gradients wait for each of them."""
    model = network(*GATES)
    add_predictors(model, images(), 0)
    model.requires_grad_()
    gating = Gating(model)

    for share in (0.0, 0.2, 1.0):
        model.zero_grad(set_to_none=True)
        gating.learn(share)
        model(torch.from_numpy(images()[0]())).square().mean().backward()
        assert [name for name, weight in model.named_parameters() if weight.grad is None] == []


def test_autocast_chooses_as_single_precision_does() -> None:
    gate = Gate((16,), 64, 1, 16).train()
    gate.add_predictor()
    layer, x = nn.Linear(16, 64), torch.randn(2, 50, 16)

    plain = gate([x], [layer])
    with torch.autocast("cpu", dtype=torch.bfloat16):
        cast = gate([x], [layer])

    assert torch.equal(plain, cast)


def test_a_student_brings_its_gates_and_an_export_uses_them(
    segpp: Command, wide_teacher: Path, film: Film, tmp_path: Path
) -> None:
    out, file = tmp_path / "student.pth", tmp_path / "student.onnx"
    given = options(*MIXED)

    done = distilled(
        segpp, wide_teacher, film(), out, *given, "--json", "--steps", "16", "--stages-alone", "0.2"
    )
    exported = segpp("export", out, file, "--size", "64x64", *given)

    assert exported.returncode == 0, exported.stderr
    told = json.loads(done.stdout)
    assert told["after"]["agreement"] > told["before"]["agreement"]
    assert (told["settings"]["gate_weight"], told["settings"]["stages_alone"]) == ("0.001", "0.2")
    widths = {(s["stage"], s["part"]): s["predictor"] for s in told["channels"]}
    manifest = read_manifest(file)
    assert widths == {(site.stage, site.part): site.predictor for site in manifest.channels}
    assert widths == {(1, "hidden"): 0, (2, "hidden"): 32, (3, "hidden"): 80, (4, "qkv"): 32}
    student = load_checkpoint(out)
    model = student.build()
    model.apply_reductions(FAMILY.reduction_config(ReductionChoice(reduce=MIXED)))
    FAMILY.apply_gates(model, build_gates(GATES, FAMILY.places), [])
    for name, gate in FAMILY.dynamic_gates(model).items():
        gate.add_predictor()
        own = {key: t for key, t in student.gates.items() if key.startswith(f"{name}.")}
        gate.load_state_dict({key.removeprefix(f"{name}."): t for key, t in own.items()})
    model.eval()
    image = images(1)[0]()
    with torch.inference_mode():
        logits = model(torch.from_numpy(image)).numpy()
    assert np.abs(file_logits(file, image) - logits).max() <= 1e-4 * np.abs(logits).max()


def test_a_gated_checkpoint_does_not_teach(
    segpp: Command, wide_teacher: Path, film: Film, tmp_path: Path
) -> None:
    out = tmp_path / "student.pth"
    content = torch.load(wide_teacher, weights_only=True)  # noqa: TID251 - written a moment ago
    content["state_dict"]["segpp_gates.3.1.hidden.norms.0.weight"] = torch.zeros(80)
    torch.save(content, tmp_path / "gated.pth")

    given = options("3.hidden=fixed:keep=0.5")
    done = segpp("distill", tmp_path / "gated.pth", film(), "-o", out, *SIZE, *given)

    assert done.returncode == 2
    assert "has trained gates (segpp_gates.…), and would teach without them" in done.stderr
