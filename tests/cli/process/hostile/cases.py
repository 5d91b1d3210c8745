"""The inputs, one after the other: every trap first, then sound files with damage."""

import random
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

from tests.cli.process.hostile.mutate import damage_bytes, damage_json, damage_npz
from tests.cli.process.hostile.traps import TRAPS

__all__ = ["SOUND", "prepare_cases"]

_RUN = ["--out", "OUT/o.png"]
_DATA = ["--images", "images", "--labels", "labels"]
_EXPORT = ["--size", "64x64", "--no-check"]

# A damaged file, and the command that reads it. What ends soon comes more than once.
_READERS: tuple[tuple[str, list[str]], ...] = (
    ("zip.pth", ["inspect", "zip.pth"]),
    ("old.pth", ["inspect", "old.pth"]),
    ("a.safetensors", ["inspect", "a.safetensors"]),
    ("hf/model.safetensors", ["inspect", "hf"]),
    ("hf/config.json", ["inspect", "hf"]),
    ("hf/preprocessor_config.json", ["inspect", "hf"]),
    ("net.onnx", ["inspect", "net.onnx"]),
    ("foreign.onnx", ["inspect", "foreign.onnx"]),
    ("foreign.onnx", ["run", "foreign.onnx", "a.png", *_RUN]),
    ("net.onnx", ["run", "net.onnx", "a.png", *_RUN]),
    ("net.onnx.json", ["run", "net.onnx", "a.png", *_RUN]),
    ("net.onnx.json", ["inspect", "net.onnx.json"]),
    ("net.onnx.json", ["eval", "net.onnx", *_DATA]),
    ("a.png", ["run", "net.onnx", "a.png", *_RUN]),
    ("a.jpg", ["run", "net.onnx", "a.jpg", *_RUN]),
    ("a.gif", ["run", "net.onnx", "a.gif", *_RUN]),
    ("a.tif", ["run", "net.onnx", "a.tif", *_RUN]),
    ("a.webp", ["run", "net.onnx", "a.webp", *_RUN]),
    ("a.bmp", ["run", "net.onnx", "a.bmp", *_RUN]),
    ("images/0.png", ["eval", "net.onnx", *_DATA]),
    ("labels/0.png", ["eval", "net.onnx", *_DATA]),
    ("names.json", ["run", "net.onnx", "a.png", *_RUN, "--class-names", "names.json"]),
    ("names.txt", ["run", "net.onnx", "a.png", *_RUN, "--class-names", "names.txt"]),
    ("palette.json", ["run", "net.onnx", "a.png", *_RUN, "--palette", "palette.json"]),
    ("palette.txt", ["run", "net.onnx", "a.png", *_RUN, "--palette", "palette.txt"]),
    ("hf/config.json", ["export", "hf", "OUT/o.onnx", *_EXPORT]),
    ("zip.pth", ["export", "zip.pth", "OUT/o.onnx", *_EXPORT]),
    ("owner.npz", ["export", "owner.pth", "OUT/o.onnx", *_EXPORT, "--reference", "owner.npz"]),
)

# On sound files: what a command takes that has nothing to complain of.
SOUND: tuple[list[str], ...] = (
    ["inspect", "zip.pth"],
    ["run", "net.onnx", "a.png", *_RUN],
    ["eval", "net.onnx", *_DATA],
    ["export", "zip.pth", "OUT/o.onnx", *_EXPORT],
    ["export", "owner.pth", "OUT/o.onnx", *_EXPORT, "--reference", "owner.npz"],
)

# Damage to what a file holds, not to its bytes.
_INSIDE = {".json": damage_json, ".npz": damage_npz}

Prepare = Callable[[Path], list[str]]


def prepare_cases(count: int, seed: int) -> Iterator[tuple[str, Prepare]]:
    """Yield names of inputs, each with what writes it into a folder of sound files.

    Args:
        count: How many; every trap is among the first.
        seed: Of the damage; the same seed gives the same inputs.
    """
    for trap in TRAPS[:count]:
        yield trap.__name__.strip("_"), trap
    for index in range(max(0, count - len(TRAPS))):
        file, arguments = _READERS[index % len(_READERS)]
        yield f"{arguments[0]} {file} {seed}.{index}", _damaging(file, arguments, f"{seed}.{index}")


def _damaging(file: str, arguments: list[str], seed: str) -> Prepare:
    def prepare(folder: Path) -> list[str]:
        chance = random.Random(seed)  # noqa: S311 - no secret
        path = folder / file
        is_inside = chance.random() < 0.8
        damage = _INSIDE.get(path.suffix, damage_bytes) if is_inside else damage_bytes
        path.write_bytes(damage(path.read_bytes(), chance))
        return arguments

    return prepare


def copy_of(originals: Path, folder: Path) -> Path:
    """Return a fresh copy of the sound files."""
    shutil.copytree(originals, folder)
    return folder
