"""Who may import what: read from the source, so that an import inside a function counts too."""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from segpp.runtime.backends.base import BACKENDS
from segpp.runtime.build.builders import BUILDERS
from tests.conventions.source import imported_by_call, relative_imports

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("export", "calib", "runtime", "train")
# Training changes the weights of the export's own networks; no other stage knows of another.
BUILT_ON = {"train": {"export"}}
# Commands and the Python API stand above the packages; nobody below knows of them.
TOP = ("cli", "inspection", "api")
CODE = ("src", *PACKAGES, "tests", "benchmarks", "examples")
# The libraries that run or compile files, as their own files name them; tensorrt takes the plugins.
ENGINES = {
    *(spec.module for spec in BACKENDS.values()),
    *(builder.module for builder in BUILDERS.values()),
    "tensorrt",
}

# What every machine has. The rest of a layer's packages comes with an extra.
BASE = {"numpy", "PIL", "tqdm"}
# An ONNX model is a protobuf message, and its parser's errors are protobuf's.
ONNX = {"onnx", "google"}
LAYERS = {
    "core": BASE,
    "export": BASE | {"torch", "onnxscript", "onnx_ir", "onnxruntime", "safetensors"} | ONNX,
    "calib": BASE | {"onnxruntime"} | ONNX,
    "runtime": BASE,
    "train": BASE | {"torch", "safetensors"},
    "top": BASE | ONNX,
}
# One library per file, so that choosing one never loads another.
ENGINE_FOLDERS = (ROOT / "runtime" / "backends", ROOT / "runtime" / "build" / "builders")
# What single files may import besides, inside a function, with the extra that brings it.
BESIDES = {
    ROOT / "runtime" / "media" / "films" / "container.py": {"av"},
    # Whether it loads is one of the doctor's questions.
    ROOT / "runtime" / "system" / "self_test.py": {"av"},
    ROOT / "runtime" / "benchmark" / "plot.py": {"matplotlib"},
    ROOT / "export" / "models" / "vit" / "loading" / "variant.py": {"yaml"},
    **{
        ROOT / "runtime" / "backends" / f"{name.replace('-', '_')}.py": set(spec.needs)
        for name, spec in BACKENDS.items()
        if spec.needs
    },
    ROOT / "src" / "segpp" / "images" / "stored" / "tiff.py": {"tifffile"},
    ROOT / "src" / "segpp" / "images" / "mosaic.py": {"tifffile"},
    ROOT / "runtime" / "media" / "geotiff.py": {"tifffile"},
    ROOT / "src" / "segpp" / "images" / "stored" / "pictures.py": {"pillow_heif"},
    **{
        ROOT / "src" / "segpp" / "images" / "stored" / name: {"imagecodecs"}
        for name in ("jpeg2000.py", "_tiffs/segments.py")
    },
    ROOT / "runtime" / "backends" / "engine" / "cuda.py": {"cuda"},
}


def imports(tree: ast.AST) -> set[str]:
    """Return every module that a tree imports, dotted; a relative one starts with a dot."""
    found = set(imported_by_call(tree))
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            module = "." * node.level + (node.module or "")
            found.update(f"{module}.{alias.name}" for alias in node.names)
    return found


def third_parties(modules: set[str]) -> set[str]:
    roots = {module.partition(".")[0] for module in modules}
    # A relative import has no root, and a test of its own.
    return roots - sys.stdlib_module_names - {"segpp", ""}


def packages_of_ours(modules: set[str]) -> set[str]:
    parts = [module.split(".") for module in modules]
    return {names[1] for names in parts if names[0] == "segpp" and {*names[1:2]} & {*PACKAGES}}


def allowed(layer: str, path: Path) -> set[str]:
    engines = ENGINES if path.parent in ENGINE_FOLDERS else set()
    return LAYERS[layer] | engines | BESIDES.get(path, set())


def files_of(layer: str) -> list[Path]:
    if layer not in {"core", "top"}:
        return sorted((ROOT / layer).rglob("*.py"))
    package = ROOT / "src" / "segpp"
    return sorted(
        path
        for path in (*package.glob("*.py"), *package.glob("*/**/*.py"))
        if (name := path.relative_to(package).parts[0].removesuffix(".py")) not in PACKAGES
        and (layer == "top") is (name in {*TOP, "__init__", "__main__"})
    )


def trees_of(layer: str) -> Iterator[tuple[Path, ast.Module]]:
    for path in files_of(layer):
        yield path, ast.parse(path.read_text(encoding="utf-8"))


def imported_from_the_root(tree: ast.AST) -> set[str]:
    """Return the imports of a folder at the root by its own name, as ``import export``."""
    return {name for name in imports(tree) if name.partition(".")[0] in PACKAGES}


