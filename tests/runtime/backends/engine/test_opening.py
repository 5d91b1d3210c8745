"""From a file to a running engine: every step up to the GPU, with a real engine and library."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from segpp.errors import GraphError, InputError, MissingError
from segpp.manifest import PluginInfo, read_manifest
from segpp.runtime.backends.base import BACKENDS, BackendConfig
from segpp.runtime.backends.engine.opening import _carries_host_code
from segpp.runtime.backends.engine.trust import StaleEngineError, TrustedEngine, read_trusted
from segpp.utils.files import manifest_path
from tests.runtime.backends.engine.parts.engines import NO_GPU_HERE, rewrite, written_by

pytestmark = pytest.mark.rtx


def open_with(path: Path, **settings: object) -> None:
    BACKENDS["tensorrt-rtx"].open(path, BackendConfig(**settings)).close()  # type: ignore[arg-type]


@NO_GPU_HERE
def test_where_no_gpu_is_a_good_engine_lacks_that_alone(rtx_engine: Path) -> None:
    with pytest.raises(MissingError, match="runs on a GPU, and none answers here") as failure:
        open_with(rtx_engine)

    assert failure.value.facts == ("no NVIDIA driver", "it was built for compute capability 8.9")
    assert "hint: run what it was built from, which needs none: " in str(failure.value)


@NO_GPU_HERE
def test_an_engine_that_the_caller_vouches_for_comes_as_far(rtx_engine: Path) -> None:
    manifest_path(rtx_engine).unlink()

    with pytest.raises(MissingError, match="none answers here"):
        open_with(rtx_engine, trust=True)


def test_another_version_is_told_before_a_gpu_is_looked_for(rtx_engine: Path) -> None:
    written_by(rtx_engine, (1, 4, 0, 76))

    with pytest.raises(StaleEngineError, match="another version") as failure:
        open_with(rtx_engine)

    assert "built with: TensorRT-RTX 1.4.0.76, for compute capability 8.9" in failure.value.facts


def test_an_engine_under_another_name_is_the_same_engine(rtx_engine: Path) -> None:
    other = rtx_engine.with_name("moved.plan")
    shutil.move(rtx_engine, other)
    shutil.move(manifest_path(rtx_engine), manifest_path(other))

    with pytest.raises(MissingError, match=r"moved\.plan runs on a GPU"):
        open_with(other)


def test_a_library_that_takes_no_plugins_does_not_look_for_theirs(rtx_engine: Path) -> None:
    manifest = read_manifest(rtx_engine)
    assert manifest.engine
    library = PluginInfo("libsegpp_plugins.so", "5" * 64, "0.1.0", "10.3")
    rewrite(rtx_engine, replace(manifest, engine=replace(manifest.engine, plugin_library=library)))

    with pytest.raises(MissingError, match="calls plugins, and their library is not here"):
        open_with(rtx_engine)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"provider": "abacus"}, "unknown provider 'abacus'"),
        ({"precision": "fp3"}, "unknown precision 'fp3'"),
        ({"precision": "bf16"}, "in the precision that it was built with"),
    ],
)
def test_what_no_engine_honors_is_refused(
    rtx_engine: Path, settings: dict[str, str], said: str
) -> None:
    with pytest.raises(InputError, match=said):
        open_with(rtx_engine, **settings)


def test_an_engine_for_the_other_library_is_refused(rtx_engine: Path) -> None:
    content = rtx_engine.read_bytes()
    rtx_engine.write_bytes(b"ftrt" + content[4:])

    with pytest.raises(GraphError, match="is an engine of tensorrt, not of tensorrt-rtx"):
        open_with(rtx_engine)


@pytest.mark.parametrize(
    ("changes", "allowed"),
    [
        ({}, False),
        ({"plugin_library": PluginInfo("a.so", "5" * 64, "0", "10.3")}, False),
        ({"plugin_library": PluginInfo("a.so", "5" * 64, "0", "10.3", embedded=True)}, True),
        ({"version_compatible": True}, True),
    ],
)
def test_code_in_an_engine_runs_only_where_its_manifest_says_that_it_is_there(
    rtx_engine: Path, changes: dict[str, object], *, allowed: bool
) -> None:
    trusted = read_trusted(rtx_engine, library="tensorrt-rtx", trust=False)
    assert trusted.manifest
    assert trusted.manifest.engine
    info = replace(trusted.manifest.engine, **changes)  # type: ignore[arg-type]  # by name

    described = replace(trusted, manifest=replace(trusted.manifest, engine=info))

    assert _carries_host_code(described) is allowed
    assert not _carries_host_code(TrustedEngine(b"", "", trusted.header, None))
