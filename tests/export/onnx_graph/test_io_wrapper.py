"""Pixels in, labels out: what stands around the network computes what the runtime did before."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image

from segpp.errors import CheckError, InputError
from segpp.export.config import ExportConfig
from segpp.export.images import ParityImage
from segpp.export.models.loading import load_checkpoint
from segpp.export.models.segformer.architecture import segformer
from segpp.export.models.segformer.loading import state_dict_for
from segpp.export.models.segformer.loading.formats import FORMATS
from segpp.export.models.segformer.model import SegFormer
from segpp.export.models.segformer.presets import PRESETS
from segpp.export.onnx_graph.io_wrapper import ModelWithIO
from segpp.export.onnx_graph.lint import lint
from segpp.export.parity import check_parity, measure_parity
from segpp.export.pipeline import export_onnx
from segpp.images.postprocess import resize_argmax
from segpp.images.preprocess import prepare
from segpp.manifest import Architecture, InputSpec, Parity, read_manifest
from segpp.ops.grid import Size
from segpp.runtime.inference.open_session import open_session
from tests.helpers.checkpoints import MINIATURE

SIZE = Size(128, 256)
MEAN, STD = (123.675, 116.28, 103.53), (58.395, 57.12, 57.375)
PIXELS = InputSpec("image", (1, *SIZE, 3), "uint8", "NHWC", "RGB", MEAN, STD)
FLOATS = InputSpec("image", (1, 3, *SIZE), "float32", "NCHW", "RGB", MEAN, STD)


def written(checkpoint: Path, out: Path, **options: object) -> Path:
    settings = {"size": SIZE, "reduction": PRESETS["hq"], **options}
    export_onnx(ExportConfig(checkpoint, out, **settings))  # type: ignore[arg-type]  # as the test says
    return out


def run(file: Path, tensor: NDArray[np.generic]) -> dict[str, NDArray[np.generic]]:
    session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(names, {"image": tensor}), strict=True))


@pytest.fixture
def picture() -> NDArray[np.uint8]:
    # Bright to the very edge, where padding with zeros would show.
    return np.random.default_rng(0).integers(180, 256, (*SIZE, 3), dtype=np.uint8)


def test_pixels_give_the_bits_that_normalised_floats_give(
    tiny_checkpoint: Path, tmp_path: Path, picture: NDArray[np.uint8]
) -> None:
    of_pixels = written(tiny_checkpoint, tmp_path / "pixels.onnx", input_dtype="uint8")
    of_floats = written(tiny_checkpoint, tmp_path / "floats.onnx")

    found = run(of_pixels, picture[None])["logits"]

    assert (found == run(of_floats, prepare([picture], FLOATS))["logits"]).all()


@pytest.mark.parametrize("precision", ["fp32", "fp16"])
def test_float_pixels_are_normalised_inside(
    tiny_checkpoint: Path, tmp_path: Path, picture: NDArray[np.uint8], precision: str
) -> None:
    options = {"precision": precision, "min_agreement": 0.9 if precision == "fp16" else None}
    plain = written(tiny_checkpoint, tmp_path / "floats.onnx", **options)
    pixels = written(tiny_checkpoint, tmp_path / "x.onnx", input_dtype="float32-pixels", **options)

    spec = read_manifest(pixels).input
    tensor = picture.transpose(2, 0, 1)[None].astype(np.float32)
    expected = run(plain, prepare([picture], FLOATS))["logits"]

    assert (run(pixels, tensor)["logits"] == expected).all()
    assert (spec.dtype, spec.layout, spec.mean, spec.std) == (
        "float32", "NCHW", (0.0,) * 3, (1.0,) * 3,
    )  # fmt: skip
    # Whoever does what the manifest says feeds the pixels.
    assert (prepare([picture], spec) == tensor).all()
    assert "mean 123.675 116.28 103.53" in read_manifest(pixels).options["normalization"]
    with open_session(pixels) as session:
        assert (session(picture, logits=True).logits == expected).all()


def test_halves_in_and_out_are_those_that_a_file_of_floats_computes_with(
    tiny_checkpoint: Path, tmp_path: Path, picture: NDArray[np.uint8]
) -> None:
    options = {"precision": "fp16", "outputs": "both", "min_agreement": 0.9}
    plain = written(tiny_checkpoint, tmp_path / "floats.onnx", **options)
    half = written(
        tiny_checkpoint,
        tmp_path / "x.onnx",
        input_dtype="float16",
        output_dtype="float16",
        **options,
    )

    spec, outputs = read_manifest(half).input, read_manifest(half).outputs
    expected = run(plain, prepare([picture], FLOATS))
    found = run(half, prepare([picture], spec))

    assert (spec.dtype, spec.layout, spec.mean) == ("float16", "NCHW", MEAN)
    assert [output.dtype for output in outputs] == ["float16", "int8"]
    assert found["logits"].dtype == np.float16
    # ONNX Runtime does not round between two operators: the last digit of a half may differ.
    assert np.abs(found["logits"] - expected["logits"]).max() < 2e-2
    assert (found["labels"] == expected["labels"]).mean() > 0.99


def test_input_and_outputs_are_called_as_the_caller_wants(
    tiny_checkpoint: Path, tmp_path: Path, picture: NDArray[np.uint8]
) -> None:
    usual = written(tiny_checkpoint, tmp_path / "usual.onnx", outputs="both")
    # Names that values inside the file have by default must be free too.
    inner = onnx.load(usual).graph.node[3].output[0]
    constant = onnx.load(usual).graph.initializer[0].name
    names = ("input_0/data:0", inner, constant)

    file = written(
        tiny_checkpoint,
        tmp_path / "x.onnx",
        outputs="both",
        input_name=names[0],
        output_names=names[1:],
    )

    manifest, graph = read_manifest(file), onnx.load(file).graph
    assert (manifest.input.name, *(output.name for output in manifest.outputs)) == names
    assert (graph.input[0].name, *(output.name for output in graph.output)) == names
    assert [output.kind for output in manifest.outputs] == ["logits", "labels"]
    expected = run(usual, prepare([picture], FLOATS))
    with open_session(file, output_name=inner) as session:
        result = session(picture, logits=True)
    with open_session(file, output_name=constant) as session:
        [labels] = session(picture).masks
    assert (result.logits == expected["logits"]).all()
    assert (labels == expected["labels"][0]).all()


@pytest.mark.parametrize(
    ("names", "says"),
    [
        ({"input_name": "a b"}, "'a b' is no name"),
        ({"input_name": ""}, "'' is no name"),
        ({"input_name": "logits"}, "two of the names logits, logits are the same"),
        ({"output_names": ("a", "b")}, "gives 2 names for 1 outputs"),
        ({"output_names": ("a",), "outputs": "both"}, "gives 1 names for 2 outputs"),
    ],
)
def test_names_that_cannot_be_are_refused(
    tiny_checkpoint: Path, tmp_path: Path, names: dict[str, object], says: str
) -> None:
    with pytest.raises(InputError, match=says):
        written(tiny_checkpoint, tmp_path / "x.onnx", **names)

    assert list(tmp_path.iterdir()) == []


def test_torch_normalises_pixels_to_the_bit_as_the_runtime_does(
    picture: NDArray[np.uint8],
) -> None:
    network = SegFormer(segformer("b0", classes=3), FORMATS["mmsegmentation"].numerics)
    module = ModelWithIO(network, PIXELS)

    normalized = module._normalize(torch.from_numpy(picture[None]))

    assert (normalized.numpy() == prepare([picture], FLOATS)).all()


def test_labels_are_the_resized_logits_best_classes(
    tiny_checkpoint: Path, tmp_path: Path, picture: NDArray[np.uint8]
) -> None:
    file = written(
        tiny_checkpoint, tmp_path / "both.onnx", input_dtype="uint8", outputs="both", batch=2
    )

    found = run(file, np.stack([picture, picture[::-1]]))

    assert list(found) == ["logits", "labels"]
    expected = resize_argmax(found["logits"], tuple(SIZE))
    pixels = torch.nn.functional.interpolate(
        torch.from_numpy(found["logits"]), tuple(SIZE), mode="bilinear", align_corners=False
    )
    first, second = pixels.topk(2, dim=1).values.unbind(1)
    # Elsewhere rounding decides, as segpp.images.postprocess says.
    clear = (first - second).numpy() > 8 * 2.0**-24 * float(pixels.abs().max())
    assert clear.mean() > 0.999
    assert (found["labels"] == expected)[clear].all()


def test_the_manifest_describes_pixels_and_labels(tiny_checkpoint: Path, tmp_path: Path) -> None:
    file = written(tiny_checkpoint, tmp_path / "tiny.onnx", input_dtype="uint8", outputs="both")

    manifest = read_manifest(file)

    spec = manifest.input
    assert (spec.dtype, spec.layout, spec.shape) == ("uint8", "NHWC", (1, *SIZE, 3))
    assert [(o.name, o.kind, o.shape, o.dtype) for o in manifest.outputs] == [
        ("logits", "logits", (1, 19, 32, 64), "float32"),
        ("labels", "labels", (1, *SIZE), "int8"),
    ]
    assert lint(onnx.load(file)) == []


@pytest.mark.parametrize(
    "name", [name for name, of in FORMATS.items() if of.numerics.align_corners]
)
def test_labels_follow_a_checkpoint_that_aligns_the_corners(
    tmp_path: Path, picture: NDArray[np.uint8], name: str
) -> None:
    architecture = replace(MINIATURE, head=FORMATS[name].head, classes=5)
    checkpoint = saved(tmp_path, name, architecture)

    file = written(checkpoint, tmp_path / "x.onnx", outputs="both", checkpoint_format=name)

    found = run(file, prepare([picture], FLOATS))
    pixels = torch.nn.functional.interpolate(
        torch.from_numpy(found["logits"]), tuple(SIZE), mode="bilinear", align_corners=True
    )
    first, second = pixels.topk(2, dim=1).values.unbind(1)
    clear = (first - second).numpy() > 8 * 2.0**-24 * float(pixels.abs().max())
    assert clear.mean() > 0.999
    assert (found["labels"] == pixels.argmax(1).numpy())[clear].all()
    assert lint(onnx.load(file)) == []


@pytest.mark.parametrize("outputs", ["logits", "both"])
def test_one_channel_gives_two_classes(
    tmp_path: Path, picture: NDArray[np.uint8], outputs: str
) -> None:
    architecture = replace(MINIATURE, classes=1)
    checkpoint = saved(tmp_path, "mmsegmentation", architecture, centered_on=picture)

    file = written(checkpoint, tmp_path / "x.onnx", outputs=outputs)

    manifest = read_manifest(file)
    found = run(file, prepare([picture], FLOATS))
    pixels = torch.nn.functional.interpolate(
        torch.from_numpy(found["logits"]), tuple(SIZE), mode="bilinear"
    )
    expected = (torch.sigmoid(pixels)[0, 0] > 0.5).numpy()
    with open_session(file) as session:
        [mask] = session(picture).masks
    assert manifest.classes.names == ("background", "foreground")
    assert manifest.architecture.classes == 1
    assert (mask == expected).mean() > 0.9999
    assert 0.05 < mask.mean() < 0.95
    assert manifest.parity is not None
    assert manifest.parity.pixel_agreement >= 0.999


@pytest.mark.parametrize("precision", ["fp32", "fp16"])
def test_labels_alone_pass_the_gate(tiny_checkpoint: Path, tmp_path: Path, precision: str) -> None:
    # Random weights in half precision: the masks are noise, and noise flips.
    options = {"precision": precision, "min_agreement": 0.9 if precision == "fp16" else None}

    file = written(tiny_checkpoint, tmp_path / "tiny.onnx", outputs="labels", **options)

    manifest = read_manifest(file)
    assert [output.kind for output in manifest.outputs] == ["labels"]
    assert manifest.parity is not None
    assert (manifest.parity.max_logit_difference is not None) == (precision == "fp32")


def test_wrong_labels_over_right_logits_are_caught(
    tiny_checkpoint: Path, tmp_path: Path, picture: NDArray[np.uint8]
) -> None:
    file = written(
        tiny_checkpoint, tmp_path / "tiny.onnx", outputs="labels", reduction={}, check=False
    )
    graph = onnx.load(file)
    [function] = [f for f in graph.functions if f.name == "SegppResizeArgmax"]
    [first, *_] = [node for node in function.node if node.op_type == "Greater"]
    first.input[:] = [first.input[1], first.input[0]]
    onnx.save(graph, tmp_path / "wrong.onnx")
    model = load_checkpoint(tiny_checkpoint).build()
    tensor = prepare([picture], FLOATS)
    image = ParityImage("noise", "", tensor, tensor)

    def parity_of(path: Path) -> Parity:
        return measure_parity(model, path, image, precision="fp32", min_agreement=0.999)

    check_parity(parity_of(file))
    with pytest.raises(CheckError, match="masks agree"):
        check_parity(parity_of(tmp_path / "wrong.onnx"))


@pytest.mark.parametrize(
    "architecture",
    [
        pytest.param(replace(MINIATURE, classes=150), id="tiny"),
        pytest.param(segformer("b0", classes=150), id="b0", marks=pytest.mark.slow),
    ],
)
def test_labels_of_many_classes_are_int32(tmp_path: Path, architecture: Architecture) -> None:
    checkpoint = saved(tmp_path, "mmsegmentation", architecture)

    file = written(checkpoint, tmp_path / "tiny.onnx", outputs="labels", reduction={})

    assert read_manifest(file).outputs[0].dtype == "int32"
    with open_session(file) as session:
        [labels] = session(np.zeros((*SIZE, 3), np.uint8)).masks
    assert labels.dtype == np.uint8


def saved(
    folder: Path,
    name: str,
    architecture: Architecture,
    *,
    centered_on: NDArray[np.uint8] | None = None,
) -> Path:
    """Save random weights; one channel has as many pixels above 0 as below on a picture."""
    torch.manual_seed(0)
    model = SegFormer(architecture, FORMATS[name].numerics).eval()
    if centered_on is not None:
        with torch.no_grad():
            logits = model(torch.from_numpy(prepare([centered_on], FLOATS)))
            [bias] = (p for n, p in model.named_parameters() if p.shape == (1,) and "bias" in n)
            bias -= logits.median()
    path = folder / "checkpoint.pth"
    torch.save(state_dict_for(name, model.state_dict()), path)
    return path


def test_the_session_and_the_commands_take_a_file_of_pixels_and_labels(
    tiny_checkpoint: Path, tmp_path: Path, picture: NDArray[np.uint8], segpp: object
) -> None:
    file = written(tiny_checkpoint, tmp_path / "tiny.onnx", input_dtype="uint8", outputs="labels")
    plain = written(tiny_checkpoint, tmp_path / "plain.onnx")
    for folder in ("images", "labels"):
        (tmp_path / folder).mkdir()
    Image.fromarray(picture).save(tmp_path / "images" / "a.png")
    with open_session(plain) as session:
        [expected] = session(picture).masks
    Image.fromarray(expected).save(tmp_path / "labels" / "a.png")

    with open_session(file) as session:
        [labels] = session(picture).masks
    ran = segpp("run", file, tmp_path / "images" / "a.png", "--out", tmp_path / "out")  # type: ignore[operator]
    evaluated = segpp("eval", file, "--dataset", tmp_path, "--json")  # type: ignore[operator]

    assert labels.dtype == np.uint8
    assert (labels == expected).mean() > 0.9999
    assert ran.returncode == 0, ran.stderr
    assert evaluated.returncode == 0, evaluated.stderr
