"""``segpp-inspect`` on a small network: its checkpoint, its ONNX file, its manifest."""

import json
import random
import re
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from segpp.errors import GraphError
from segpp.utils.files import manifest_path, sha256_of
from tests.helpers.commands import in_subprocess, python_without

torch = pytest.importorskip("torch")
onnx = pytest.importorskip("onnx")

from segpp.export.models.rewriting import select_rewrites  # noqa: E402
from segpp.export.models.segformer.architecture import Numerics, segformer  # noqa: E402 - torch may be missing
from segpp.export.models.segformer.loading import state_dict_for  # noqa: E402
from segpp.export.models.segformer.macs import macs_of  # noqa: E402
from segpp.export.models.segformer.model import SegFormer  # noqa: E402
from segpp.export.models.segformer.presets import reduction_config  # noqa: E402
from segpp.export.models.segformer.rewrites import REWRITES  # noqa: E402
from segpp.export.models.segformer.sites import site_grids  # noqa: E402
from segpp.export.reduction.config import count_tokens  # noqa: E402
from segpp.export.targets import TARGETS  # noqa: E402
from segpp.inspection.onnx_graph import inspect_onnx  # noqa: E402
from segpp.ops.grid import Size  # noqa: E402

Command = Callable[..., "subprocess.CompletedProcess[str]"]

SIZE = Size(128, 128)
SMALL = replace(
    segformer("b0", classes=3, decoder=16),
    name="segformer-custom",
    dims=(8, 16, 40, 64),
    depths=(1, 1, 1, 1),
)
ENGINE = {
    "library": "tensorrt-rtx",
    "version": "1.4.0",
    "compute_capabilities": ["8.9"],
    "layers": 12,
    "attention_found": 4,
    "attention_expected": 4,
    "activation_bytes": 1000000,
    "weight_bytes": 2000000,
    "build_seconds": 1.5,
    "ran": False,
}


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    state = SegFormer(SMALL, Numerics(1e-5, 1e-6, 1e-5, 1e-6)).state_dict()
    meta = {"dataset_meta": {"classes": ("road", "car", "sky")}}
    path = tmp_path_factory.mktemp("checkpoint") / "small.pth"
    torch.save({"state_dict": state_dict_for("mmsegmentation", state), "meta": meta}, path)
    return path


