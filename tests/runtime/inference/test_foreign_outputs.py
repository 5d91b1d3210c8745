"""Files of other exporters: the same four linear maps of the colours, given in many ways."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from segpp.errors import CheckError, GraphError, InputError
from segpp.images.preprocess import IMAGENET_MEAN, IMAGENET_STD
from segpp.runtime.inference.open_session import open_session
from tests.helpers.tiny_networks import Network

HEIGHT, WIDTH, CLASSES = 64, 96, 4
FLOAT, INT64 = TensorProto.FLOAT, TensorProto.INT64

WEIGHT = np.random.default_rng(2).normal(size=(CLASSES, 3, 1, 1)).astype(np.float32)
PICTURE = np.random.default_rng(0).integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8)

Floats = NDArray[np.float32]
NODES = {
    "same": helper.make_node("Identity", ["pixel_values"], ["n"]),
    "first": helper.make_node("Transpose", ["pixel_values"], ["n"], perm=[0, 3, 1, 2]),
    "conv": helper.make_node("Conv", ["n", "w"], ["y"]),
    "logits": helper.make_node("Identity", ["y"], ["logits"]),
    "last": helper.make_node("Transpose", ["y"], ["logits"], perm=[0, 2, 3, 1]),
    "softmax": helper.make_node("Softmax", ["y"], ["logits"], axis=1),
    "sigmoid": helper.make_node("Sigmoid", ["y"], ["logits"]),
    "labels": helper.make_node("ArgMax", ["y"], ["labels"], axis=1, keepdims=0),
    "channel": helper.make_node("ArgMax", ["y"], ["labels"], axis=1, keepdims=1),
    "half": helper.make_node("AveragePool", ["y"], ["half"], kernel_shape=[2, 2], strides=[2, 2]),
}
VALUES = {
    "nchw": ("pixel_values", FLOAT, (1, 3, HEIGHT, WIDTH)),
    "nhwc": ("pixel_values", FLOAT, (1, HEIGHT, WIDTH, 3)),
    "open": ("pixel_values", FLOAT, ("batch_size", 3, "height", "width")),
    "logits": ("logits", FLOAT, (1, CLASSES, HEIGHT, WIDTH)),
    "logits last": ("logits", FLOAT, (1, HEIGHT, WIDTH, CLASSES)),
    "logit": ("logits", FLOAT, (1, 1, HEIGHT, WIDTH)),
    "logits open": ("logits", FLOAT, ("batch_size", CLASSES, "h", "w")),
    "labels": ("labels", INT64, (1, HEIGHT, WIDTH)),
    "labels channel": ("labels", INT64, (1, 1, HEIGHT, WIDTH)),
    "half": ("half", FLOAT, (1, CLASSES, HEIGHT // 2, WIDTH // 2)),
}


def written(
    folder: Path, nodes: str, given: str, outputs: list[str], weight: Floats = WEIGHT
) -> Path:
    """Write a file of ``NODES`` with an input and outputs of ``VALUES``."""

    def value(name: str) -> onnx.ValueInfoProto:
        return helper.make_tensor_value_info(*VALUES[name])

    graph = helper.make_graph(
        [NODES[name] for name in nodes.split()],
        "g",
        [value(given)],
        list(map(value, outputs)),
        [numpy_helper.from_array(weight, "w")],
    )
    opsets = [helper.make_opsetid("", 17)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=8)
    onnx.checker.check_model(model)
    onnx.save(model, folder / "foreign.onnx")
    return folder / "foreign.onnx"


def formula(image: NDArray[np.uint8]) -> Floats:
    """What the owner computes: a linear map for each class (K, H, W) of the normalised colours."""
    mean, std = np.float32(IMAGENET_MEAN), np.float32(IMAGENET_STD)
    values: Floats = np.einsum("kc,hwc->khw", WEIGHT[:, :, 0, 0], (image - mean) / std)
    return values


FILES = {
    "channels last": ("first conv last", "nhwc", ["logits last"]),
    "channels last, image first": ("same conv last", "nchw", ["logits last"]),
    "labels with a channel": ("same conv channel", "nchw", ["labels channel"]),
    "labels of int64": ("same conv labels", "nchw", ["labels"]),
    "two outputs": ("same conv softmax labels", "nchw", ["logits", "labels"]),
    "logits": ("same conv logits", "nchw", ["logits"]),
}


@pytest.mark.parametrize("backend", ["onnxruntime", "openvino"])
@pytest.mark.parametrize("name", FILES)
def test_masks_are_those_of_the_owners_formula(tmp_path: Path, name: str, backend: str) -> None:
    path = written(tmp_path, *FILES[name])

    with open_session(path, backend=backend, cache=False) as session:
        [mask] = session(PICTURE).masks

    assert (mask == formula(PICTURE).argmax(0)).all()
    assert len(np.unique(mask)) == CLASSES


def test_what_was_read_into_the_shapes_is_said(tmp_path: Path) -> None:
    with open_session(written(tmp_path, *FILES["channels last"])) as session:
        [*_, note] = session.manifest.notes
        logits = session(PICTURE, logits=True).logits

    assert note == "reading logits (1, 64, 96, 4) as logits with the classes last"
    assert session.classes.names == ("0", "1", "2", "3")
    assert session.manifest.origins["classes"] == "assumed"
    assert logits is not None
    assert logits.shape == (1, CLASSES, HEIGHT, WIDTH)


def test_one_channel_is_a_sigmoid_of_two_classes(tmp_path: Path) -> None:
    path = written(tmp_path, "same conv logits", "nchw", ["logit"], WEIGHT[:1])

    with open_session(path) as session:
        [mask] = session(PICTURE).masks

    assert (mask == (formula(PICTURE)[0] > 0)).all()
    assert 0.1 < mask.mean() < 0.9
    assert session.classes.names == ("background", "foreground")
    assert session.manifest.architecture.classes == 1
    assert "class 1 where it is above 0" in session.manifest.notes[-1]


def test_probabilities_of_one_channel_are_refused(tmp_path: Path) -> None:
    path = written(tmp_path, "same conv sigmoid", "nchw", ["logit"], WEIGHT[:1])

    with pytest.raises(GraphError, match="gives probabilities: its output logits comes from a Sig"):
        open_session(path)


BEHIND = {
    "cast to half and back": "h = Cast<to=10>(p) logits = Cast<to=1>(h)",
    "resized": """scales = Constant<value_floats=[1.0, 1.0, 1.0, 1.0]>()
        logits = Resize<mode="linear">(p, , scales)""",
    "named anew": "logits = Identity(p)",
}


@pytest.mark.parametrize("behind", BEHIND)
@pytest.mark.parametrize(
    ("ends", "says"),
    [
        ("p = Sigmoid(y)", "gives probabilities: its output logits comes from a Sigmoid"),
        (
            """s = Softmax<axis=1>(pixel_values) one = Constant<value_ints=[1]>()
            two = Constant<value_ints=[2]>() p = Slice(s, one, two, one)""",
            "gives probabilities: its output logits comes from a Softmax",
        ),
        (
            "i = ArgMax<axis=1, keepdims=1>(pixel_values) p = Cast<to=1>(i)",
            "gives classes as float32: its output logits comes from a ArgMax",
        ),
        (
            "zero = Constant<value_float=0.0>() g = Greater(y, zero) p = Cast<to=1>(g)",
            "gives classes as float32: its output logits comes from a Greater",
        ),
    ],
)
def test_what_is_no_logit_is_found_behind_what_moves_it_about(
    ends: str, says: str, behind: str, tmp_path: Path
) -> None:
    path = one_channel(tmp_path, f"{ends} {BEHIND[behind]}")

    with pytest.raises(GraphError, match=says):
        open_session(path)


def one_channel(folder: Path, nodes: str) -> Path:
    text = f"""<ir_version: 8, opset_import: ["": 18]>
        g (float[1,3,{HEIGHT},{WIDTH}] pixel_values) => (float[1,1,{HEIGHT},{WIDTH}] logits) {{
            channels = Constant<value_ints=[1]>()
            y = ReduceMean<keepdims=1>(pixel_values, channels)
            {nodes} }}"""
    onnx.save(onnx.parser.parse_model(text), folder / "foreign.onnx")
    return folder / "foreign.onnx"


def test_values_that_are_all_probabilities_are_refused(tmp_path: Path) -> None:
    # Of a sigmoid in parts no operator tells.
    path = one_channel(
        tmp_path,
        """n = Neg(y) e = Exp(n) one = Constant<value_float=1.0>() d = Add(e, one)
        logits = Div(one, d)""",
    )

    with (
        open_session(path) as session,
        pytest.raises(CheckError, match=r"every value of .* logits lies between 0 and 1"),
    ):
        session(PICTURE)


def test_an_output_can_be_chosen(tmp_path: Path) -> None:
    path = written(tmp_path, *FILES["two outputs"])

    with open_session(path) as session:
        assert [output.name for output in session.manifest.outputs] == ["logits", "labels"]
        assert "--output-name" in session.manifest.notes[-1]
    with open_session(path, output_name="logits") as session:
        assert [output.kind for output in session.manifest.outputs] == ["logits"]
        assert (session(PICTURE).masks[0] == formula(PICTURE).argmax(0)).all()
    with pytest.raises(GraphError, match=r"no output 'mask'\n.*logits.*labels"):
        open_session(path, output_name="mask")


def test_two_outputs_of_one_kind_ask_for_a_choice(tmp_path: Path) -> None:
    path = written(tmp_path, "same conv logits half", "nchw", ["logits", "half"])

    with pytest.raises(GraphError, match=r"2 outputs that could be(.|\n)*--output-name logits"):
        open_session(path)
    with open_session(path, output_name="half") as session:
        assert session.manifest.outputs[0].shape == (1, CLASSES, HEIGHT // 2, WIDTH // 2)


def test_the_way_out_of_open_shapes_works(tmp_path: Path) -> None:
    path = written(tmp_path, "same conv logits", "open", ["logits open"])

    with pytest.raises(GraphError, match="open dimension in its input") as failure:
        open_session(path)

    [hint] = [line for line in str(failure.value).splitlines() if "python -m" in line]
    _, _, command = hint.partition("python -m ")
    subprocess.run([sys.executable, "-m", *command.split()], check=True, cwd=tmp_path)
    with open_session(tmp_path / "foreign-fixed.onnx") as session:
        assert session.input.shape == (1, 3, 512, 1024)
        image = np.random.default_rng(1).integers(0, 256, (512, 1024, 3), dtype=np.uint8)
        assert (session(image).masks[0] == formula(image).argmax(0)).mean() > 0.99999


def test_an_output_of_a_manifest_can_be_chosen(network: Network) -> None:
    path = network("logits")

    with open_session(path, output_name="out") as session:
        assert [output.name for output in session.manifest.outputs] == ["out"]
    with pytest.raises(InputError, match=r"no output 'mask'\n.*out \(logits\)"):
        open_session(path, output_name="mask")
