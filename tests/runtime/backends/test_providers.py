"""Which provider of onnxruntime runs a file, and with which options."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import onnxruntime
import pytest

from segpp.errors import InputError, MissingError
from segpp.manifest import read_manifest, render_manifest
from segpp.runtime.backends import _providers
from segpp.runtime.backends._engine_cache import EngineCache
from segpp.runtime.backends._providers import choose_provider, provider_name
from segpp.runtime.backends.base import BackendConfig
from segpp.utils.files import manifest_path
from tests.helpers.tiny_networks import network

__all__ = ["network"]

Network = Callable[..., Path]


@dataclass(frozen=True)
class Package:
    """What a build of onnxruntime says that it has; these are onnxruntime-gpu 1.31.1's."""

    available: tuple[str, ...] = (
        "TensorrtExecutionProvider",
        "CUDAExecutionProvider",
        "CPUExecutionProvider",
    )
    known: tuple[str, ...] = field(default_factory=lambda: tuple(onnxruntime.get_all_providers()))

    def get_available_providers(self) -> list[str]:
        return list(self.available)

    def get_all_providers(self) -> list[str]:
        return list(self.known)


GPU_BUILD = Package()
RTX_BUILD = Package(("NvTensorRTRTXExecutionProvider", *GPU_BUILD.available))


@pytest.fixture(params=[None, "8.9"])
def gpu(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str | None:
    """A driver that answers with a GPU, or none that does."""
    monkeypatch.setattr(_providers, "gpu_compute_capability", lambda: request.param)
    answer: str | None = request.param
    return answer


def test_every_provider_of_onnxruntime_has_a_name_of_its_own() -> None:
    names = [provider_name(full) for full in onnxruntime.get_all_providers()]

    assert len(set(names)) == len(names)
    assert {"cpu", "cuda", "tensorrt", "nv-tensorrt-rtx"} <= set(names)


def test_cuda_is_chosen_where_a_gpu_answers_and_the_package_has_it(
    network: Network, gpu: str | None
) -> None:
    path = network()

    chosen = choose_provider(GPU_BUILD, path, BackendConfig())

    assert chosen.is_automatic
    assert chosen.name == ("cuda" if gpu else "cpu")
    # The usual package has the CPU alone, GPU or not.
    usual = choose_provider(Package(("CPUExecutionProvider",)), path, BackendConfig())
    assert usual.providers == (("CPUExecutionProvider", {}),)


def test_whoever_asks_gets_what_was_asked_for(network: Network, gpu: str | None) -> None:
    for name in ("cpu", "cuda", "tensorrt", "CUDA"):
        chosen = choose_provider(GPU_BUILD, network(), BackendConfig(provider=name))

        assert (chosen.name, chosen.is_automatic) == (name.lower(), False), gpu


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("cuda", r"pip install 'segpp\[gpu\]'"),
        ("tensorrt", r"pip install 'segpp\[gpu,tensorrt\]'"),
        ("nv-tensorrt-rtx", "segpp-build-engine makes engines"),
    ],
)
def test_a_provider_that_the_package_lacks_is_missing(
    name: str, hint: str, network: Network
) -> None:
    usual = Package(("CPUExecutionProvider",))

    with pytest.raises(MissingError, match=f"has no provider '{name}'") as failure:
        choose_provider(usual, network(), BackendConfig(provider=name))

    assert failure.match(hint)


def test_a_provider_that_nobody_knows_is_an_error_with_those_that_are(network: Network) -> None:
    with pytest.raises(InputError, match=r"unknown provider 'cud'(.|\n)*did you mean 'cuda'"):
        choose_provider(GPU_BUILD, network(), BackendConfig(provider="cud"))


def test_fp32_is_not_rounded_to_tf32(network: Network) -> None:
    chosen = choose_provider(GPU_BUILD, network(), BackendConfig(provider="cuda"))

    assert chosen.providers == (
        ("CUDAExecutionProvider", {"use_tf32": "0"}),
        ("CPUExecutionProvider", {}),
    )


@pytest.mark.parametrize(
    ("precision", "flags"),
    [
        ("fp32", set()),
        ("fp16", {"trt_fp16_enable"}),
        ("bf16", {"trt_bf16_enable"}),
        ("int8", {"trt_int8_enable", "trt_fp16_enable"}),
    ],
)
def test_tensorrt_may_compute_in_the_files_own_types_and_in_no_lower(
    precision: str, flags: set[str], network: Network
) -> None:
    path = network()
    manifest = replace(read_manifest(path), precision=precision)  # type: ignore[arg-type]
    manifest_path(path).write_text(render_manifest(manifest))

    chosen = choose_provider(GPU_BUILD, path, BackendConfig(provider="tensorrt", cache=False))

    names = [name for name, _ in chosen.providers]
    assert names == list(GPU_BUILD.available)
    assert chosen.providers[0][1] == dict.fromkeys(flags, "1")
    assert chosen.cache is None


def test_engines_are_kept_beside_the_file(network: Network) -> None:
    path = network()
    folder = str(EngineCache(path).folder)

    trt = choose_provider(GPU_BUILD, path, BackendConfig(provider="tensorrt"))
    rtx = choose_provider(RTX_BUILD, path, BackendConfig(provider="nv-tensorrt-rtx"))

    if not EngineCache(path).is_usable:
        pytest.skip("this machine has no identity to seal a folder with")
    assert trt.providers[0][1]["trt_engine_cache_path"] == folder
    assert trt.providers[0][1]["trt_engine_cache_enable"] == "1"
    assert rtx.providers[0][1] == {"nv_runtime_cache_path": folder}


def test_without_a_manifest_a_file_is_taken_for_fp32(network: Network) -> None:
    config = BackendConfig(provider="tensorrt", cache=False)

    chosen = choose_provider(GPU_BUILD, network(manifest=False), config)

    assert chosen.providers[0] == ("TensorrtExecutionProvider", {})
