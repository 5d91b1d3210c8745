"""Whether an engine may be loaded here: before any library sees a byte of it."""

from dataclasses import replace
from pathlib import Path

import pytest

from segpp.errors import GraphError, InputError, ManifestError, MissingError
from segpp.manifest import EngineInfo, Manifest, PluginInfo, Source
from segpp.runtime.backends.engine.trust import (
    Here,
    StaleEngineError,
    TrustedEngine,
    check_fits,
    read_trusted,
    rebuild_command,
    same_release,
)
from segpp.utils.files import manifest_path
from tests.helpers.tiny_networks import manifest_of
from tests.runtime.backends.engine.parts.engines import header_of, rewrite

INFO = EngineInfo("tensorrt", "10.3.0", ("8.7",), 9, 0, 0, 1, 1, 1.0, ran=False)
PLUGINS = PluginInfo("libsegpp_plugins.so", "5" * 64, "0.1.0", "10.3")
ORIN = Here("tensorrt", "TensorRT", "10.3.0", "8.7")


@pytest.fixture
def engine(tmp_path: Path) -> Path:
    """The header of an engine of TensorRT 10.3.0, which nobody loads here, and its manifest."""
    path = tmp_path / "net.engine"
    path.write_bytes(header_of((10, 3, 0, 30), magic=b"ftrt"))
    manifest = manifest_of(path, "uint8", 1)
    source = Source("net.onnx", "7" * 64, "onnx")
    rewrite(path, replace(manifest, kind="engine", source=source, engine=INFO))
    return path


def read(path: Path, *, trust: bool = False) -> TrustedEngine:
    return read_trusted(path, library="tensorrt", trust=trust)


def described(engine: Path, **changes: object) -> TrustedEngine:
    trusted = read(engine)
    assert trusted.manifest is not None
    info = replace(INFO, **changes)  # type: ignore[arg-type]  # fields by their names
    return replace(trusted, manifest=replace(trusted.manifest, engine=info))


def test_an_engine_with_its_manifest_is_read_once_and_whole(engine: Path) -> None:
    trusted = read(engine)
    engine.write_bytes(b"something else")

    assert trusted.blob == header_of((10, 3, 0, 30), magic=b"ftrt")
    assert trusted.info == INFO
    assert trusted.manifest
    assert trusted.sha256 == trusted.manifest.file.sha256


def test_an_altered_engine_is_refused_with_what_builds_it_again(engine: Path) -> None:
    engine.write_bytes(engine.read_bytes()[:-1] + b"x")

    with pytest.raises(ManifestError, match="written for another file") as failure:
        read(engine)

    assert f"segpp-build-engine {engine.with_suffix('.onnx')} {engine} --force" in str(
        failure.value
    )


def test_without_a_manifest_only_the_caller_can_vouch_for_it(engine: Path) -> None:
    manifest_path(engine).unlink()

    with pytest.raises(InputError, match="has no manifest, and an engine is code") as failure:
        read(engine)
    assert "`trust`" in str(failure.value)
    assert read(engine, trust=True).manifest is None


def test_trust_does_not_excuse_an_engine_that_its_manifest_does_not_describe(engine: Path) -> None:
    engine.write_bytes(engine.read_bytes()[:-1] + b"x")

    with pytest.raises(ManifestError):
        read(engine, trust=True)


def test_another_librarys_engine_is_told_by_whose_it_is(engine: Path) -> None:
    with pytest.raises(GraphError, match="is an engine of tensorrt, not of tensorrt-rtx"):
        read_trusted(engine, library="tensorrt-rtx", trust=False)


@pytest.mark.parametrize(
    "changes", [{"version": "10.4.0"}, {"library": "tensorrt-rtx", "version": "1.7.1.116"}]
)
def test_a_manifest_that_contradicts_the_engine_is_refused(
    engine: Path, changes: dict[str, str]
) -> None:
    manifest = read(engine).manifest
    assert manifest
    rewrite(engine, replace(manifest, engine=replace(INFO, **changes)))  # type: ignore[arg-type]

    with pytest.raises(ManifestError, match="contradicts the engine beside it"):
        read(engine)


def test_a_manifest_of_the_onnx_file_is_not_one_of_the_engine(engine: Path) -> None:
    manifest = read(engine).manifest
    assert manifest
    rewrite(engine, replace(manifest, kind="onnx", engine=None))

    with pytest.raises(ManifestError, match="written for another file"):
        read(engine)


