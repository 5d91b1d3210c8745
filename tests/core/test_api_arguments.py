"""Every argument of every function of the API: a wrong one is an InputError that names it."""

import inspect
import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import segpp
from segpp.cli._options.arguments import in_flags

Network = Callable[..., Path]
Stripes = Callable[[int, int], np.ndarray]

PUBLIC = {name: getattr(segpp, name) for name in segpp.__all__}
FUNCTIONS = {
    name: function
    for name, function in PUBLIC.items()
    if inspect.isfunction(function) and inspect.signature(function).parameters
}
# What each cannot do without; nothing of it is there, so that a check too few ends quickly.
NEEDED: dict[str, dict[str, object]] = {
    "benchmark": {"models": "none.onnx"},
    "build_engine": {"onnx": "none.onnx", "output": "none.engine"},
    "calibrate": {"model": "none.onnx", "pictures": "none", "output": "none.int8.onnx"},
    "distill": {"checkpoint": "none.pth", "pictures": "none", "output": "none.student.pth"},
    "evaluate": {"models": "none.onnx", "images": "none", "labels": "none"},
    "export_onnx": {"checkpoint": "none.pth", "output": "none.onnx"},
    "fine_tune": {
        "checkpoint": "none.pth",
        "images": "none",
        "labels": "none",
        "output": "none.tuned.pth",
    },
    "inspect": {"path": "none.onnx"},
    "load": {"model": "none.onnx"},
    "load_image": {"path": "none.png"},
    "predict": {"model": "none.onnx", "source": "none.png", "out": "none.overlay.png"},
    "read_manifest": {"path": "none.onnx"},
    "train_policy": {"checkpoint": "none.pth", "images": "none", "output": "none.policy.pth"},
    "verify": {"models": "none.onnx"},
}

NOTHING = object()
ARRAY = np.zeros((4, 4, 3), np.uint8)
NO_TEXT = [3, 1.5, b"x", ["logits"], NOTHING, ARRAY]
NO_PATH = [*NO_TEXT, "", "a\0b", True, math.nan]
NO_WHOLE = [1.5, 1.0, "1", "x", math.nan, math.inf, True, [1], NOTHING, ARRAY, np.float32(1)]
NO_NUMBER = ["0.5", "x", [0.5], True, math.nan, math.inf, NOTHING, ARRAY, 1j, 10**400]
NO_SHARE = [*NO_NUMBER, 2, -1, 1.0001]
NO_FLAG = [0, 1, "no", [], NOTHING, ARRAY]
NO_TEXTS = [3, [3], [None], [["3.q=none"]], b"x", NOTHING]
NO_PATHS = [3, [3], [None], [""], "", ["a", b"b"], NOTHING]
NO_SIZE = [
    512, (64,), (512, 1024, 3), ("64", "64"), (64.0, 64.0), (0, 64), (-64, 64), (64, 10**9), (),
    [None, None], 1.5, b"64x64", NOTHING, ARRAY, (True, True),
]  # fmt: skip
NO_PALETTE = [
    3, [], ((999, 0, 0),), ((-1, 0, 0),), ((1, 0),), ((1.5, 0, 0),), (1, 2, 3), ("red",), ["r"],
    [(0, 0, 0, 0)], [None], NOTHING, "", ((10**30, 0, 0),),
]  # fmt: skip

