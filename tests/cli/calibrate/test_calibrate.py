"""``segpp-calibrate`` end to end: an INT8 file that runs and labels, or a reason why not."""

import json
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from PIL import Image

from segpp.manifest import read_manifest
from tests.cli.calibrate.conftest import calibrate
from tests.cli.calibrate.quantizable_network import PICTURES
from tests.helpers.commands import Completed

Command = Callable[..., Completed]

SECONDS = 60


def refused(segpp: Command, *more: object, **options: object) -> str:
    """Return why a calibration was refused; nothing may be left of it."""
    before = set(Path().rglob("*"))
    done = calibrate(segpp, *more, **options)

    assert done.returncode == 2, done.stderr
    assert done.stdout == ""
    assert set(Path().rglob("*")) == before
    return done.stderr


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize("target", ["tensorrt", "onnxruntime", "openvino"])
def test_a_file_of_every_dialect_runs_and_labels_as_the_float_one(
    segpp: Command, target: str
) -> None:
    done = calibrate(segpp, "--target", target)

    assert done.returncode == 0, done.stderr
    assert re.search(r"^stage 1 block 1 +2 of 2 ", done.stdout, re.MULTILINE)
    assert re.search(r"^stage 1 patch +0 of 1 .* the first convolution$", done.stdout, re.MULTILINE)
    assert re.search(r"^agreement +\d+\.\d\d of 100.00 in float: loses ", done.stdout, re.MULTILINE)
    manifest = read_manifest(Path("b.int8.onnx"))
    assert (manifest.precision, manifest.calibration.target) == ("int8", target)
    for words in (["run", "b.int8.onnx", "pictures/00.png", "--out", "m.png"], ["inspect"]):
        assert segpp(words[0], "b.int8.onnx", *words[2:]).returncode == 0


@pytest.mark.usefixtures("folder")
def test_an_int8_file_is_called_so_where_files_are_compared(segpp: Command) -> None:
    calibrate(segpp)

    bench = segpp("bench", "b.onnx", "b.int8.onnx", "--iterations", 1, "--warmup", 0)
    scores = segpp("eval", "b.onnx", "b.int8.onnx", "--images", "pictures", "--labels", "labels")

    assert bench.stdout.count("int8 file") == 1
    assert scores.stderr.count("note: b.int8.onnx is an int8 file for tensorrt, run by ") == 1


@pytest.mark.usefixtures("folder")
def test_progress_is_one_line_for_each_step_in_a_log(segpp: Command) -> None:
    done = calibrate(segpp, "--max-drop", 50)

    steps = [line for line in done.stderr.splitlines() if "warning" not in line]
    assert [re.sub(r"\d+\.\d s", "0 s", step) for step in steps] == [
        "collecting ranges: 7 of 7 … 0 s",
        "measuring what blocks lose: 2 of 2 … 0 s",
        "comparing masks with the float file: 1 of 1 … 0 s",
        "comparing masks with the float file: 2 of 2 … 0 s",
    ]


@pytest.mark.usefixtures("folder")
def test_ranges_are_used_again_and_those_of_other_pictures_refused(segpp: Command) -> None:
    calibrate(segpp)
    ranges = Path("b.ranges.json")
    written = ranges.stat().st_mtime_ns

    again = calibrate(segpp, "--calib-method", "mse")

    assert again.returncode == 0
    assert ranges.stat().st_mtime_ns == written
    assert read_manifest(Path("b.int8.onnx")).calibration.methods["fc1"] == "mse"
    Path("pictures/03.png").unlink()
    told = refused(segpp)
    assert "b.ranges.json has ranges of something else\n  they are of other pictures: " in told
    assert "--ranges" in told


@pytest.mark.usefixtures("folder")
def test_a_method_for_one_kind_leaves_the_others_theirs(segpp: Command) -> None:
    done = calibrate(segpp, "--calib-method", "percentile", "--calib-method", "fc2=entropy")

    assert done.returncode == 0
    methods = read_manifest(Path("b.int8.onnx")).calibration.methods
    assert methods == {"fc1": "percentile", "fc2": "entropy", "head": "percentile"}


