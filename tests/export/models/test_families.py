"""A family of networks is a folder: a second one is exported by being there, nothing else.

Tests models/base.py, models/loading.py and models/segformer/family.py.
"""

import ast
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import onnx
import pytest
import torch

from segpp.errors import CheckpointError, InputError, ReductionError
from segpp.export import models
from segpp.export.config import AUTO, ExportConfig
from segpp.export.models.base import families, family_of
from segpp.export.models.loading import load_checkpoint
from segpp.export.onnx_graph.lint import lint
from segpp.export.pipeline import export_onnx
from segpp.export.reduction.config import ReductionChoice
from segpp.export.reduction.methods.bsm import BipartiteSoftMatching
from segpp.export.reduction.sites import Site
from segpp.manifest import Architecture, read_manifest
from segpp.ops.grid import Size
from tests.helpers.checkpoints import Write, theirs
from tests.helpers.commands import Completed

ROOT = Path(__file__).resolve().parents[3]
FOLDER = ROOT / "tests" / "helpers" / "families"
SIZE = Size(128, 192)

Command = Callable[..., Completed]


@pytest.fixture
def second_family(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Put a folder beside that of SegFormer, as far as Python's import can tell."""
    monkeypatch.setattr(models, "__path__", [*models.__path__, str(FOLDER)])
    yield
    for name in [name for name in sys.modules if name.startswith("segpp.export.models.patchnet")]:
        del sys.modules[name]


@pytest.fixture
def checkpoint(second_family: None, write: Write) -> Path:  # noqa: ARG001 - it must be there
    """A network of the second family with random weights, in a format of its own."""
    from segpp.export.models.patchnet.network import PatchNet  # noqa: PLC0415 - found by the fixture

    architecture = Architecture("patchnet-tiny", (16,), (1,), (2,), "linear", 0, 5, 3)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        state = PatchNet(architecture).state_dict()
    return write({f"patchnet/{name}": tensor for name, tensor in state.items()})


@pytest.mark.parametrize("precision", ["fp32", "fp16"])
@pytest.mark.parametrize("choice", [ReductionChoice(), ReductionChoice(ratio=0.5)], ids=str)
def test_another_network_passes_the_same_pipeline(
    checkpoint: Path, tmp_path: Path, choice: ReductionChoice, precision: str
) -> None:
    out = tmp_path / "patch.onnx"
    config = ExportConfig(
        checkpoint,
        out,
        size=SIZE,
        reduction=choice,
        precision=precision,
        input_dtype="uint8",
        outputs="both",
        min_agreement=None if precision == "fp32" else 0.9,
    )

    manifest = export_onnx(config).manifest

    assert read_manifest(out) == manifest
    assert (manifest.source.layout, manifest.architecture.name) == ("patchnet", "patchnet-tiny")
    assert [output.shape for output in manifest.outputs] == [(1, 5, 16, 24), (1, *SIZE)]
    assert manifest.parity is not None
    assert manifest.parity.pixel_agreement >= 0.9
    graph = onnx.load(out)
    assert len(manifest.reduction) == (2 if choice.ratio else 0)
    # Queries and keys are the same tokens here, and torch's exporter makes one node of two equal
    # ones: one match, one merge.
    operators = [node.op_type for node in graph.graph.node]
    assert operators.count("SegppTokenMatch") == (1 if choice.ratio else 0)
    assert operators.count("SegppTokenMerge") == (1 if choice.ratio else 0)
    assert graph.graph.name == "patchnet"
    assert lint(graph) == []


def test_its_matches_are_replayed_and_its_logits_agree_to_rounding(
    checkpoint: Path, tmp_path: Path
) -> None:
    config = ExportConfig(
        checkpoint, tmp_path / "patch.onnx", reduction=ReductionChoice(preset="half")
    )

    manifest = export_onnx(config).manifest

    # The family's own size, 64x96: 8x12 patches, of which half merge at either side.
    assert (manifest.input.height, manifest.input.width) == (64, 96)
    assert [(s.tokens_in, s.tokens_out) for s in manifest.reduction] == [(96, 48), (96, 48)]
    assert manifest.parity is not None
    assert manifest.parity.agreement_given_matches == 1.0
    # Queries and keys are the same tokens here, and torch's exporter makes one match of two.
    assert manifest.parity.matches == 96


def test_its_matches_can_be_measured(checkpoint: Path, tmp_path: Path) -> None:
    config = ExportConfig(
        checkpoint,
        tmp_path / "patch.onnx",
        reduction=ReductionChoice(ratio=0.5),
        match_interval=AUTO,
    )

    search = export_onnx(config).manifest.match_search

    # One block leaves nothing to share.
    assert search is not None
    assert search.trials == ()


def test_the_commands_know_it(checkpoint: Path, tmp_path: Path, segpp: Command) -> None:
    out = tmp_path / "patch.onnx"

    listed = segpp("export", "--list-reductions").stdout
    exported = segpp("export", "--preset", "half", checkpoint, out)
    inspected = segpp("inspect", checkpoint).stdout
    described = segpp("inspect", f"{out}.json").stdout

    assert "preset half:" in listed
    assert exported.returncode == 0, exported.stderr
    assert "model    patchnet-tiny, 5 classes, patchnet checkpoint" in exported.stdout
    assert "a PatchNet checkpoint of patchnet" in inspected
    assert "multiply-accumulates per image" in described


def test_both_families_are_found_and_each_checkpoint_by_its_own(
    checkpoint: Path, tmp_path: Path
) -> None:
    segformer = tmp_path / "segformer.pth"
    torch.save(theirs(), segformer)

    assert list(families()) == ["patchnet", "segformer", "vit"]
    assert load_checkpoint(checkpoint).format == "patchnet"
    assert load_checkpoint(segformer).format == "mmsegmentation"
    assert family_of(load_checkpoint(segformer).architecture).name == "segformer"


@pytest.mark.usefixtures("second_family")
def test_an_unknown_format_lists_those_of_all_families() -> None:
    with pytest.raises(
        CheckpointError, match=r"(?s)unknown checkpoint format 'patchnets'.*nvlabs, patchnet"
    ):
        load_checkpoint(Path("absent.pth"), checkpoint_format="patchnets")


def test_a_site_of_another_family_is_refused(checkpoint: Path, tmp_path: Path) -> None:
    elsewhere = {Site(3, "q"): BipartiteSoftMatching()}

    with pytest.raises(ReductionError, match=r"tiny has no merge site 3\.q\n  known: 1\.q"):
        export_onnx(ExportConfig(checkpoint, tmp_path / "x.onnx", reduction=elsewhere))


def test_what_no_family_could_read_is_refused_before_the_checkpoint(tmp_path: Path) -> None:
    config = ExportConfig(
        tmp_path / "absent.pth", tmp_path / "x.onnx", reduction=ReductionChoice(preset="half")
    )

    with pytest.raises(ReductionError, match="unknown preset 'half'"):
        export_onnx(config)


@pytest.mark.usefixtures("second_family")
def test_what_one_family_can_read_is_not_refused_before_the_checkpoint(tmp_path: Path) -> None:
    # SegFormer takes no such size, and has no such preset.
    config = ExportConfig(
        tmp_path / "absent.pth",
        tmp_path / "x.onnx",
        size=Size(24, 24),
        reduction=ReductionChoice(preset="half"),
    )

    with pytest.raises(CheckpointError, match="does not exist"):
        export_onnx(config)


def test_a_network_of_no_family_is_an_error() -> None:
    with pytest.raises(InputError, match="unknown family of networks 'other'"):
        family_of(Architecture("other-b0", (), (), (), "", 0, 1, 3))


# --- what the rest may know of a family


def imported(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            names.update(f"{node.module}.{alias.name}" for alias in node.names)
    return names


def test_nothing_outside_its_folder_imports_a_family() -> None:
    inside = ROOT / "export" / "models" / "segformer"
    modules = [*(ROOT / "export").rglob("*.py"), *(ROOT / "src" / "segpp" / "cli").rglob("*.py")]

    users = {
        path.relative_to(ROOT).as_posix(): names
        for path in modules
        if inside not in path.parents
        and (names := {name for name in imported(path) if "segformer" in name.lower()})
    }

    assert users == {}
    assert len(modules) > 50


def test_sizes_costs_and_methods_are_told_without_torch() -> None:
    code = (
        "import sys\n"
        "from segpp.export.models.base import families\n"
        "from segpp.export.reduction import REDUCTIONS\n"
        "from segpp.export.reduction.config import ReductionChoice, count_tokens\n"
        "from segpp.ops.grid import Size\n"
        "family, size = families()['segformer'], Size(512, 1024)\n"
        "config = family.reduction_config(ReductionChoice(ratio=0.5))\n"
        "family.check_size(size)\n"
        "assert count_tokens(config, family.grids(size)) and list(REDUCTIONS)\n"
        "assert not {'torch', 'onnx', 'onnxruntime'} & set(sys.modules)\n"
    )

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr
