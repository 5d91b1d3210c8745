"""The tests of the runtime lie where its modules lie, so that a reader finds them."""

import ast
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

# What shows only as a whole is tested through the function or the command that puts it together.
ELSEWHERE = {
    "backends/_compile_cache.py": "runtime/backends/test_compile_cache.py",
    "backends/_engine_cache.py": "runtime/backends/test_engine_cache.py",
    "backends/_providers.py": "runtime/backends/test_providers.py",
    "benchmark/run.py": "cli/test_bench.py",
    "build/__init__.py": "runtime/build/test_build_engine.py",
    "build/builders/tensorrt.py": "trt_plugins/tensorrt/builder/test_network.py",
    "build/builders/tensorrt_rtx.py": "runtime/build/test_build_engine.py",
    "build/compile.py": "runtime/build/test_build_engine.py",
    "build/weak_typing.py": "trt_plugins/tensorrt/builder/test_network.py",
    "build/worker.py": "runtime/build/test_build_engine.py",
    "evaluation/__init__.py": "runtime/evaluation/test_evaluate.py",
    "inference/choose_backend.py": "runtime/inference/test_open_session.py",
    "inference/predict_files.py": "cli/run/test_run.py",
    **{
        f"media/looks/{name}.py": "runtime/media/looks/test_looks.py"
        for name in ("base", "compare", "confidence", "mask", "overlay", "side_by_side")
    },
}


def has_logic(path: Path) -> bool:
    """Return whether a module defines a function; a protocol and its records need no test."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return any(isinstance(node, ast.FunctionDef) for node in tree.body)


def mirror_of(path: Path) -> Path:
    name = path.relative_to(ROOT / "runtime")
    mirrored = Path("runtime") / name.with_name(f"test_{name.name}")
    return ROOT / "tests" / ELSEWHERE.get(name.as_posix(), mirrored)


def test_every_module_of_the_runtime_has_a_file_of_tests() -> None:
    modules = [path for path in sorted((ROOT / "runtime").rglob("*.py")) if has_logic(path)]

    untested = [
        path.relative_to(ROOT).as_posix() for path in modules if not mirror_of(path).exists()
    ]

    assert len(modules) > len(ELSEWHERE)
    assert untested == []


def test_every_exception_is_still_a_module() -> None:
    assert [name for name in ELSEWHERE if not (ROOT / "runtime" / name).exists()] == []