@pytest.mark.usefixtures("folder")
def test_a_kind_that_is_to_stay_float_does(segpp: Command) -> None:
    done = calibrate(segpp, "--keep-float", "fc2", "--keep-float", "head")

    assert re.search(r"^stage 1 block 1 +1 of 2 .* 1: asked for$", done.stdout, re.MULTILINE)
    model = onnx.load("b.int8.onnx")
    assert [node.op_type for node in model.graph.node].count("QuantizeLinear") == 1


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--target", "tensort"], "hint: did you mean 'tensorrt'?"),
        (["--calib-method", "entrpy"], "hint: did you mean 'entropy'?"),
        (["--calib-method", "fc3=max"], "'fc3'"),
        (["--calib-method", "max", "--calib-method", "mse"], "given twice without a kind"),
        (["--calib-method", "fc1=max", "--calib-method", "fc1=mse"], "given twice for fc1"),
        (["--keep-float", "softmax"], "'softmax'"),
        (["--max-drop", -1], "--max-drop is -1"),
        (["--min-agreement", 2], "--min-agreement is 2"),
        (["--threads", 0], "--threads is 0"),
        (["--ignore", "x"], "--ignore 'x' is no list of labels"),
        (["--label-suffix", "_ids"], "--label-suffix _ids needs a folder of labels"),
        (["--labels", "none"], "the folder of labels none does not exist"),
        (["--report", "b.onnx"], "b.onnx"),
        (["--plot", "pictures/00.png", "--force"], "is the input itself"),
        (["--report", "pictures/00.png", "--force"], "is the input itself"),
        (["--labels", "labels", "--report", "labels/00.png", "--force"], "is the input itself"),
        (["--ranges", "none/r.json"], "cannot write none/r.json"),
        (["--ranges", "b.onnx"], "are one file"),
    ],
)
def test_what_cannot_be_done_is_told_before_a_picture_is_run(
    segpp: Command, arguments: list[object], told: str
) -> None:
    assert told in refused(segpp, *arguments)


@pytest.mark.usefixtures("folder")
def test_too_few_pictures_are_refused_with_their_number(segpp: Command) -> None:
    told = refused(segpp, pictures="pictures/0[0-4].png")

    assert "error: 5 different picture(s) are too few to calibrate on\n  at least 8" in told


@pytest.mark.usefixtures("folder")
def test_a_list_of_pictures_is_not_replaced_by_a_report(segpp: Command) -> None:
    names = "\n".join(map(str, sorted(Path("pictures").iterdir())))
    Path("list.txt").write_text(names)

    told = refused(segpp, "--report", "list.txt", "--force", pictures="list.txt")

    assert "list.txt is the input itself" in told
    assert Path("list.txt").read_text() == names


@pytest.mark.usefixtures("folder")
def test_a_picture_of_one_color_is_refused(segpp: Command) -> None:
    Image.new("RGB", (64, 32), (9, 9, 9)).save("pictures/00.png")

    assert "00.png has one colour, [9, 9, 9]" in refused(segpp)


@pytest.mark.usefixtures("folder")
def test_a_file_that_is_quantized_already_is_refused(segpp: Command) -> None:
    calibrate(segpp)

    done = segpp("calibrate", "b.int8.onnx", "pictures", "-o", "c.onnx", "--no-timing")

    assert done.returncode == 2
    assert "error: the file is quantized already\n  it has " in done.stderr
    assert not Path("c.onnx").exists()


@pytest.mark.usefixtures("folder")
def test_a_file_that_reaches_outside_its_folder_is_refused_before_it_is_read(
    segpp: Command,
) -> None:
    model = onnx.load("b.onnx")
    weight = model.graph.initializer[0]
    weight.ClearField("raw_data")
    weight.data_location = onnx.TensorProto.EXTERNAL
    weight.external_data.add(key="location", value="../secret")
    Path("b.onnx").write_bytes(model.SerializeToString())

    assert "asks for weights outside its folder" in refused(segpp)


@pytest.mark.usefixtures("folder")
def test_with_labels_the_loss_is_one_of_miou_and_the_budget_holds(segpp: Command) -> None:
    done = calibrate(segpp, "--labels", "labels", "--max-drop", 5, "--json", "--min-agreement", 0)

    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    drop, scores = report["drop"], {}
    assert drop["measure"] == "mIoU"
    assert drop["low"] <= drop["points"] <= drop["high"]
    assert drop["points"] <= 5
    for name in ("b.onnx", "b.int8.onnx"):
        held = _held_back()
        done = segpp("eval", name, "--images", held / "i", "--labels", held / "l", "--json")
        scores[name] = 100 * json.loads(done.stdout)["models"][0]["miou"]
    # The same as segpp-eval counts on the pictures that were held back.
    assert drop["reference"] == pytest.approx(scores["b.onnx"])
    assert drop["model"] == pytest.approx(scores["b.int8.onnx"])
    assert len(drop["classes"]) == len(drop["classes_low"]) == 3
    told = segpp("inspect", "b.int8.onnx").stdout
    assert "what each class loses, in points of IoU" in told