@pytest.fixture(scope="module")
def exported(checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("exported") / "small.onnx"
    flags = ("--ratio", "0.5", "--size", SIZE, "--no-check")
    done = in_subprocess("export", checkpoint, path, *flags)
    assert done.returncode == 0, done.stderr
    return path


@pytest.fixture
def model(exported: Path, tmp_path: Path) -> Path:
    """A copy of the exported file and its manifest, to be damaged."""
    path = tmp_path / "small.onnx"
    path.write_bytes(exported.read_bytes())
    manifest_path(path).write_bytes(manifest_path(exported).read_bytes())
    return path


def rewrite(path: Path, **changes: Any) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def test_a_checkpoint_tells_what_presets_would_do(segpp: Command, checkpoint: Path) -> None:
    done = segpp("inspect", checkpoint, "--size", "128x256")

    assert done.returncode == 0, done.stderr
    lines = [line.split() for line in done.stdout.splitlines()]
    assert done.stdout.startswith(f"{checkpoint}: a SegFormer checkpoint of mmsegmentation")
    assert ["widths", "8,", "16,", "40,", "64"] in lines
    assert ["classes", "3:", "road,", "car,", "sky"] in lines
    assert "tokens left at 128x256" in done.stdout
    # 4x8 reduced tokens: 0.6 of 32 merge into 2x2 cells; 0.9 wants 28, 30 are sources of 4x4.
    row = ["1.kv", "keys,", "values", "4x8", "32", "13", "4", "-", "13"]
    assert row in lines


def test_the_json_of_a_checkpoint_has_the_counted_macs(segpp: Command, checkpoint: Path) -> None:
    done = segpp("inspect", checkpoint, "--size", SIZE, "--ratio", "0.5", "--json")

    found = json.loads(done.stdout)
    sites = count_tokens(reduction_config(ratio=0.5), site_grids(SIZE))
    asked = found["reductions"]["ratio 0.5"]
    assert found["parameters"] == sum(
        p.numel() for p in SegFormer(SMALL, Numerics(1e-5, 1e-6, 1e-5, 1e-6)).parameters()
    )
    assert [site["tokens_out"] for site in asked["sites"]] == [site.tokens_out for site in sites]
    assert asked["macs"]["total"] == macs_of(SMALL, SIZE, sites).total


def test_the_format_of_a_checkpoint_is_called_so(segpp: Command, checkpoint: Path) -> None:
    text, data = segpp("inspect", checkpoint), segpp("inspect", checkpoint, "--json")

    assert re.search(r"^  format +mmsegmentation$", text.stdout, re.MULTILINE)
    assert json.loads(data.stdout)["format"] == "mmsegmentation"


def test_a_preset_that_does_not_fit_is_told_and_the_rest_shown(
    segpp: Command, checkpoint: Path
) -> None:
    done = segpp("inspect", checkpoint, "--size", "64x64")

    assert done.returncode == 0, done.stderr
    assert "does not fit" in done.stdout
    assert "fast  stage 1, kv: bsm with cells of 4x4 does not fit a grid of 2x2" in done.stdout
    assert "hq" in done.stdout.split("does not fit")[1]


def test_a_checkpoint_tells_the_rewrites_that_the_export_lists(
    segpp: Command, checkpoint: Path
) -> None:
    inspected = segpp("inspect", checkpoint, "--json")
    listed = segpp("export", "--list-rewrites")
    text = segpp("inspect", checkpoint)

    found = json.loads(inspected.stdout)["rewrites"]
    every = [line.split(maxsplit=1) for line in listed.stdout.splitlines()]
    assert len({name for name, _ in every}) == len(every)
    # Those of other families stand there too.
    lines = [(name, rest) for name, rest in every if name in found]
    assert [name for name, _ in lines] == list(found)
    for name, rest in lines:
        targets = found[name]["targets"]
        only = f" (--target {targets[0]} only)" if len(targets) == 1 else ""
        assert rest == found[name]["meaning"] + only
        marks = ["yes" if target in targets else "-" for target in TARGETS]
        row = [name, *marks, *found[name]["meaning"].split()]
        assert row in [line.split() for line in text.stdout.splitlines()]
    kinds = {tuple(rewrite["targets"]) for rewrite in found.values()}
    assert kinds == {TARGETS, ("onnxruntime",), ("tensorrt",)}


def test_a_file_tells_which_rewrites_it_has_and_which_were_left_out(
    segpp: Command, checkpoint: Path, tmp_path: Path
) -> None:
    out = tmp_path / "small.onnx"
    off = ("--no-rewrite", "gelu-for-fusion", "--no-rewrite", "fuse-kv-projection")
    done = segpp("export", checkpoint, out, "--size", SIZE, "--no-check", *off)
    assert done.returncode == 0, done.stderr

    text = segpp("inspect", out).stdout

    section = text.split("exact rewrites\n")[1].split("\n\n")[0]
    on, off_line = " ".join(section.split()).removeprefix("on ").split(" off ")
    off = {"gelu-for-fusion", "fuse-kv-projection"}
    assert set(off_line.split(", ")) == off
    assert set(on.split(", ")) == set(select_rewrites(REWRITES).on) - {
        "gelu-for-fusion",
        "fuse-kv-projection",
    }
    assert "rewrites=" not in text
    assert segpp("inspect", manifest_path(out)).stdout.count("gelu-for-fusion") == 1


def test_an_onnx_file_tells_its_graph_and_its_merging(segpp: Command, exported: Path) -> None:
    done = segpp("inspect", exported, "--json")

    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    sites = count_tokens(reduction_config(ratio=0.5), site_grids(SIZE))
    assert found["opsets"] == {"ai.onnx": 18, "segpp": 1}
    assert found["inputs"] == [["image", "(1, 3, 128, 128)", "float32"]]
    assert found["nodes"]["SegppTokenMatch"] == len(sites) == 4
    assert found["nodes"]["SegppTokenUnmerge"] == 2
    assert "MatMul" in found["functions"]["SegppTokenMatch"]
    assert found["macs"]["uncounted"] == {}
    assert found["manifest"]["source"]["name"] == "small.pth"
    flows = {row["tokens"] for row in found["custom"] if row["operator"] == "SegppTokenMerge"}
    assert flows == {f"{site.tokens_in} -> {site.tokens_out}" for site in sites}
    assert found["problems"] == []


def test_the_text_of_an_onnx_file_has_all_sections(segpp: Command, exported: Path) -> None:
    done = segpp("inspect", exported)

    titles = [line for line in done.stdout.splitlines()[1:] if line and not line.startswith(" ")]
    assert titles == [
        "file",
        "tensors",
        "nodes",
        "custom operators",
        "rules of the targets",
        "network",
        "exact rewrites",
        "input and output",
        "token reduction, in every block of the stage",
        "multiply-accumulates per image before exact rewrites, in billions",
        "parity with PyTorch",
        "certificate",
    ]
    # Two counts, of two networks: the file's own nodes, and those before the rewrites.
    assert re.search(
        r"^  MACs +\d+\.\d\d billion a call, of the nodes in this file$", done.stdout, re.MULTILINE
    )
    assert max(map(len, done.stdout.splitlines()[1:])) <= 100


def test_a_manifest_of_another_file_fails_the_check(segpp: Command, model: Path) -> None:
    with model.open("ab") as file:
        file.write(b"\0")

    done = segpp("inspect", manifest_path(model))

    assert done.returncode == 1
    assert f"error: {model} is not the file that its manifest describes" in done.stderr
    assert "here, but another one than described" in done.stdout


def test_a_damaged_manifest_beside_an_onnx_file_fails_the_check(
    segpp: Command, model: Path
) -> None:
    rewrite(manifest_path(model), precision="fp12")

    done = segpp("inspect", model)

    assert done.returncode == 1
    assert "manifest.precision" not in done.stderr  # it is named by its file
    assert f"{manifest_path(model)}.precision is 'fp12'" in done.stderr
    assert "custom operators" in done.stdout


OTHERS = ("onnxruntime", "onnxscript", "onnx_ir", "sympy")
INSPECT = "from segpp.cli import main; sys.exit(main(['inspect', *sys.argv[1:]]))"


def test_a_manifest_alone_needs_neither_torch_nor_onnx(model: Path) -> None:
    model.unlink()

    done = python_without(("torch", "onnx", *OTHERS), INSPECT, manifest_path(model))

    assert done.returncode == 0, done.stderr
    assert "small.onnx  not here" in done.stdout
    assert "1.kv  bsm:ratio=0.5,sy=2,sx=2,window=0" in done.stdout


def test_an_onnx_file_is_told_without_torch(exported: Path) -> None:
    done = python_without(("torch", *OTHERS), INSPECT, exported)

    assert done.returncode == 0, done.stderr


def test_an_engine_is_told_by_its_manifest(segpp: Command, model: Path, tmp_path: Path) -> None:
    engine = tmp_path / "small.engine"
    engine.write_bytes(b"ptrt" + bytes(100))
    manifest_path(engine).write_bytes(manifest_path(model).read_bytes())
    info = {"name": "small.engine", "sha256": sha256_of(engine), "bytes": 104}
    # As the builder writes it: what was measured of the file is in the file's own manifest.
    rewrite(manifest_path(engine), kind="engine", file=info, engine=ENGINE, parity=None)

    done = segpp("inspect", engine)

    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"{engine}: an engine\n")
    assert "compute capability 8.9" in done.stdout
    assert "built, not run" in done.stdout
    assert "measured  not of an engine; the manifest of its ONNX file tells\n" in done.stdout


