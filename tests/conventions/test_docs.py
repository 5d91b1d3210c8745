"""The pages are true: their commands run, in the order in which they stand; links lead somewhere.

A ```console block shows commands as a reader types them, each behind ``$``. All blocks of a page
are run one after the other in one folder, which holds what a reader has: a checkpoint, pictures,
labels. ``make`` is asked what it would do. What needs another machine (a board, a package index)
stands in a ```sh block and is not run.
"""

import json
import re
import shlex
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import segpp as package
from benchmarks.common.readme_table import table_of
from benchmarks.networks import fits, matching_variants
from benchmarks.precision import calibration_cost, int8_accuracy, int8_speed
from benchmarks.runtime import overlap
from segpp.cli import VERBS, parser_of
from tests.helpers.commands import Completed

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted(
    page
    for folder in ("", "docs", "examples", "export", "calib", "runtime", "train", "trt_plugins")
    for page in (ROOT / folder).glob("**/*.md" if folder else "*.md")
)
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\((?!https?:|mailto:|#)([^)#\s]+)")
FEW_PICTURES = re.compile(r"^warning: .* pictures to calibrate on, .*: few; ", re.MULTILINE)
# What ends a first trial for a reader: too long a page, no first command.
README_WORDS = 700


def named(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def blocks(page: Path, language: str) -> list[str]:
    """Return the blocks of a page that are in ``language``."""
    found = BLOCK.findall(page.read_text(encoding="utf-8"))
    return [body for name, body in found if name == language]


def commands(block: str) -> list[list[str]]:
    """Return the words of every command that a block shows."""
    lines = block.replace("\\\n", " ").splitlines()
    return [shlex.split(line[2:], comments=True) for line in lines if line.startswith("$ ")]


def shown(page: Path) -> list[list[str]]:
    return [words for block in blocks(page, "console") for words in commands(block)]


def verb_and_rest(words: list[str]) -> list[str]:
    """Return ``export …`` for ``segpp-export …`` and ``segpp export …`` alike."""
    return words[1:] if words[0] == "segpp" else [words[0].removeprefix("segpp-"), *words[1:]]


WITH_COMMANDS = [page for page in PAGES if shown(page)]


@pytest.fixture
def folder(tmp_path: Path, b0_checkpoint: Path) -> Path:
    """What a reader of the pages has: a checkpoint, pictures and a small labelled set."""
    shutil.copy(b0_checkpoint, tmp_path / "model.pth")
    street = Image.open(package.sample_image())
    street.save(tmp_path / "street.png")
    for part in ("frames", "pictures", "val/images", "val/labels"):
        (tmp_path / part).mkdir(parents=True)
    for number in range(2):
        small = street.resize((256, 128)).rotate(number)
        small.save(tmp_path / "frames" / f"{number}.jpg")
        small.save(tmp_path / "pictures" / f"{number}.jpg")
        small.save(tmp_path / "val" / "images" / f"{number}.jpg")
        labels = np.full((128, 256), number, np.uint8)
        labels[:8] = 255
        Image.fromarray(labels).save(tmp_path / "val" / "labels" / f"{number}.png")
    (tmp_path / "camera").mkdir()
    for number in range(10):
        street.resize((256, 128)).rotate(number).save(tmp_path / "camera" / f"{number}.jpg")
    for part in ("images", "labels"):
        (tmp_path / "data" / part).mkdir(parents=True)
    for number in range(60):
        left, top = 23 * number % 280, 11 * number % 120
        frame = street.convert("RGB").resize((384, 192)).crop((left, top, left + 96, top + 64))
        frame.save(tmp_path / "data" / "images" / f"{number}.png")
        numbers = np.asarray(frame.convert("L")) // 86
        Image.fromarray(numbers).save(tmp_path / "data" / "labels" / f"{number}.png")
    shutil.copytree(tmp_path / "val", tmp_path / "with-19")
    labels[:16] = 19
    Image.fromarray(labels).save(tmp_path / "with-19" / "labels" / "1.png")
    return tmp_path


def run(words: list[str], folder: Path, segpp: Callable[..., Completed]) -> Completed:
    if words[0] == "make":
        dry = [words[0], "--dry-run", *words[1:]]
        return subprocess.run(dry, cwd=ROOT, capture_output=True, text=True, check=False)
    assert words[0].startswith("segpp"), f"{shlex.join(words)} is no command of ours: use ```sh"
    return segpp(*verb_and_rest(words), cwd=folder)


@pytest.mark.slow
@pytest.mark.parametrize("page", WITH_COMMANDS, ids=named)
def test_the_commands_of_a_page_run_in_the_order_in_which_they_stand(
    page: Path, folder: Path, segpp: Callable[..., Completed]
) -> None:
    for words in shown(page):
        done = run(words, folder, segpp)

        assert done.returncode == 0, f"{shlex.join(words)}\n{done.stderr}"
        if "--ignore" in words:
            place = words.index("--ignore")
            needed = run([*words[:place], *words[place + 2 :]], folder, segpp)
            assert needed.returncode == 2
            assert "which is no class" in needed.stderr
        # A reader who does as told is not told off; what speaks against a measured time is the
        # machine's, and that the pictures of a camera are few here is this folder's.
        told = FEW_PICTURES.sub("", done.stderr)
        if "bench" not in words[0]:
            assert "warning:" not in told, f"{shlex.join(words)}\n{done.stderr}"


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_the_commands_that_need_another_machine_have_flags_that_there_are(page: Path) -> None:
    lines = [line for block in blocks(page, "sh") for line in block.splitlines()]
    typed = [shlex.split(line, comments=True) for line in lines if line.startswith("segpp-")]

    for words in typed:
        verb, *rest = verb_and_rest(words)
        parser_of(verb).parse_args(rest)


def test_the_page_of_jetsons_leads_to_an_engine_that_runs() -> None:
    text = "".join(blocks(ROOT / "docs" / "jetson.md", "sh"))
    steps = [
        "git clone", "pip install './segpp[cpu]'", "cuda-bindings<13", "cmake --preset orin",
        "segpp-build-engine b0.onnx b0.engine", "segpp-verify b0.engine", "segpp-run b0.engine",
    ]  # fmt: skip

    places = [text.find(step) for step in steps]

    assert -1 not in places
    assert places == sorted(places)


@pytest.mark.slow
def test_the_readmes_python_runs_behind_its_commands(
    folder: Path, segpp: Callable[..., Completed], monkeypatch: pytest.MonkeyPatch
) -> None:
    [code] = blocks(ROOT / "README.md", "python")
    first = next(words for words in shown(ROOT / "README.md") if words[0] == "segpp-export")
    run(first, folder, segpp)
    monkeypatch.chdir(folder)

    exec(compile(code, "README.md", "exec"), {})  # noqa: S102 - the page's own lines


def test_the_readme_shows_every_verb_and_the_users_own_two_commands() -> None:
    words = shown(ROOT / "README.md")

    verbs = {verb_and_rest(w)[0] for w in words if w[0].startswith("segpp")}
    # What takes half an hour is shown, and not run here.
    [long] = [block for block in blocks(ROOT / "README.md", "sh") if block.startswith("segpp-")]
    lines = {verb_and_rest(line.split())[0] for line in long.splitlines()}
    assert set(VERBS) <= verbs | lines
    ours = [w for w in words if w[0].startswith("segpp")]
    assert ours[0] == ["segpp-export", "--ratio", "0.5", "model.pth", "out.onnx"]
    assert ours[1][:2] == ["segpp-build-engine", "out.onnx"]


def test_the_readme_is_short() -> None:
    text = BLOCK.sub("", (ROOT / "README.md").read_text(encoding="utf-8"))

    assert len(text.split()) <= README_WORDS


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_every_link_to_a_file_leads_to_one(page: Path) -> None:
    links = LINK.findall(page.read_text(encoding="utf-8"))

    assert [link for link in links if not (page.parent / link).exists()] == []


def test_commands_are_found_with_their_continuations_and_without_output() -> None:
    block = "$ segpp-run a.onnx \\\n    b.png --out c.png\n1 image\n"

    assert commands(block) == [["segpp-run", "a.onnx", "b.png", "--out", "c.png"]]


@pytest.mark.parametrize("name", ["camvid_352x480.json", "camvid_unseen_352x480.json"])
def test_the_measured_table_is_that_of_the_committed_result(name: str) -> None:
    result = json.loads((ROOT / "docs" / "results" / name).read_text())

    assert table_of(result) in (ROOT / "docs" / "accuracy-and-speed.md").read_text(encoding="utf-8")


def test_the_tables_of_fits_and_seams_are_those_of_the_committed_result() -> None:
    result = json.loads((ROOT / "docs/results/camvid_fits.json").read_text())
    page = (ROOT / "docs" / "accuracy-and-speed.md").read_text(encoding="utf-8")

    assert all(table in page for table in fits.tables_of(result).split("\n\n"))


@pytest.mark.parametrize("page", ["README.md", "docs/accuracy-and-speed.md"])
def test_the_table_of_speeds_is_that_of_the_committed_result(page: str) -> None:
    result = json.loads((ROOT / "docs/results/decode_heads_b0_1024x2048.json").read_text())

    assert table_of(result) in (ROOT / page).read_text(encoding="utf-8")


def test_the_table_of_better_merging_is_that_of_the_committed_result() -> None:
    result = json.loads((ROOT / "docs/results/matching_variants_camvid_unseen.json").read_text())

    assert matching_variants.table_of(result) in (ROOT / "docs/merging.md").read_text()


def test_the_table_of_overlap_is_its_result() -> None:
    result = json.loads((ROOT / "docs/results/overlap_b0_512x1024.json").read_text())

    assert overlap.table_of(result) in (ROOT / "docs" / "video.md").read_text()


@pytest.mark.parametrize("path", sorted(ROOT.glob("docs/results/int8_speed_*.json")), ids=named)
def test_the_tables_of_int8_speeds_are_those_of_the_committed_results(path: Path) -> None:
    result = json.loads(path.read_text())

    assert int8_speed.table_of(result) in (ROOT / "docs/calibration.md").read_text(encoding="utf-8")


def test_the_table_of_what_a_calibration_takes_is_that_of_the_committed_result() -> None:
    result = json.loads((ROOT / "docs/results/calibration_cost_b0_512x1024.json").read_text())
    page = (ROOT / "docs/calibration.md").read_text(encoding="utf-8")

    assert calibration_cost.table_of(result) in page


def test_the_table_of_int8_accuracy_is_that_of_the_committed_result() -> None:
    result = json.loads((ROOT / "docs/results/int8_accuracy_camvid.json").read_text())
    page = (ROOT / "docs/calibration.md").read_text(encoding="utf-8")

    assert int8_accuracy.table_of(result) in page


def test_the_page_of_evidence_tells_the_committed_resources() -> None:
    result = json.loads((ROOT / "docs" / "results" / "resources.json").read_text())
    page = (ROOT / "docs" / "evidence.md").read_text(encoding="utf-8")

    exported = result["export B5 hq"]
    assert f"{exported['seconds']:.0f} s, peak {exported['peak_mib']:,} MiB" in page
    for name in ("run B0 none", "run B0 hq"):
        assert f"peak {result[name]['peak_mib']:,} MiB" in page