def _held_back() -> Path:
    """Return a folder with the pictures that a calibration judges by, and their labels."""
    place = Path("held")
    for part, source in (("i", "pictures"), ("l", "labels")):
        (place / part).mkdir(parents=True, exist_ok=True)
        for path in sorted(Path(source).iterdir())[4::5]:
            (place / part / path.name).write_bytes(path.read_bytes())
    return place


@pytest.mark.usefixtures("folder")
def test_a_picture_without_labels_and_labels_of_no_class_are_told_at_once(segpp: Command) -> None:
    Image.new("L", (64, 32), 7).save("labels/02.png")
    assert "02.png holds the label 7, which is no class" in refused(segpp, "--labels", "labels")

    Path("labels/02.png").unlink()
    assert "1 of 10 files have no labels in labels" in refused(segpp, "--labels", "labels")


@pytest.mark.usefixtures("folder")
def test_pictures_and_labels_pair_by_what_their_names_share(segpp: Command) -> None:
    plain = json.loads(calibrate(segpp, "--labels", "labels", "--json").stdout)
    for name, end in (("pictures", "_left"), ("labels", "_ids")):
        for path in list(Path(name).iterdir()):
            path.rename(path.with_name(f"{path.stem}{end}.png"))
    # Neither has a partner, and neither is looked at.
    Path("pictures/depth.png").write_bytes(b"no picture")
    Path("labels/00_color.png").write_bytes(b"no labels")

    suffixes = ["--image-suffix", "_left", "--label-suffix", "_ids"]
    done = calibrate(segpp, "--labels", "labels", *suffixes, "--json")

    assert done.returncode == 0, done.stderr
    paired = json.loads(done.stdout)
    assert paired["drop"] == plain["drop"]
    assert paired["pictures"] == plain["pictures"]
    told = refused(segpp, "--image-suffix", "_right")
    assert "0 different picture(s) are too few" in told
    assert "hint: 11 were passed over: their names do not end in '_right'" in told


@pytest.mark.usefixtures("folder")
def test_the_report_holds_everything_and_the_plot_is_a_picture(segpp: Command) -> None:
    more = ["--max-drop", 50, "--report", "b.json", "--plot", "b.png"]
    for _ in range(2):  # the second time over what the first wrote
        done = calibrate(segpp, *more)
        assert done.returncode == 0, done.stderr

    report = json.loads(Path("b.json").read_text())
    assert report["kind"] == "calibration"
    blocks = {block["block"]: block for block in report["blocks"]}
    assert list(blocks) == ["stage 1 patch", "stage 1 block 1", "head"]
    assert blocks["head"]["floats"] == {"TensorRT files keep it float": 1}
    assert blocks["stage 1 block 1"]["divergence"] >= 0
    pictures = report["pictures"]
    assert sum(map(len, pictures.values())) == len({h for p in pictures.values() for h in p})
    assert sum(map(len, pictures.values())) == PICTURES
    assert report["warnings"] == [
        "7 pictures to calibrate on, 2 to judge by: few; from 100 on the numbers are dependable"
    ]
    with Image.open("b.png") as plot:
        assert plot.size[0] > 1000


def test_a_calibration_that_was_killed_goes_on_where_it_was(folder: Path, segpp: Command) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (1200, 1200, 3), np.uint8)
    (folder / "large").mkdir()
    for number in range(20):
        rolled = np.roll(noise, 7 * number, 0)
        Image.fromarray(rolled).save(folder / "large" / f"{number:02}.jpg", quality=95)
    ranges = folder / "b.ranges.json"
    words = ["calibrate", "b.onnx", "large", "-o", "b.int8.onnx", "--no-timing"]

    with subprocess.Popen(
        [sys.executable, "-m", "segpp", *words],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    ) as running:  # fmt: skip
        deadline = time.monotonic() + SECONDS
        while not ranges.exists() and time.monotonic() < deadline:
            time.sleep(0.01)
        running.send_signal(signal.SIGKILL)

    left = json.loads(ranges.read_text())
    assert 0 < left["done"] < 16
    assert left["complete"] is False
    assert segpp(*words, "--min-agreement", 0).returncode == 0
    resumed = json.loads(ranges.read_text())
    ranges.unlink()
    assert segpp(*words, "--min-agreement", 0).returncode == 0
    assert resumed == json.loads(ranges.read_text())


