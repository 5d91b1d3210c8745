"""What the commands do where a package is missing: all that needs none, and one sentence else."""

from pathlib import Path

import pytest

from tests.helpers.commands import HEAVY, python_without

CODE = "import sys; from segpp.cli import main; sys.exit(main(sys.argv[1:]))"

# By its first bytes, which is all that is looked at without torch.
LIKE_A_CHECKPOINT = b"PK\x03\x04"


@pytest.mark.parametrize(
    ("package", "extra"),
    [
        ("torch", "export"),
        ("onnx", "export"),
        ("onnx_ir", "export"),
        ("safetensors", "export"),
        ("onnxruntime", "cpu"),
    ],
)
def test_a_missing_package_is_one_sentence_and_exit_3(
    package: str, extra: str, tmp_path: Path
) -> None:
    checkpoint = tmp_path / "a.pth"
    checkpoint.write_bytes(LIKE_A_CHECKPOINT)
    arguments = ("export", checkpoint, tmp_path / "a.onnx")
    done = python_without([package], CODE, *arguments)

    assert done.returncode == 3
    begun, *told = done.stderr.splitlines()
    assert begun.startswith(f"exporting {checkpoint} to ")
    assert told == [
        f"error: the package {package} is not installed",
        f"  hint: pip install 'segpp[{extra}]'",
    ]


@pytest.mark.parametrize(
    "arguments",
    [
        "none.pth b.onnx",
        "a.pth b.trt",
        "a.pth none/b.onnx",
        "a.pth b.onnx --size 16x200",
        "a.pth b.onnx --ratio 2",
        "a.pth b.onnx --preset fats",
        "a.pth b.onnx --preset hq --ratio 0.5",
        "a.pth b.onnx --reduce 3.q=bms",
        "a.pth b.onnx --precision fp8",
        "a.pth b.onnx --checkpoint-format nvlab",
        "a.pth b.onnx --no-rewrite fold-norm",
        "a.pth b.onnx --parity-image none.jpg",
    ],
)
def test_a_wrong_argument_of_the_export_is_told_before_a_heavy_package_is_imported(
    arguments: str, tmp_path: Path
) -> None:
    (tmp_path / "a.pth").write_bytes(LIKE_A_CHECKPOINT)

    done = python_without(HEAVY, CODE, "export", *arguments.split(), cwd=tmp_path)

    assert done.returncode == 2, done.stderr
    assert done.stderr.startswith("error: ")


@pytest.mark.parametrize(
    ("flag", "listed"),
    [("--list-reductions", "bsm"), ("--list-rewrites", "fold-attention-scale")],
)
def test_what_can_be_chosen_is_listed_without_a_heavy_package(flag: str, listed: str) -> None:
    done = python_without(HEAVY, CODE, "export", flag)

    assert done.returncode == 0, done.stderr
    assert listed in done.stdout
