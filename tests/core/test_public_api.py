"""``import segpp``: it offers what it lists, is light to import, and does as its examples show."""

import doctest
import inspect
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

import segpp
from segpp.runtime.inference.open_session import open_session
from segpp.runtime.system.packages import known_packages

FUNCTIONS = [name for name in segpp.__all__ if inspect.isfunction(getattr(segpp, name))]
ERRORS = [name for name in segpp.__all__ if name.endswith("Error")]
# What a board need not have, and what takes long to import.
HEAVY = tuple(known_packages())
EXTRAS = tuple(name for name, package in known_packages().items() if package.extra)
IMPORT_SECONDS = 0.1


def python(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_every_name_is_there_and_the_list_is_sorted() -> None:
    assert [name for name in segpp.__all__ if getattr(segpp, name, None) is None] == []
    assert segpp.__all__ == sorted(segpp.__all__)
    assert set(segpp.__all__) <= set(dir(segpp))


def test_a_name_that_is_not_there_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'exprot_onnx'"):
        segpp.exprot_onnx  # noqa: B018 - the access is the test


@pytest.mark.parametrize("name", FUNCTIONS)
def test_the_types_of_a_function_can_be_asked_for(name: str) -> None:
    """Without what a board need not have."""
    code = (
        "import sys, typing, segpp\n"
        f"hints = typing.get_type_hints(segpp.{name})\n"
        f"print('return' in hints, sorted(set({EXTRAS!r}) & set(sys.modules)))"
    )

    assert python(code) == "True []\n"


@pytest.mark.slow
def test_a_type_checker_knows_the_names_and_no_others(tmp_path: Path) -> None:
    pytest.importorskip("mypy", reason="mypy is the type checker")
    file = tmp_path / "program.py"
    file.write_text(
        "import segpp\n"
        "with segpp.load('a.onnx') as session:\n"
        "    reveal_type(session)\n"
        "segpp.exprot_onnx('a.pth', 'a.onnx')\n"
        "segpp.export_onnx('a.pth', 'a.onnx', bacth=2)\n"
    )
    root = Path(segpp.__file__).parents[1]
    command = [sys.executable, "-m", "mypy", "--strict", "--ignore-missing-imports", file.name]

    done = subprocess.run(
        command,
        cwd=tmp_path,
        env={**os.environ, "MYPYPATH": str(root)},
        capture_output=True,
        text=True,
        check=False,
    )

    told = [line for line in done.stdout.splitlines() if line.startswith("program.py")]
    assert 'note: Revealed type is "segpp.runtime.inference.session.Session"' in told[0]
    assert 'program.py:4: error: Module has no attribute "exprot_onnx"' in told[1]
    assert 'program.py:5: error: Unexpected keyword argument "bacth"' in told[2]


def test_every_error_is_ours() -> None:
    assert [name for name in ERRORS if not issubclass(getattr(segpp, name), segpp.SegppError)] == []


def test_importing_it_loads_nothing_heavy_and_takes_no_time() -> None:
    code = (
        "import sys, time; start = time.perf_counter(); import segpp\n"
        f"print(time.perf_counter() - start, sorted(set({HEAVY!r}) & set(sys.modules)))"
    )

    # The first one may compile; a busy machine makes the least of three the honest number.
    outcomes = [python(code).split(maxsplit=1) for _ in range(3)]

    assert [loaded.strip() for _, loaded in outcomes] == ["[]"] * 3
    assert min(float(seconds) for seconds, _ in outcomes) < IMPORT_SECONDS


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_function_tells_its_arguments_its_errors_and_shows_an_example(name: str) -> None:
    function = getattr(segpp, name)
    text = inspect.getdoc(function) or ""
    arguments = inspect.signature(function).parameters

    told = text.partition("Args:")[2].partition("Raises:")[0]
    assert [argument for argument in arguments if argument not in told] == []
    if function.__module__.startswith("segpp.api"):
        assert "Raises:" in text
        assert ">>> " in text


def test_the_defaults_of_loading_are_those_of_the_session() -> None:
    session = inspect.signature(open_session).parameters
    same = {"spin": "spinning"}

    for function in (segpp.load, segpp.predict):
        for name, parameter in inspect.signature(function).parameters.items():
            if (theirs := session.get(same.get(name, name))) and theirs.name != "path":
                assert parameter.default == theirs.default, (function.__name__, name)


@pytest.fixture(scope="module")
def folder(exported: Callable[..., Path], b0_checkpoint: Path, tmp_path_factory: Any) -> Path:
    """What the examples speak of: a checkpoint, files, a street and a small labelled set."""
    place: Path = tmp_path_factory.mktemp("examples")
    shutil.copy(b0_checkpoint, place / "model.pth")
    for name in ("none", "hq"):
        file = exported(name, "128x256", "fp32")
        for source in (file, file.with_name(f"{file.name}.json")):
            shutil.copy(source, place / source.name.replace(file.stem, name))
    street = Image.open(segpp.sample_image())
    street.save(place / "street.png")
    for part in ("images", "labels"):
        (place / "val" / part).mkdir(parents=True)
    street.resize((256, 128)).save(place / "val" / "images" / "0.png")
    Image.new("L", (256, 128), 3).save(place / "val" / "labels" / "0.png")
    return place


@pytest.mark.slow
def test_the_examples_give_what_they_show(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the order of a day: the export writes what the others read."""
    monkeypatch.chdir(folder)
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS)
    finder = doctest.DocTestFinder(recurse=False)

    for name in ("export_onnx", *(name for name in FUNCTIONS if name != "export_onnx")):
        for example in finder.find(getattr(segpp, name), name, globs={"segpp": segpp}):
            runner.run(example)

    results = runner.summarize()
    assert results.attempted >= 10
    assert results.failed == 0