def test_a_segformer_with_merged_tokens_becomes_int8(
    segpp: Command, tiny_checkpoint: Path, tmp_path: Path
) -> None:
    street = Image.open(package_street())
    (tmp_path / "frames").mkdir()
    for number in range(PICTURES):
        left = 24 * number
        street.crop((left, 100, left + 256, 228)).save(tmp_path / "frames" / f"{number}.png")
    options = ("--size", "64x128", "--ratio", 0.5, "--no-check")
    segpp("export", tiny_checkpoint, "a.onnx", *options, cwd=tmp_path)

    done = segpp("calibrate", "a.onnx", "frames", "-o", "a.int8.onnx", cwd=tmp_path)

    assert done.returncode == 0, done.stderr
    assert re.search(r"^stage 4 block 1 +5 of 6 ", done.stdout, re.MULTILINE)
    before, after = (onnx.load(tmp_path / name) for name in ("a.onnx", "a.int8.onnx"))
    assert [f.SerializeToString() for f in after.functions] == [
        f.SerializeToString() for f in before.functions
    ]


def package_street() -> Path:
    import segpp as package  # noqa: PLC0415 - the fixture has its name

    return package.sample_image()


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (("--target", "onnxruntime", "--precision", "bf16"), "files for onnxruntime are not timed"),
        (("--target", "openvino", "--precision", "fp8"), "'fp8'"),
    ],
)
@pytest.mark.usefixtures("folder")
def test_a_precision_that_nothing_is_timed_in_is_refused_before_pictures_are_read(
    segpp: Command, given: tuple[str, ...], says: str
) -> None:
    done = calibrate(segpp, *given)

    assert done.returncode == 2
    assert says in done.stderr
    assert not Path("b.ranges.json").exists()


def as_data_set(folder: Path) -> Path:
    """Move pictures and labels to where a data set has them."""
    for name, place in (("pictures", "images"), ("labels", "labels")):
        (folder / "d" / "val").mkdir(parents=True, exist_ok=True)
        (folder / name).rename(folder / "d" / "val" / place)
    return folder / "d"


def test_a_data_set_is_pictures_with_labels(segpp: Command, folder: Path) -> None:
    separate = calibrate(segpp, "--labels", "labels", "--json", "--min-agreement", 0)

    done = calibrate(segpp, "--json", "--min-agreement", 0, "--force", pictures=as_data_set(folder))

    assert done.returncode == 0, done.stderr
    drop, expected = (json.loads(run.stdout)["drop"] for run in (done, separate))
    assert drop["measure"] == "mIoU"
    assert drop == expected


def test_labels_of_other_numbers_are_mapped(segpp: Command, folder: Path) -> None:
    for path in (folder / "labels").iterdir():
        Image.fromarray(np.asarray(Image.open(path)) + 40).save(path)
    (folder / "map.txt").write_text("".join(f"{k + 40} {k}\n" for k in range(20)))

    unmapped = calibrate(segpp, "--labels", "labels")
    done = calibrate(segpp, "--labels", "labels", "--label-map", "map.txt", "--min-agreement", 0)

    assert unmapped.returncode == 2
    assert "which is no class" in unmapped.stderr
    assert done.returncode == 0, done.stderr


def test_a_data_set_beside_pictures_without_labels_is_refused(segpp: Command, folder: Path) -> None:
    images = folder / "more"
    shutil.copytree(folder / "pictures", images)

    data = as_data_set(folder)
    done = segpp("calibrate", "b.onnx", data, images, "-o", "b.int8.onnx")
    other = segpp("calibrate", "b.onnx", images, "-o", "b.int8.onnx", "--split", "val")

    assert (done.returncode, other.returncode) == (2, 2)
    assert f"{data} has labels, and {images} has none" in done.stderr
    assert "--split val is a part of a data set, and no folder is one" in other.stderr
