"""nvinfer's keys are known ones, and what it would make of the file are segpp's own masks."""

from configparser import ConfigParser
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnxruntime
import pytest

from segpp.errors import InputError
from segpp.export.serving.base import SERVERS, Served
from segpp.images import sample_image
from segpp.images.preprocess import load_image, prepare
from tests.export.serving.conftest import Asking, with_classes

KEYS = Path(__file__).parents[1] / "schemas" / "nvinfer_keys.txt"


@pytest.fixture
def settings(served: Served) -> dict[str, str]:
    text = SERVERS["deepstream"].files(served)["config_infer.txt"].decode()
    parser = ConfigParser(interpolation=None)
    parser.read_string(text)
    assert parser.sections() == ["property"]
    return dict(parser["property"])


def masks_of(probabilities: np.ndarray, threshold: float) -> np.ndarray:
    """Return the class map (h, w) that nvinfer makes of (1, K, h, w): -1 is no class."""
    best = np.full(probabilities.shape[2:], -1.0)
    classes = np.full(probabilities.shape[2:], -1)
    for number, plane in enumerate(probabilities[0]):
        takes = (plane > best) & (plane > threshold)
        classes[takes], best[takes] = number, plane[takes]
    return classes


def run(data: bytes, tensor: np.ndarray, output: str) -> np.ndarray:
    session = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])
    return np.asarray(session.run([output], {"image": tensor})[0])


def test_every_key_is_one_of_nvinfers(settings: dict[str, str]) -> None:
    lines = KEYS.read_text().splitlines()
    known = {line for line in lines if not line.startswith("#")}

    assert set(settings) - known == set()


def test_it_is_a_semantic_segmentation_of_that_size(settings: dict[str, str]) -> None:
    assert settings["network-type"] == "2"
    assert settings["infer-dims"] == "3;64;96"
    assert settings["num-detected-classes"] == "19"
    assert settings["output-blob-names"] == "probabilities"
    assert settings["output-tensor-meta"] == "1"
    assert settings["onnx-file"] == "model.onnx"


def test_nvinfers_scaling_gives_the_input_that_segpp_gives(
    settings: dict[str, str], served: Served
) -> None:
    spec = served.manifest.input
    [tensor] = prepare([load_image(sample_image())], spec)
    plain = replace(spec, mean=(0.0,) * 3, std=(1.0,) * 3)
    # Bars are the rounded mean where none is told.
    bars = tuple(round(mean) for mean in spec.mean)
    [pixels] = prepare([load_image(sample_image())], replace(plain, padding=bars))

    offsets = np.array([float(value) for value in settings["offsets"].split(";")])
    scaled = float(settings["net-scale-factor"]) * (pixels - offsets[:, None, None])

    # Nine digits are written, of factors near 1/58.
    assert np.abs(scaled - tensor).max() < 1e-5


def test_nvinfers_masks_are_those_of_the_logits_in_every_pixel(
    settings: dict[str, str], served: Served
) -> None:
    tensor = prepare([load_image(sample_image())], served.manifest.input)
    logits = run(served.data, tensor, "logits")
    probabilities = run(SERVERS["deepstream"].files(served)["model.onnx"], tensor, "probabilities")

    masks = masks_of(probabilities, float(settings["segmentation-threshold"]))

    assert len(np.unique(masks)) > 1
    assert (masks == logits[0].argmax(0)).all()


def test_from_logits_alone_nvinfer_would_leave_pixels_without_a_class() -> None:
    """Why the file ends in a softmax."""
    logits = np.array([-3.0, -1.0], np.float32).reshape(1, 2, 1, 1)

    assert masks_of(logits, 0.0) == -1


def test_labels_stand_in_the_order_of_their_classes(served: Served) -> None:
    text = SERVERS["deepstream"].files(served)["labels.txt"].decode()

    assert tuple(text.splitlines()) == served.manifest.classes.names


def test_a_class_takes_one_line_whatever_its_name(served: Served) -> None:
    odd = with_classes(served, "two\nlines")

    text = SERVERS["deepstream"].files(odd)["labels.txt"].decode()

    assert text.splitlines() == ["two\\x0alines", *served.manifest.classes.names[1:]]


def test_the_name_of_a_file_sets_nothing(served: Served, settings: dict[str, str]) -> None:
    odd = replace(served, name="street\n[property]\ngpu-id=7\n#")

    text = SERVERS["deepstream"].files(odd)["config_infer.txt"].decode()

    assert len(text.splitlines()) == len(settings) + 3
    assert "\ngpu-id=7" not in text


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"outputs": ("labels",)}, "take `outputs=logits`"),
        ({"std": (58.4, 57.1, 57.4)}, "nvinfer divides all channels by one number"),
        ({"dtype": "uint8", "layout": "NHWC", "shape": (1, 64, 96, 3)}, "nvinfer feeds float32"),
        ({"shape": (1, 4, 64, 96)}, "gray or colour"),
        ({"fit": "crop"}, "does not cut them"),
        ({"precision": "bf16"}, "FP32 or FP16"),
        ({"target": "onnxruntime"}, "operator of ONNX Runtime's own"),
    ],
)
def test_what_nvinfer_cannot_feed_is_refused(
    asking: Asking, changes: dict[str, object], says: str
) -> None:
    with pytest.raises(InputError) as failure:
        SERVERS["deepstream"].check(asking(**changes))

    assert says in str(failure.value)


def test_pixels_that_the_file_normalises_are_left_as_they_are(served: Served) -> None:
    spec = replace(served.manifest.input, mean=(0.0,) * 3, std=(1.0,) * 3)
    pixels = replace(served, manifest=replace(served.manifest, input=spec))

    text = SERVERS["deepstream"].files(pixels)["config_infer.txt"].decode()

    assert "net-scale-factor=1\n" in text
    assert "offsets" not in text