def test_what_was_built_for_what_is_here_is_good(engine: Path) -> None:
    check_fits(engine, read(engine), ORIN)
    check_fits(engine, described(engine, compute_capabilities=("8.6", "8.7")), ORIN)
    check_fits(engine, read(engine), replace(ORIN, version="10.3.0.26"))


def test_without_a_gpu_its_kind_is_not_what_is_wrong(engine: Path) -> None:
    check_fits(engine, read(engine), replace(ORIN, compute_capability=None))


@pytest.mark.parametrize(
    ("here", "problem"),
    [
        (replace(ORIN, version="10.7.0"), "another version"),
        (replace(ORIN, version="11.4.1"), "another version"),
        (replace(ORIN, version="10.2.0"), "another version"),
        (replace(ORIN, compute_capability="11.0"), "another GPU"),
        (replace(ORIN, compute_capability="8.6"), "another GPU"),
    ],
)
def test_what_was_built_for_something_else_says_what_for_and_what_builds_it_again(
    engine: Path, here: Here, problem: str
) -> None:
    with pytest.raises(StaleEngineError, match=f"was built .*{problem}") as failure:
        check_fits(engine, read(engine), here)

    text = str(failure.value)
    assert "TensorRT 10.3.0" in text
    assert "compute capability 8.7" in text
    assert f"TensorRT {here.version}, a GPU of compute capability {here.compute_capability}" in text
    onnx = engine.with_suffix(".onnx")
    assert f"segpp-build-engine {onnx} {engine} --backend tensorrt" in text


@pytest.mark.parametrize(
    ("here", "loads"),
    [
        ("10.3.0", True),
        ("10.3.1", True),
        ("10.16.2", True),
        ("11.4.1", True),
        ("12.0.0", False),
        ("10.2.9", False),
        ("9.3.0", False),
    ],
)
def test_an_engine_for_later_versions_loads_up_to_the_next_major_one(
    engine: Path, here: str, *, loads: bool
) -> None:
    compatible = described(engine, version_compatible=True)

    if loads:
        check_fits(engine, compatible, replace(ORIN, version=here))
    else:
        with pytest.raises(StaleEngineError):
            check_fits(engine, compatible, replace(ORIN, version=here))


def test_an_engine_that_calls_plugins_wants_the_very_library(engine: Path) -> None:
    calling = described(engine, plugin_library=PLUGINS)

    check_fits(engine, calling, replace(ORIN, plugins=PLUGINS.sha256))
    with pytest.raises(MissingError, match="calls plugins, and their library is not here"):
        check_fits(engine, calling, ORIN)
    with pytest.raises(StaleEngineError, match="another plugin library") as failure:
        check_fits(engine, calling, replace(ORIN, plugins="9" * 64))
    assert "libsegpp_plugins.so 0.1.0 for TensorRT 10.3, 5555555555555555…" in str(failure.value)
    assert "9999999999999999…" in str(failure.value)


def test_an_engine_that_carries_its_plugins_needs_none_here(engine: Path) -> None:
    check_fits(engine, described(engine, plugin_library=replace(PLUGINS, embedded=True)), ORIN)


def test_of_an_engine_without_a_manifest_the_version_alone_is_known(engine: Path) -> None:
    manifest_path(engine).unlink()
    foreign = read(engine, trust=True)

    check_fits(engine, foreign, replace(ORIN, compute_capability="11.0"))
    with pytest.raises(StaleEngineError, match="another version") as failure:
        check_fits(engine, foreign, replace(ORIN, version="10.7.0"))
    assert "rebuild" not in str(failure.value)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("10.3.0", "10.3.0.30", True),
        ("1.7.1.116", "1.7.1.90", True),
        ("10.3.0", "10.3.1", False),
        ("10.3", "10.3.0", True),
        ("10.3.0", "10.13.0", False),
        ("", "10.3.0", False),
        ("unknown", "unknown", False),
    ],
)
def test_a_release_is_major_minor_and_patch(one: str, other: str, *, same: bool) -> None:
    assert same_release(one, other) is same


def test_the_command_names_files_as_a_shell_takes_them(engine: Path) -> None:
    manifest: Manifest | None = read(engine).manifest
    assert manifest
    there = replace(manifest, source=replace(manifest.source, name="my net.onnx"))

    assert rebuild_command(Path("a b.engine"), there) == (
        "segpp-build-engine 'my net.onnx' 'a b.engine' --backend tensorrt"
    )
