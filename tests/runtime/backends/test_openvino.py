"""OpenVINO as a second backend: the same file, the same labels, and nothing done without a word."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper

from segpp.cli import main
from segpp.errors import CheckError, GraphError, InputError, MissingError
from segpp.images.preprocess import load_image
from segpp.manifest import read_manifest
from segpp.runtime.inference.open_session import open_session
from segpp.runtime.inference.session import Session
from segpp.runtime.system.hardware import this_machine
from tests.runtime.backends.openvino_cpu import has_bf16, needs_bf16

openvino = pytest.importorskip("openvino", reason="OpenVINO (segpp[openvino]) is not installed")

ROOT = Path(__file__).resolve().parents[3]
STREET = ROOT / "src" / "segpp" / "images" / "street.jpg"

Network = Callable[..., Path]
Exported = Callable[[str, str, str], Path]
Stripes = Callable[[int, int], np.ndarray]
Capture = pytest.CaptureFixture[str]


def open_with(path: Path, **settings: object) -> Session:
    return open_session(path, backend="openvino", **settings)  # type: ignore[arg-type]  # forwarded


# --- the same answers


@pytest.mark.parametrize("preset", ["none", "hq"])
def test_labels_are_those_of_onnxruntime(exported: Exported, preset: str) -> None:
    from segpp.export.models.segformer.tolerance import relative_tolerance  # noqa: PLC0415 - torch is here by now

    path, street = exported(preset, "128x256", "fp32"), load_image(STREET)
    with open_session(path, backend="onnxruntime") as session:
        expected = session(street, logits=True)

    with open_with(path, cache=False) as session:
        found = session(street, logits=True)

    assert expected.logits is not None
    assert found.logits is not None
    # How far two FP32 computations of this network may differ, derived from its sizes: 8e-5.
    limit = relative_tolerance(read_manifest(path).architecture, 4 * 8)
    difference = np.abs(found.logits - expected.logits).max() / np.abs(expected.logits).max()
    assert difference <= limit
    # Rounding decides ties only: one pixel in ten thousand at most, all others are equal.
    assert (found.masks[0] == expected.masks[0]).mean() >= 0.9999


@pytest.mark.parametrize("kind", ["logits", "labels", "uint8", "nine"])
@pytest.mark.parametrize("batch", [1, 2])
def test_every_kind_of_network_runs_with_and_without_a_manifest(
    network: Network, kind: str, batch: int
) -> None:
    channels = 9 if kind == "nine" else 3
    image = np.random.default_rng(0).integers(0, 256, (40, 50, channels), np.uint8)

    for manifest in (True, False):
        path = network(kind, batch=batch, manifest=manifest)
        with open_session(path, backend="onnxruntime") as session:
            expected = session([image] * 3).masks
        with open_with(path) as session:
            found = session([image] * 3).masks
        assert [one.dtype for one in found] == [one.dtype for one in expected]
        assert all((a == b).all() for a, b in zip(found, expected, strict=True))


def test_an_output_keeps_its_name_when_its_tensor_has_two(tmp_path: Path) -> None:
    path = tmp_path / "two.onnx"
    graph = "g (float[1,3,8,8] image) => (float[1,3,8,8] out) { a=Relu(image) out=Identity(a) }"
    onnx.save(onnx.parser.parse_model(f'<ir_version: 8, opset_import: ["": 18]> {graph}'), path)

    for _ in range(2):  # compiled, then from what was kept
        with open_with(path) as session:
            assert session.manifest.outputs[0].name == "out"
            assert list(session.run_raw(np.zeros((1, 3, 8, 8), np.float32))) == ["out"]


def test_the_callers_arrays_outlive_the_next_run(network: Network) -> None:
    rng = np.random.default_rng(0)
    first, second = rng.standard_normal((2, 1, 3, 32, 64), np.float32)

    with open_with(network()) as session:
        kept = session.run_raw(first)["out"]
        before = kept.copy()
        session.run_raw(second)

    assert (kept == before).all()


# --- nothing silently


@pytest.mark.parametrize("precision", ["fp32", pytest.param("bf16", marks=needs_bf16)])
def test_the_precision_is_the_one_asked_for(network: Network, precision: str) -> None:
    with open_with(network(), precision=precision) as session:
        assert session.description.endswith(f" (cpu, {precision})")
        hint = session._backend._network.get_property("INFERENCE_PRECISION_HINT")  # type: ignore[attr-defined]  # the point of the test

    assert hint.get_type_name() == {"fp32": "f32", "bf16": "bf16"}[precision]


def test_threads_are_honoured_or_refused(network: Network) -> None:
    cores = this_machine().cpu.cores
    with open_with(network(), threads=1) as session:
        threads = session._backend._network.get_property("INFERENCE_NUM_THREADS")  # type: ignore[attr-defined]  # the point of the test

    assert threads == 1
    with pytest.raises(InputError, match=rf"threads here, not on {4 * cores}"):
        open_with(network(), threads=4 * cores)


def test_unknown_precisions_and_providers_are_named(network: Network) -> None:
    with pytest.raises(InputError, match=r"unknown precision of openvino 'fp23'(.|\n)*'fp32'"):
        open_with(network(), precision="fp23")
    with pytest.raises(InputError, match="unknown provider 'gpu'"):
        open_with(network(), provider="gpu")
    with pytest.raises(InputError, match="unknown precision 'fp23'"):
        open_session(network(), backend="onnxruntime", precision="fp23")
    with pytest.raises(InputError, match=r"onnxruntime does not compute(.|\n)*`backend=openvino`"):
        open_session(network(), backend="onnxruntime", precision="bf16")


def test_it_reports_nothing_to_its_maker(network: Network) -> None:
    """By default importing it sends an event to Google Analytics."""
    program = (
        "import sys; from segpp.runtime.inference.open_session import open_session\n"
        "open_session(sys.argv[1], backend='openvino').close()\n"
        "print('openvino' in sys.modules, 'openvino_telemetry' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(network())],
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip

    assert done.stdout == "True False\n", done.stderr


@pytest.mark.parametrize("missing", ["openvino", "onnx"])
def test_a_missing_package_is_exit_3(exported: Exported, tmp_path: Path, missing: str) -> None:
    """Of the file's functions only the onnx package can make standard operators."""
    path = exported("hq", "128x256", "fp32")
    program = (
        f"import sys; sys.modules[{missing!r}] = None\n"
        "from segpp.cli import main\n"
        "sys.exit(main(['run', *sys.argv[1:], '--backend', 'openvino', '--no-cache']))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(path), str(STREET), "--out", str(tmp_path / "o.png")],
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip

    assert done.returncode == 3
    assert f"the package {missing} is not installed" in done.stderr
    assert "pip install 'segpp[openvino]'" in done.stderr


def test_a_file_without_functions_needs_no_onnx_package(network: Network) -> None:
    program = (
        "import sys; sys.modules['onnx'] = None\n"
        "from segpp.runtime.inference.open_session import open_session\n"
        "print(open_session(sys.argv[1], backend='openvino').description)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(network())],
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip

    assert done.stdout.startswith("openvino "), done.stderr


@pytest.mark.parametrize(
    ("have", "chosen"),
    [((), "onnxruntime"), (("onnxruntime",), "openvino")],
    ids=["both", "openvino alone"],
)
def test_auto_takes_onnxruntime_where_it_is(
    network: Network, monkeypatch: pytest.MonkeyPatch, have: tuple[str, ...], chosen: str
) -> None:
    for name in have:
        monkeypatch.setitem(sys.modules, name, None)

    with open_session(network()) as session:
        assert session.description.startswith(chosen)


# --- what it cannot read


def test_an_operator_that_it_does_not_know_is_named(tmp_path: Path) -> None:
    path = tmp_path / "foreign.onnx"
    graph = "g (float[1,3,8,8] a) => (float[1,3,8,8] b) { b = other.Strange(a) }"
    text = f'<ir_version: 8, opset_import: ["": 18, "other": 1]> {graph}'
    onnx.save(onnx.parser.parse_model(text), path)

    with pytest.raises(GraphError, match=r"cannot load(.|\n)*other\.Strange") as failure:
        open_with(path)

    assert "src/" not in str(failure.value)


def test_a_damaged_file_is_one_sentence(tmp_path: Path, network: Network) -> None:
    whole = network(manifest=False).read_bytes()
    path = tmp_path / "cut.onnx"
    for content in (whole[: len(whole) // 2], whole.replace(b"AveragePool", b"AveragePoop")):
        path.write_bytes(content)
        with pytest.raises(GraphError, match=r"cut\.onnx"):
            open_with(path)


# --- a lower precision has to prove itself


@needs_bf16
def test_bf16_that_agrees_runs(exported: Exported) -> None:
    path, street = exported("hq", "128x256", "fp32"), load_image(STREET)
    with open_with(path, cache=False) as session:
        exact = session(street).masks[0]

    # Random weights have more ties than trained ones, so less is asked for.
    with open_with(path, precision="bf16", min_agreement=0.9, cache=False) as session:
        first, again = session(street).masks[0], session(street).masks[0]

    assert (first == again).all()
    assert 0.9 <= (first == exact).mean() < 1.0


@needs_bf16
def test_bf16_that_does_not_agree_is_a_failed_check_every_time(exported: Exported) -> None:
    path, street = exported("none", "128x256", "fp32"), load_image(STREET)

    with open_with(path, precision="bf16", min_agreement=1.0, cache=False) as session:
        for _ in range(2):
            with pytest.raises(CheckError, match=r"in bf16 the labels agree with FP32 on 0\.9"):
                session(street)


def test_an_agreement_that_is_no_share_is_refused(network: Network) -> None:
    if not has_bf16():
        pytest.skip("this CPU does not compute in BF16")
    with pytest.raises(InputError, match=r"agreement asked for is 98"):
        open_with(network(), precision="bf16", min_agreement=98)


# --- the cache


def kept(path: Path) -> list[Path]:
    return sorted(path.with_name(path.name + ".cache").glob("*"))


def test_what_was_compiled_is_kept_and_gives_the_same_bits(network: Network) -> None:
    path = network()
    tensor = np.random.default_rng(0).standard_normal((1, 3, 32, 64), np.float32)
    with open_with(path, threads=1) as session:
        first = session.run_raw(tensor)["out"]
    [place] = kept(path)
    written = place.stat().st_mtime_ns

    with open_with(path, threads=1) as session:
        second = session.run_raw(tensor)["out"]

    assert place.name == "openvino-fp32-1.blob"
    assert kept(path) == [place]
    assert place.stat().st_mtime_ns == written
    assert (first == second).all()


def test_a_changed_file_is_compiled_again(network: Network, stripes: Stripes) -> None:
    path = network(manifest=False)
    open_with(path).close()
    model = onnx.load(path)
    model.graph.node[0].op_type = "MaxPool"
    onnx.save(model, path)
    image = stripes(32, 64)
    with open_session(path, backend="onnxruntime") as session:
        expected = session(image, logits=True).logits

    with open_with(path) as session:
        found = session(image, logits=True).logits

    assert expected is not None
    assert (found == expected).all()
    assert len(kept(path)) == 1


@pytest.mark.parametrize("damage", ["cut", "flipped", "emptied", "foreign"])
def test_a_damaged_copy_is_replaced(network: Network, stripes: Stripes, damage: str) -> None:
    path = network()
    open_with(path).close()
    [place] = kept(path)
    whole = place.read_bytes()
    flipped = bytearray(whole)
    flipped[len(whole) // 2] ^= 1
    damaged = {"cut": whole[:-9], "flipped": bytes(flipped), "emptied": b"", "foreign": b"x" * 999}
    place.write_bytes(damaged[damage])

    with open_with(path) as session:
        labels = session(stripes(32, 64)).masks[0]

    assert np.unique(labels).tolist() == [0, 1, 2]
    # Not the same bytes: the library's own form holds times or addresses.
    assert len(place.read_bytes()) == len(whole)
    assert place.read_bytes() != damaged[damage]


def test_without_the_cache_nothing_is_written(network: Network) -> None:
    path = network()

    open_with(path, cache=False).close()

    assert kept(path) == []


def test_where_nothing_can_be_written_it_runs_all_the_same(network: Network) -> None:
    path = network()
    path.with_name(path.name + ".cache").write_text("a file where the folder would be")

    with open_with(path) as session:
        assert session(np.zeros((8, 8, 3), np.uint8)).masks[0].shape == (8, 8)


def test_weights_beside_the_file_are_read_anew_each_time(tmp_path: Path) -> None:
    """The file's hash says nothing about them."""
    path = tmp_path / "net.onnx"
    tensor = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[1, 3, 1, 1])
    tensor.data_location = TensorProto.EXTERNAL
    entry = tensor.external_data.add()
    entry.key, entry.value = "location", "net.weights"
    image, out = (
        helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 3, 8, 8])
        for name in ("image", "out")
    )
    node = helper.make_node("Mul", ["image", "w"], ["out"])
    graph = helper.make_graph([node], "g", [image], [out], [tensor])
    opset = [helper.make_opsetid("", 18)]
    onnx.save(helper.make_model(graph, ir_version=8, opset_imports=opset), path)

    found = []
    for factor in (2, 3):
        np.full(3, factor, np.float32).tofile(tmp_path / "net.weights")
        with open_with(path) as session:
            [value] = np.unique(session.run_raw(np.ones((1, 3, 8, 8), np.float32))["out"])
            found.append(int(value))

    assert found == [2, 3]
    assert kept(path) == []


# --- from the command line


def test_segpp_run_takes_engine_precision_and_cache(
    network: Network, stripes: Stripes, tmp_path: Path, capsys: Capture
) -> None:
    from PIL import Image  # noqa: PLC0415

    path = network()
    Image.fromarray(stripes(48, 90)).save(tmp_path / "street.png")
    options = ("--backend", "openvino", "--threads", "1", "--no-cache", "--json")

    code = main(
        ["run", str(path), str(tmp_path / "street.png"), "--out", str(tmp_path / "o.png"), *options]
    )

    assert code == 0
    assert '"backend": "openvino ' in capsys.readouterr().out
    assert kept(path) == []


def test_the_oracle_is_another_library() -> None:
    assert "openvino" not in " ".join(onnxruntime.get_available_providers()).lower()


def test_missing_is_told_before_the_file_is_read(
    monkeypatch: pytest.MonkeyPatch, network: Network
) -> None:
    monkeypatch.setitem(sys.modules, "openvino", None)

    with pytest.raises(MissingError, match="the package openvino is not installed"):
        open_with(network())
