"""The page of a run: everything that was done, few pictures, names that stay names."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from segpp.errors import ImageError
from segpp.runtime.html_report.run_page import Album, write_run_page
from segpp.runtime.inference.predict import FailedImage, Prediction
from segpp.runtime.inference.session import Timing
from segpp.runtime.inference.summary import RunSummary
from segpp.runtime.media.items import ImageName
from segpp.runtime.media.looks.base import RenderConfig, Segmented
from tests.helpers.reports.html_reader import HOSTILE, Reader, read

PALETTE = ((200, 0, 0), (0, 200, 0))


def render(*names: str) -> RenderConfig:
    return RenderConfig(("overlay",), PALETTE, 0.5, names, models=("one.onnx", "two.onnx"))


def item(name: str) -> ImageName:
    return ImageName(name, f"in/{name}")


def prediction(name: str, different: float | None = None) -> Prediction:
    return Prediction(item(name), (2, 2), (0.75, 0.25), Timing(1, 2, 3), [], different)


def shown(errors: int | None = None) -> Segmented:
    labels = np.zeros((10, 10), np.uint8)
    others = None if errors is None else (np.arange(100) < errors).reshape(10, 10).astype(np.uint8)
    return Segmented(np.full((10, 10, 3), 99, np.uint8), labels, None, others)


def written(tmp_path: Path, summary: RunSummary, album: Album) -> tuple[str, Reader]:
    write_run_page(tmp_path / "a.html", summary, album)
    text = (tmp_path / "a.html").read_text(encoding="utf-8")
    return text, read(text)


def summary_of(done: list[Prediction], *names: str) -> RunSummary:
    return RunSummary("onnxruntime (cpu)", (32, 64), "letterbox", names, done=done)


def test_it_has_a_row_and_a_picture_for_every_image(tmp_path: Path) -> None:
    album, done = Album(render("sky", "road")), [prediction("a"), prediction("b")]
    for one in done:
        album.add(one.item.name, shown())

    _, found = written(tmp_path, summary_of(done, "sky", "road"), album)

    pictures = [words["alt"] for name, words in found.elements if name == "img"]
    assert pictures == ["a", "b"]
    assert "one.onnx: 2 images" in found.text
    assert found.text.count("sky 75.0%, road 25.0%") == 2


def test_many_images_have_rows_and_few_of_them_pictures(tmp_path: Path) -> None:
    album, done = Album(render("sky")), [prediction(f"i{i}") for i in range(1100)]
    for one in done:
        album.add(one.item.name, shown())

    text, found = written(tmp_path, summary_of(done, "sky"), album)

    assert sum(name == "img" for name, _ in found.elements) == 24
    assert "1076 more are in the table" in found.text
    assert "100 more were done" in found.text
    assert len(text) < 1 << 20


def test_of_a_comparison_the_largest_differences_are_shown_first(tmp_path: Path) -> None:
    album, done = Album(render("sky")), [prediction(f"i{i}", i / 100) for i in range(50)]
    for number, one in enumerate(done):
        album.add(one.item.name, shown(errors=number))

    _, found = written(tmp_path, summary_of(done, "sky"), album)

    titles = found.text.partition("Pictures")[2]
    assert titles.index("i49") < titles.index("i48") < titles.index("i26")
    assert "i25one.onnx" not in titles
    assert "one.onnx and two.onnx" in found.text
    assert "24.50% of the pixels differ" in found.text


def test_a_comparison_has_its_input_and_says_whose_the_times_are(tmp_path: Path) -> None:
    album, done = Album(render("sky", "road")), [prediction("a", 0.1)]
    album.add("a", shown(errors=10))

    _, found = written(tmp_path, summary_of(done, "sky", "road"), album)

    pictures = [words["alt"] for name, words in found.elements if name == "img"]
    assert pictures == ["input", "one.onnx", "two.onnx", "10.00% of the pixels differ"]
    assert "median 6 ms an image with one.onnx" in found.text


def test_shares_sum_to_one_and_what_is_there_is_not_nothing(tmp_path: Path) -> None:
    one = replace(prediction("a"), shares=(0.4199, 0.0001))

    _, found = written(
        tmp_path,
        summary_of([one], "sky", "road"),
        Album(replace(render("sky", "road"), unseen=255)),
    )

    assert "sky 42.0%road <0.1%not seen 58.0%" in found.text


@pytest.mark.parametrize("name", HOSTILE)
def test_names_of_files_classes_and_failures_stay_text(tmp_path: Path, name: str) -> None:
    album, summary = Album(render(name, name)), summary_of([prediction(name)], name, name)
    album.add(name, shown())
    summary.failed.append(FailedImage(item(name), ImageError(name)))

    _, found = written(tmp_path, summary, album)

    allowed = {
        *("html", "head", "meta", "title", "style", "body", "h1", "h2", "p", "ul", "li", "span"),
        *("section", "div", "figure", "img", "figcaption", "table", "thead", "tbody", "tr"),
        *("th", "td"),
    }
    assert {element for element, _ in found.elements} <= allowed
    assert not any(word.startswith("on") for _, words in found.elements for word in words)
    assert found.text.count(name) >= 6


def test_a_run_that_did_nothing_has_a_page_too(tmp_path: Path) -> None:
    summary = summary_of([], "sky")
    summary.failed.append(FailedImage(item("a.png"), ImageError("a.png is damaged")))

    _, found = written(tmp_path, summary, Album(render("sky")))

    assert "a.png is damaged" in found.text