def named(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("layer", LAYERS)
def test_a_layer_imports_only_the_packages_it_may(layer: str) -> None:
    forbidden = {
        named(path): extra
        for path, tree in trees_of(layer)
        if (extra := third_parties(imports(tree)) - allowed(layer, path))
    }

    assert forbidden == {}


@pytest.mark.parametrize("layer", [layer for layer in LAYERS if layer != "top"])
def test_nobody_below_knows_of_the_commands(layer: str) -> None:
    forbidden = {
        named(path): above
        for path, tree in trees_of(layer)
        if (above := {n for n in imports(tree) if n.startswith(tuple(f"segpp.{t}" for t in TOP))})
    }

    assert forbidden == {}


@pytest.mark.parametrize("layer", [layer for layer in LAYERS if layer != "top"])
def test_the_packages_never_import_each_other_nor_the_core_one_of_them(layer: str) -> None:
    """But for training, which is about the export's networks."""
    own = {layer, *BUILT_ON.get(layer, ())}
    forbidden = {
        named(path): others
        for path, tree in trees_of(layer)
        if (others := packages_of_ours(imports(tree)) - own)
    }

    assert forbidden == {}


def test_nothing_imports_a_folder_at_the_root_by_its_own_name() -> None:
    """It would load every module a second time, with registries of its own."""
    forbidden = {
        named(path): names
        for folder in CODE
        for path in (ROOT / folder).rglob("*.py")
        if (names := imported_from_the_root(ast.parse(path.read_text(encoding="utf-8"))))
    }

    assert forbidden == {}


def test_every_import_names_its_module_whole() -> None:
    """A relative one would pass by the tests of who may import what."""
    relative = {
        named(path): found
        for folder in CODE
        for path in (ROOT / folder).rglob("*.py")
        if (found := list(relative_imports(ast.parse(path.read_text(encoding="utf-8")))))
    }

    assert relative == {}


@pytest.mark.parametrize(
    "source", ["from . import x", "from ..export import x", "from .x import y"]
)
def test_every_form_of_a_relative_import_is_seen(source: str) -> None:
    assert list(relative_imports(ast.parse(source))) == [source]


def test_an_engine_file_imports_one_library_and_only_inside_a_function() -> None:
    for path, tree in trees_of("runtime"):
        libraries = third_parties(imports(tree)) & ENGINES
        at_import_time = [
            node for node in ast.walk(tree) if isinstance(node, ast.Import | ast.ImportFrom)
        ]
        inside = {
            node
            for function in ast.walk(tree)
            if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef)
            for node in ast.walk(function)
        }
        eager = {
            name
            for node in at_import_time
            if node not in inside
            for name in third_parties(imports(ast.Module([node], [])))
        }

        assert len(libraries) <= 1, named(path)
        assert not eager & (ENGINES | set().union(*BESIDES.values())), named(path)


def test_every_file_with_a_package_of_its_own_is_there() -> None:
    assert [named(path) for path in BESIDES if not path.exists()] == []


def test_every_layer_has_files() -> None:
    """A moved folder would make every test above pass on nothing."""
    assert {layer: bool(files_of(layer)) for layer in LAYERS} == dict.fromkeys(LAYERS, True)


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("import torch.nn.functional as F", {"torch"}),
        ("from torch import nn", {"torch"}),
        ("def run():\n    import onnx", {"onnx"}),
        ("from . import neighbour", set()),
        ("from ..export import model", set()),
        ("import importlib\nimportlib.import_module('onnx.checker')", {"onnx"}),
        ("__import__('torch')", {"torch"}),
        ("import os, numpy", {"numpy"}),
        ("from segpp.ops.grid import Grid", set()),
    ],
)
def test_every_form_of_a_foreign_import_is_seen(source: str, found: set[str]) -> None:
    assert third_parties(imports(ast.parse(source))) == found


@pytest.mark.parametrize(
    "source",
    [
        "import segpp.export.pipeline",
        "from segpp import export",
        "from segpp.export import x",
        "from importlib import import_module\nimport_module('segpp.export.pipeline')",
    ],
)
def test_every_form_of_an_import_between_packages_is_seen(source: str) -> None:
    assert packages_of_ours(imports(ast.parse(source))) == {"export"}


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("import export", {"export"}),
        ("def run():\n    from runtime.plugins import find", {"runtime.plugins.find"}),
        ("from calib import x", {"calib.x"}),
        ("from segpp import export", set()),
        ("import segpp.runtime.plugins", set()),
        ("from .export import x", set()),
        ("from tests.export.samples import x", set()),
        ("import exporter", set()),
    ],
)
def test_every_form_of_an_import_from_the_root_is_seen(source: str, found: set[str]) -> None:
    assert imported_from_the_root(ast.parse(source)) == found
