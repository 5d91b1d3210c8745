"""segpp-run for who looks at the result: legends, comparisons, confidence, pages, places."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import segpp
from segpp.cli import main
from tests.helpers.reports.html_reader import read

Network = Callable[..., Path]
Stripes = Callable[[int, int], np.ndarray]
Capture = pytest.CaptureFixture[str]


@pytest.fixture
def here(tmp_path: Path, stripes: Stripes, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A current folder with the folder ``in`` of two pictures, a.png and b.jpg."""
    (tmp_path / "in").mkdir()
    for name in ("a.png", "b.jpg"):
        Image.fromarray(stripes(120, 240)).save(tmp_path / "in" / name)
    (tmp_path / "now").mkdir()
    monkeypatch.chdir(tmp_path / "now")
    return tmp_path


def run(*arguments: object) -> int:
    return main(["run", *map(str, arguments)])


def pixels(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image)


def written(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.*"))


def test_the_default_overlay_is_the_picture_and_a_legend_below(
    network: Network, here: Path
) -> None:
    assert run(network(), here / "in/a.png") == 0

    picture = pixels(Path("a.overlay.png"))
    bare = here / "bare.png"
    assert run(network(), here / "in/a.png", "--legend", "none", "--out", bare) == 0
    assert picture.shape[1] == 240
    assert (picture[:120] == pixels(bare)).all()
    below = {tuple(pixel) for pixel in picture[120:].reshape(-1, 3).tolist()}
    assert {(200, 0, 0), (0, 200, 0), (0, 0, 200), (255, 255, 255)} <= below


def test_a_legend_inside_keeps_the_size(network: Network, here: Path) -> None:
    out = here / "o.png"

    assert run(network(), here / "in/a.png", "--legend", "inside", "--out", out) == 0
    with Image.open(out) as picture:
        assert picture.size == (240, 120)


def test_contours_are_white_lines_between_the_classes(network: Network, here: Path) -> None:
    out = here / "o.png"

    code = run(network(), here / "in/a.png", "--legend", "none", "--contours", "--out", out)

    row = pixels(out)[60]
    white = np.flatnonzero((row == 255).all(-1))
    assert code == 0
    # Two lines, at a third and at two thirds of 240.
    assert len(white) == 2
    assert np.abs(white - [80, 160]).max() <= 4


@pytest.mark.parametrize(
    ("inputs", "flags", "files", "told"),
    [
        (["in/a.png"], [], ["a.overlay.png"], "wrote a.overlay.png"),
        (
            ["in/a.png"],
            ["--save", "both"],
            ["a.mask.png", "a.overlay.png"],
            "wrote a.overlay.png and a.mask.png",
        ),
        (
            ["in/a.png", "in/b.jpg"],
            [],
            ["segpp-out/a.overlay.png", "segpp-out/b.overlay.png"],
            "wrote segpp-out",
        ),
        (
            ["in", "in/a.png", "in/*.jpg"],
            ["--save", "mask"],
            ["segpp-out/a.mask.png", "segpp-out/b.mask.png"],
            "2 images",
        ),
    ],
)
def test_without_out_the_place_is_named_after_the_input_and_told(
    *,
    network: Network,
    here: Path,
    capsys: Capture,
    inputs: list[str],
    flags: list[str],
    files: list[str],
    told: str,
) -> None:
    code = run(network(), *(here / one for one in inputs), *flags)

    assert code == 0
    assert written(here / "now") == files
    assert told in capsys.readouterr().out


def test_the_same_names_from_two_folders_are_told_apart(
    network: Network, here: Path, stripes: Stripes
) -> None:
    (here / "other").mkdir()
    Image.fromarray(stripes(48, 90)).save(here / "other" / "a.png")

    assert run(network(), here / "in/a.png", here / "other/a.png") == 0
    first, second = written(here / "now" / "segpp-out")
    assert first.endswith("in__a.png.overlay.png")
    assert second.endswith("other__a.png.overlay.png")


def test_a_missing_one_of_several_inputs_is_exit_1_and_the_others_are_done(
    network: Network, here: Path, capsys: Capture
) -> None:
    assert run(network(), here / "in/a.png", here / "in/none.png") == 1
    said = capsys.readouterr().err
    assert "none.png does not exist" in said
    assert "hint: if it is to be written: --out" in said
    assert written(here / "now") == ["segpp-out/a.overlay.png"]


def test_a_comparison_tells_the_share_and_marks_the_pixels(
    network: Network, here: Path, capsys: Capture
) -> None:
    first, second = network(), network("labels")

    code = run(first, here / "in/a.png", "--compare", second, "--json")

    [image] = json.loads(capsys.readouterr().out)["images"]
    masks = [
        segpp.load(path)(segpp.load_image(here / "in/a.png")).masks[0] for path in (first, second)
    ]
    assert code == 0
    assert image["different"] == pytest.approx(np.mean(masks[0] != masks[1]), abs=1e-6)
    assert written(here / "now") == ["a.compare.png"]
    assert run(first, here / "in/a.png", "--compare", second) == 0
    assert f"{image['different']:.2%} of the pixels differ" in capsys.readouterr().out


def test_every_look_is_written_at_once(network: Network, here: Path) -> None:
    kinds = "overlay,mask,side-by-side,compare,confidence"

    code = run(network(), here / "in/a.png", "--save", kinds, "--compare", network("uint8"))

    assert code == 0
    assert written(here / "now") == sorted(f"a.{kind}.png" for kind in kinds.split(","))


@pytest.mark.parametrize(
    ("kind", "flags", "says"),
    [
        ("labels", ["--save", "confidence"], "does not tell how sure it is of them"),
        ("logits", ["--save", "compare"], "compare needs a second network"),
        ("logits", ["--save", "overlay,halo"], "unknown thing to save 'halo'"),
        ("logits", ["--save", ""], "nothing to save"),
        ("logits", ["--compare", "none.onnx"], "none.onnx does not exist"),
        ("logits", ["--html", "no/such/page.html"], "create the folder first"),
    ],
)
def test_what_cannot_be_shown_is_said_and_nothing_written(
    *, network: Network, here: Path, capsys: Capture, kind: str, flags: list[str], says: str
) -> None:
    assert run(network(kind), here / "in/a.png", *flags) == 2
    assert says in capsys.readouterr().err
    assert written(here / "now") == []


def test_networks_of_other_classes_are_not_compared(
    network: Network, here: Path, capsys: Capture
) -> None:
    assert run(network(), here / "in/a.png", "--compare", network("nine")) == 2
    assert "3 classes, the other 9" in capsys.readouterr().err


def test_a_window_without_a_display_is_exit_3(
    network: Network, here: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("tkinter")
    monkeypatch.delenv("DISPLAY", raising=False)

    assert run(network(), here / "in/a.png", "--show") == 3
    assert "there is no display" in capsys.readouterr().err
    assert written(here / "now") == []


def test_the_page_holds_every_picture_and_every_failure(network: Network, here: Path) -> None:
    (here / "in" / "c<b>.png").write_text("no image")

    code = run(network(), here / "in", "--html", "run.html")

    found = read(Path("run.html").read_text(encoding="utf-8"))
    pictures = [words for name, words in found.elements if name == "img"]
    assert code == 1
    assert [words["alt"] for words in pictures] == ["a", "b"]
    assert all(str(words["src"]).startswith("data:image/jpeg;base64,") for words in pictures)
    assert "c<b>.png is not an image" in found.text


@pytest.mark.parametrize(
    ("out", "html"), [("o.png", "o.png"), ("o.png", "./o.png"), ("o", "o/a.overlay.png")]
)
def test_a_page_and_a_picture_are_two_files(
    network: Network, here: Path, capsys: Capture, out: str, html: str
) -> None:
    assert run(network(), here / "in/a.png", "--out", out, "--html", html) == 2

    assert "are one file, and both would be written" in capsys.readouterr().err
    assert written(here / "now") == []


def test_a_page_never_replaces_a_manifest(network: Network, here: Path, capsys: Capture) -> None:
    manifest = Path(f"{network()}.json")
    before = manifest.read_bytes()

    assert run(network(), here / "in/a.png", "--html", manifest, "--force") == 2

    assert "is the input itself" in capsys.readouterr().err
    assert manifest.read_bytes() == before


def test_from_python_a_list_goes_the_same_way(network: Network, here: Path) -> None:
    summary = segpp.predict(network(), [here / "in/a.png", str(here / "in/b.jpg")])

    assert [one.item.name for one in summary.done] == ["a", "b"]
    assert summary.out == "segpp-out"


def test_a_film_keeps_one_size_below_its_frames(
    network: Network, here: Path, stripes: Stripes
) -> None:
    video = pytest.importorskip("segpp.runtime.media.video")
    pytest.importorskip("av", reason="PyAV (segpp[video]) reads videos")
    with video.VideoWriter(here / "drive.mp4", 10) as film:
        for _ in range(3):
            film.write(stripes(120, 240))

    assert run(network(), here / "drive.mp4") == 0
    images = [one.pixels for one in video.frames(here / "now" / "drive.overlay.mp4")]
    assert len(images) == 3
    assert images[0].shape[0] > 120


def test_classes_of_one_name_count_together_in_json(
    network: Network, here: Path, capsys: Capture
) -> None:
    (here / "names.txt").write_text("road\nroad\nsky\n")

    code = run(
        *(network(), here / "in/a.png", "--out", here / "o.png", "--json"),
        *("--class-names", here / "names.txt"),
    )

    [image] = json.loads(capsys.readouterr().out)["images"]
    assert code == 0
    # The three classes are thirds of the picture.
    assert image["classes"] == {
        "road": pytest.approx(2 / 3, 0.02),
        "sky": pytest.approx(1 / 3, 0.02),
    }


def test_a_name_with_a_line_feed_stays_on_the_line_of_the_summary(
    network: Network, here: Path, capsys: Capture
) -> None:
    names = here / "names.json"
    names.write_text(json.dumps(["a\nerror: forged", "b\x1b[2J", "c"]))

    assert run(network(), here / "in/a.png", "--out", here / "o.png", "--class-names", names) == 0

    out = capsys.readouterr().out
    assert out.count("\n") == 1
    assert r"a\x0aerror: forged" in out
    assert "\x1b" not in out