def test_an_engine_without_a_manifest_cannot_be_told(segpp: Command, tmp_path: Path) -> None:
    (tmp_path / "x.engine").write_bytes(b"ptrt" + bytes(100))

    done = segpp("inspect", tmp_path / "x.engine")

    assert done.returncode == 2
    assert "has no manifest beside it" in done.stderr


FOREIGN = """
<ir_version: 8, opset_import: ["": 18, "other": 1], producer_name: "somebody">
g (float[N,3,8,8] image) => (float[N,2,8,8] y) <float[2,3,1,1] w = {1,2,3,4,5,6}> {
    z = Conv(image, w)
    n = NonZero(z)
    y = other.Strange<level = 3>(z)
}
"""


def test_a_foreign_onnx_file_is_described_with_the_rules_it_breaks(
    segpp: Command, tmp_path: Path
) -> None:
    onnx.save(onnx.parser.parse_model(FOREIGN), tmp_path / "x.onnx")

    done = segpp("inspect", tmp_path / "x.onnx")

    assert done.returncode == 0, done.stderr
    assert "somebody" in done.stdout
    assert "(N, 3, 8, 8)" in done.stdout
    assert "the dimension is open" in done.stdout
    assert "NonZero: its shape depends on the data" in done.stdout
    assert "Strange" in done.stdout
    assert "level=3" in done.stdout
    assert ["not", "counted", "1", "Conv"] in [line.split() for line in done.stdout.splitlines()]


def test_a_file_cannot_send_commands_to_the_terminal(segpp: Command, tmp_path: Path) -> None:
    model = onnx.parser.parse_model(FOREIGN)
    model.producer_name = "evil\x1b[2J\x07"
    onnx.save(model, tmp_path / "x.onnx")

    done = segpp("inspect", tmp_path / "x.onnx")

    assert r"evil\x1b[2J\x07" in done.stdout
    assert "\x1b" not in done.stdout


def test_a_damaged_onnx_file_never_ends_in_a_traceback(tmp_path: Path) -> None:
    whole = onnx.parser.parse_model(FOREIGN).SerializeToString()
    chance = random.Random(0)  # noqa: S311 - no secret
    refused = 0
    for _ in range(300):
        damaged = bytearray(whole)
        for _ in range(chance.randint(1, 3)):
            damaged[chance.randrange(len(damaged))] = chance.randrange(256)
        (tmp_path / "x.onnx").write_bytes(damaged)
        try:
            inspect_onnx(tmp_path / "x.onnx").json()
        except GraphError:
            refused += 1

    # Both happen, or the test shows nothing.
    assert 0 < refused < 300


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--size", "100x31"], "below 32 pixels"),
        (["--ratio", "1.5"], "--ratio 1.5"),
        (["--checkpoint-format", "elsewhere"], "elsewhere"),
    ],
)
def test_wrong_settings_are_refused(
    segpp: Command, checkpoint: Path, arguments: list[str], says: str
) -> None:
    done = segpp("inspect", checkpoint, *arguments)

    assert done.returncode == 2
    assert says in done.stderr


def test_settings_for_checkpoints_are_refused_elsewhere(segpp: Command, exported: Path) -> None:
    done = segpp("inspect", exported, "--size", "64x64")

    assert done.returncode == 2
    assert "--size goes with a checkpoint" in done.stderr