WRONG: dict[str, list[Any]] = {
    "after_break": [3, "print", None],
    "after_each": [3, "print", None],
    "after_serve": [3, "print", None],
    "after_tiles": [3, "print", None],
    "alpha": [*NO_SHARE, None],
    "auxiliary_weight": [*NO_NUMBER, -1],
    "backend": [*NO_TEXT, None],
    "calibrate": [*NO_PATHS, None],
    "bands": ["3,2,1", b"321", 3, [], [0], [1.5], ["1"], [True], [None], NOTHING],
    "batch": [*NO_WHOLE, None],
    "bisect": NO_PATH,
    "board": NO_TEXT,
    "cache": [*NO_FLAG, None],
    "camera_rate": [*NO_NUMBER, 0, -1],
    "camera_size": NO_SIZE,
    "cuda_graph": [*NO_FLAG, None],
    "calib_method": [3, 1.5, b"x", ["max"], {"fc1": 3}, {3: "max"}, {"fc1": None}, NOTHING, None],
    "check": [*NO_FLAG, None],
    "check_every": [*NO_WHOLE, 0, -1],
    "checkpoint": [*NO_PATH, None],
    "checkpoint_format": NO_TEXT,
    "class_names": [3, [], [3], [None], NOTHING, "", [b"x"]],
    "colors": NO_TEXT,
    "compute_capabilities": [*NO_TEXTS, None],
    "compare": NO_PATH,
    "confusion": NO_PATH,
    "dataset": [*NO_PATHS, None],
    "contours": [*NO_FLAG, None],
    "correct_biases": [*NO_FLAG, None],
    "distil_weight": [*NO_NUMBER, -1, None],
    "device": [*NO_TEXT, None],
    "duration": [*NO_NUMBER, -1, None],
    "dry_run": [*NO_FLAG, None],
    "embed_plugin": [*NO_FLAG, None],
    "equalize": [*NO_FLAG, None],
    "eval_folder": NO_PATH,
    "every": [*NO_WHOLE, 0, -1, None],
    "fit": NO_TEXT,
    "force": [*NO_FLAG, None],
    "frames": [*NO_WHOLE, 0, -1],
    "gate_images": [*NO_PATHS, None],
    "gate_weight": [*NO_NUMBER, -1],
    "heads": [1.5, "1", [1.5], [None], [], NOTHING],
    "held_back": [*NO_SHARE, None],
    "html": NO_PATH,
    "ignore": ["x", [1.5], [None], 255.0, [True], NOTHING],
    "ignore_tensors": [*NO_TEXTS, None],
    "image": NO_PATH,
    "image_suffix": [*NO_TEXT, None],
    "images": [*NO_PATH, None],
    "input_dtype": [*NO_TEXT, np.uint8],
    "input_name": [*NO_TEXT, None],
    "iterations": [*NO_WHOLE, 0, -1, None],
    "keep_float": [*NO_TEXTS, None],
    "label_map": NO_TEXT,
    "label_offset": [*NO_WHOLE, None],
    "label_suffix": [*NO_TEXT, None],
    "labels": [*NO_PATH, None],
    "learning_rate": [*NO_NUMBER, -1, None],
    "legend": [*NO_TEXT, None],
    "listed": NO_PATH,
    "limit": [*NO_WHOLE, 0, -1],
    "made_for": [*NO_TEXT, None],
    "mask_weight": [*NO_NUMBER, -1, None],
    "match_interval": [*NO_WHOLE, "Auto", None],
    "max_drop": [*NO_NUMBER, -1, 101],
    "mean": ["x", [None], [math.nan], [], NOTHING],
    "memory_limit": [*NO_WHOLE, 0, -1],
    "min_agreement": NO_SHARE,
    "min_miou": NO_SHARE,
    "minutes": [*NO_NUMBER, -1],
    "model": [*NO_PATH, None],
    "models": [*NO_PATHS, [], (), None],
    "only_what_pays": [*NO_FLAG, None],
    "onnx": [*NO_PATH, None],
    "optimization_level": [*NO_WHOLE, -1, 6],
    "out": NO_PATH,
    "output": [*NO_PATH, None],
    "output_dtype": [*NO_TEXT, np.float16, None],
    "output_name": [3, 1.5, b"x", NOTHING],
    "outputs": NO_TEXT,
    "overlap": NO_SHARE,
    "page": [*NO_WHOLE, -1, None],
    "palette": NO_PALETTE,
    "parity_image": NO_PATH,
    "path": [*NO_PATH, None],
    "patience": [*NO_WHOLE, 0, -1, None],
    "percentiles": [math.nan, (math.nan,), (101,), (0,), (-1,), (100,), (), "50", [None]],
    "picture": NO_SIZE,
    "pictures": [*NO_PATHS, [], None],
    "plot": NO_PATH,
    "plugin": NO_PATH,
    "policy_weights": NO_PATH,
    "precision": [*NO_TEXT, None],
    "prefix": NO_TEXT,
    "preset": NO_TEXT,
    "progress": [3, "print"],
    "protocol": [*NO_TEXT, None],
    "provider": NO_TEXT,
    "ranges": NO_PATH,
    "quantile": [*NO_SHARE, None],
    "ratio": NO_NUMBER,
    "reconnect": [*NO_WHOLE, -1, None],
    "rebuild_if_stale": [*NO_FLAG, None],
    "reduce": [*NO_TEXTS, None],
    "reduce_zero_label": NO_FLAG,
    "reference": NO_PATH,
    "report": NO_PATH,
    "restart": [*NO_FLAG, None],
    "rewrites_off": [*NO_TEXTS, None],
    "rounding": [*NO_TEXT, None],
    "rounding_time": [*NO_NUMBER, -1, None],
    "save": NO_TEXT,
    "search_images": [*NO_PATHS, None],
    "seed": [*NO_WHOLE, -1, None],
    "serve": NO_TEXT,
    "serve_for": [*NO_TEXTS, None],
    "show": [*NO_FLAG, None],
    "size": NO_SIZE,
    "source": [*NO_PATHS, [], None],
    "spin": [*NO_FLAG, None],
    "split": NO_TEXT,
    "stages_alone": [*NO_SHARE, None],
    "start": [*NO_NUMBER, -1, None],
    "stage_weight": [*NO_NUMBER, -1, None],
    "std": ["x", [None], [math.nan], [], NOTHING],
    "steps": [*NO_WHOLE, 0, -1],
    "target": [*NO_TEXT, None],
    "temperature": [*NO_NUMBER, -1, None],
    "threshold": NO_NUMBER,
    "threads": [*NO_WHOLE, 0, -1, 10**30],
    "trust": [*NO_FLAG, None],
    "tile": [*NO_FLAG, None],
    "timeout": [*NO_NUMBER, 0, -1, None],
    "timing_cache": NO_PATH,
    "verify": [*NO_FLAG, None],
    "version_compatible": [*NO_FLAG, None],
    "warmup": [*NO_WHOLE, -1, None],
    "weights": [*NO_TEXT, None],
    "white": ["bright", "", 0, -1, math.nan, math.inf, True, [1], b"1", NOTHING, ARRAY],
    "workspace": [*NO_WHOLE, 0, -1, 10**30],
}


