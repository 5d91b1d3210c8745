"""The parameters are declared by Isaac ROS's nodes, and the file gives what its decoder takes."""

import ast
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
import yaml

from segpp.errors import InputError
from segpp.export.serving.base import SERVERS, Served
from segpp.images import sample_image
from segpp.images.preprocess import load_image, prepare
from tests.export.serving.conftest import Asking

SCHEMA = json.loads((Path(__file__).parents[1] / "schemas" / "isaac_ros.json").read_text())
TYPES = {"str": str, "int": int, "bool": bool, "float": float}


@pytest.fixture
def files(served: Served) -> dict[str, bytes]:
    return SERVERS["isaac-ros"].files(served)


@pytest.fixture
def settings(files: dict[str, bytes]) -> dict[str, Any]:
    loaded = yaml.safe_load(files["params.yaml"])
    return {node: values["ros__parameters"] for node, values in loaded.items()}


def launched(source: bytes) -> dict[str, dict[str, Any]]:
    """Return the keywords of every ComposableNode in a launch file, by the node's name."""
    calls = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call)]
    nodes = [call for call in calls if ast.unparse(call.func) == "ComposableNode"]
    keywords = [{word.arg: word.value for word in node.keywords if word.arg} for node in nodes]
    return {ast.literal_eval(words["name"]): words for words in keywords}


def fits(value: object, kind: str) -> bool:
    wanted = TYPES[kind.removesuffix("[]")]
    if kind.endswith("[]"):
        return isinstance(value, list) and all(type(one) is wanted for one in value)
    return type(value) is wanted


def test_every_parameter_is_declared_by_its_node_with_that_type(
    files: dict[str, bytes], settings: dict[str, Any]
) -> None:
    nodes = launched(files["segpp.launch.py"])
    assert settings.keys() == nodes.keys()

    for name, words in nodes.items():
        declared = SCHEMA[ast.literal_eval(words["plugin"])]
        wrong = {
            key: value
            for key, value in settings[name].items()
            if key not in declared or not fits(value, declared[key])
        }
        assert wrong == {}


def test_what_the_launch_file_adds_is_declared_too(files: dict[str, bytes]) -> None:
    for words in launched(files["segpp.launch.py"]).values():
        declared = SCHEMA[ast.literal_eval(words["plugin"])]
        added = [node for node in ast.walk(words["parameters"]) if isinstance(node, ast.Dict)]
        keys = {ast.literal_eval(key) for one in added for key in one.keys if key is not None}
        assert keys - declared.keys() == set()


def test_the_launch_file_is_python_without_what_ros_lacks(files: dict[str, bytes]) -> None:
    tree = ast.parse(files["segpp.launch.py"], feature_version=(3, 10))

    functions = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
    modules = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert "generate_launch_description" in functions
    assert {(name or "").partition(".")[0] for name in modules} <= {
        *("pathlib", "launch", "launch_ros"),
    }


def test_the_encoders_normalisation_gives_the_input_that_segpp_gives(
    settings: dict[str, Any], served: Served
) -> None:
    encoder, spec = settings["dnn_image_encoder_node"], served.manifest.input
    bars = tuple(round(mean) for mean in spec.mean)
    plain = replace(spec, mean=(0.0,) * 3, std=(1.0,) * 3, padding=bars)
    [pixels], [tensor] = (
        prepare([load_image(sample_image())], plain),
        prepare([load_image(sample_image())], spec),
    )

    mean, std = (np.array(encoder[key])[:, None, None] for key in ("image_mean", "image_stddev"))
    encoded = (pixels / 255 - mean) / std

    assert np.abs(encoded - tensor).max() < 1e-5
    assert (encoder["network_image_height"], encoder["network_image_width"]) == (64, 96)


def test_the_decoder_gets_the_labels_of_the_file_in_every_pixel(
    files: dict[str, bytes], settings: dict[str, Any], served: Served
) -> None:
    tensor = prepare([load_image(sample_image())], served.manifest.input)
    providers = ["CPUExecutionProvider"]
    own = onnxruntime.InferenceSession(served.data, providers=providers)
    [expected] = own.run(["labels"], {"image": tensor})
    session = onnxruntime.InferenceSession(files["model.onnx"], providers=providers)
    names = settings["tensor_rt_node"]

    [found] = session.run(names["output_binding_names"], {names["input_binding_names"][0]: tensor})

    assert found.dtype == np.int32
    assert found.shape == (1, 64, 96, 1)
    assert len(np.unique(found)) > 1
    assert (found[..., 0] == expected).all()
    assert settings["unet_decoder_node"]["network_output_type"] == "argmax"


def test_every_class_has_its_colour(settings: dict[str, Any], served: Served) -> None:
    colors = settings["unet_decoder_node"]["color_palette"]

    found = [(color >> 16, color >> 8 & 255, color & 255) for color in colors]
    assert found == [tuple(color) for color in served.manifest.classes.palette]


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"outputs": ("logits",)}, "take `outputs=labels`"),
        ({"dtype": "uint8", "layout": "NHWC", "shape": (1, 64, 96, 3)}, "normalised float32 NCHW"),
        ({"shape": (1, 1, 64, 96)}, "of RGB"),
        ({"shape": (2, 3, 64, 96)}, "its nodes take 1"),
        ({"shape": (1, 3, 64, 95)}, "even sides only"),
        ({"classes": 300}, "300 classes"),
        ({"fit": "crop"}, "does not cut them"),
    ],
)
def test_what_its_nodes_cannot_take_is_refused(
    asking: Asking, changes: dict[str, object], says: str
) -> None:
    with pytest.raises(InputError) as failure:
        SERVERS["isaac-ros"].check(asking(**changes))

    assert says in str(failure.value)


def test_an_input_of_pixels_is_made_by_the_encoder_too(served: Served) -> None:
    """It divides by 255 first; a deviation of 1/255 takes that back."""
    spec = replace(served.manifest.input, mean=(0.0,) * 3, std=(1.0,) * 3)
    pixels = replace(served, manifest=replace(served.manifest, input=spec))

    loaded = yaml.safe_load(SERVERS["isaac-ros"].files(pixels)["params.yaml"])

    encoder = loaded["dnn_image_encoder_node"]["ros__parameters"]
    assert encoder["image_mean"] == [0.0] * 3
    assert np.float32(encoder["image_stddev"]).tolist() == [float(np.float32(1 / 255))] * 3


def test_numbers_are_written_as_short_as_the_encoder_reads_them(served: Served) -> None:
    spec = replace(
        served.manifest.input, mean=(123.675, 116.28, 103.53), std=(58.395, 57.12, 57.375)
    )
    usual = replace(served, manifest=replace(served.manifest, input=spec))

    written = SERVERS["isaac-ros"].files(usual)["params.yaml"].decode()

    assert "image_mean: [0.485, 0.456, 0.406]" in written
    assert "image_stddev: [0.229, 0.224, 0.225]" in written