ARGUMENTS = [
    (name, argument)
    for name, function in FUNCTIONS.items()
    for argument in inspect.signature(function).parameters
]


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Names without folders stand for files that are not there."""
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(("name", "argument"), ARGUMENTS)
def test_a_wrong_argument_is_named_before_anything_is_read(name: str, argument: str) -> None:
    parameter = inspect.signature(FUNCTIONS[name]).parameters[argument]
    for value in WRONG[argument]:
        # What one function cannot do without, another has a default for.
        if value is None and parameter.default is None:
            continue
        with pytest.raises(segpp.InputError) as caught:
            FUNCTIONS[name](**{**NEEDED[name], argument: value})

        named = rf"`{argument}` (is|has) |[\d,]+ {argument} are too many "
        assert re.match(named, str(caught.value)), (value, str(caught.value))
        assert len(str(caught.value)) < 400
    assert list(Path().iterdir()) == []


@pytest.mark.parametrize("name", FUNCTIONS)
def test_what_is_not_there_is_named_for_paths_and_texts_alike(name: str) -> None:
    texts = NEEDED[name]

    for given in (texts, {key: Path(str(value)) for key, value in texts.items()}):
        with pytest.raises(segpp.SegppError, match="none"):
            FUNCTIONS[name](**given)


def test_every_case_is_of_an_argument_that_there_is() -> None:
    assert set(WRONG) == {argument for _, argument in ARGUMENTS}
    assert NEEDED.keys() == FUNCTIONS.keys()


@pytest.mark.parametrize(
    ("name", "given"),
    [
        ("export_onnx", {"reduce": "3.q=none"}),
        ("export_onnx", {"reduce": ["3.q=none"]}),
        ("export_onnx", {"search_images": "a.png", "match_interval": "auto", "preset": "hq"}),
        ("export_onnx", {"batch": np.int64(2), "ratio": np.float32(0.5), "check": np.bool_(True)}),
        ("export_onnx", {"size": [64, np.int32(64)], "min_agreement": 1}),
        ("calibrate", {"calib_method": {"default": "mse", "fc1": "max"}, "max_drop": 1}),
        ("calibrate", {"keep_float": "fc1", "ignore": 255, "pictures": ["a.png", Path("b")]}),
        ("inspect", {"reduce": "3.q=none", "path": "none.pth"}),
        ("benchmark", {"percentiles": 50, "duration": np.float64(1)}),
        ("predict", {"palette": [[0, 0, 0], np.array([255, 0, 9])], "class_names": ["a"]}),
        ("evaluate", {"ignore": 255}),
        ("load", {"threads": np.int64(2), "min_agreement": None}),
    ],
)
def test_what_is_as_good_as_the_usual_type_is_taken(name: str, given: dict[str, Any]) -> None:
    """The call ends at the first file that is not there, and not at the argument."""
    with pytest.raises(segpp.SegppError, match=r"none.* does not exist"):
        FUNCTIONS[name](**{**NEEDED[name], **given})


def test_an_array_is_no_source_and_the_message_says_what_takes_one() -> None:
    with pytest.raises(segpp.InputError, match=r"`source` is .*\n.*\n  hint: segpp\.load"):
        segpp.predict("none.onnx", ARRAY, "out")  # type: ignore[arg-type]  # the point of the test


@pytest.mark.parametrize(
    "images",
    [
        None, 3, Path("a.png"), "a.png", Image.new("RGB", (4, 4)), [ARRAY, None], [], [[]], {},
        np.zeros((4, 4), np.uint8), np.zeros((4, 4, 3)), np.zeros((0, 4, 3), np.uint8), np.uint8(3),
        [Image.new("RGB", (4, 4))], [[ARRAY, 3]], ARRAY[None].astype(np.float32),
    ],
    ids=lambda value: type(value).__name__,
)  # fmt: skip
def test_what_is_no_image_is_an_error_of_the_image(network: Network, images: Any) -> None:
    with segpp.load(network()) as session, pytest.raises(segpp.ImageError):
        session(images)


def test_a_grey_image_is_told_with_its_own_shape(network: Network) -> None:
    with (
        segpp.load(network()) as session,
        pytest.raises(segpp.ImageError, match=r"not uint8 \(48, 90\)"),
    ):
        session(np.zeros((48, 90), np.uint8))


@pytest.mark.parametrize("tensor", [None, 3, [[1.0]], "x", np.zeros((1, 3, 32, 64))])
def test_what_is_no_tensor_of_the_network_is_refused(network: Network, tensor: Any) -> None:
    with segpp.load(network()) as session, pytest.raises(segpp.InputError, match="takes float32"):
        session.run_raw(tensor)


@pytest.mark.parametrize(
    "wrong",
    [
        {"index": 5}, {"index": -2}, {"index": "0"}, {"index": 0.0}, {"alpha": "x"}, {"alpha": 2},
        {"alpha": math.nan}, {"image": np.zeros((32, 64, 3), np.float32)}, {"image": None},
        {"image": np.zeros((32, 64), np.uint8)}, {"image": np.zeros((8, 8, 3), np.uint8)},
    ],
    ids=str,
)  # fmt: skip
def test_an_overlay_takes_its_image_and_nothing_else(
    network: Network, stripes: Stripes, wrong: dict[str, Any]
) -> None:
    with segpp.load(network()) as session:
        result = session(stripes(32, 64))

    assert result.overlay(stripes(32, 64), index=-1).shape == (32, 64, 3)
    with pytest.raises(segpp.InputError):
        result.overlay(**{"image": stripes(32, 64), **wrong})


def test_a_closed_session_says_so(network: Network, stripes: Stripes) -> None:
    session = segpp.load(network())
    session.close()
    session.close()

    with pytest.raises(segpp.InputError, match="the session is closed"):
        session(stripes(32, 64))
    with pytest.raises(segpp.InputError, match="the session is closed"):
        session.run_raw(np.zeros((1, 3, 32, 64), np.float32))


def test_without_any_class_left_there_is_nothing_to_evaluate(
    network: Network, stripes: Stripes
) -> None:
    for name in ("images", "labels"):
        Path(name).mkdir()
    Image.fromarray(stripes(32, 64)).save("images/a.png")
    Image.new("L", (64, 32)).save("labels/a.png")

    with pytest.raises(segpp.InputError, match="all 3 classes are ignored"):
        segpp.evaluate(network(), images="images", labels="labels", ignore=range(256))


@pytest.mark.parametrize(
    ("told", "typed"),
    [
        ("`ratio=2` cannot", "--ratio 2 cannot"),
        ("see `min_agreement`, or `check=False` to", "see --min-agreement, or --no-check to"),
        ("`match_interval` is 0", "--match-interval is 0"),
        ("leave out `rewrites_off=a`", "leave out --no-rewrite a"),
        ("begin anew: `restart=True`", "begin anew: --restart"),
        ("`checkpoint` is ''", "checkpoint is ''"),
        ("the file `x` and `no_argument=3`", "the file `x` and `no_argument=3`"),
    ],
)
def test_the_command_line_tells_the_flag(told: str, typed: str) -> None:
    assert in_flags(told) == typed
