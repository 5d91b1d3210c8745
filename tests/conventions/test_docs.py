"""The commands and the links of the documentation: they are what the tool takes.

A ```console block shows commands as typed, each behind ``$``. All are parsed by the command's own
parser; those that only print something are run.
"""

import json
import re
import shlex
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from benchmarks.common.readme_table import table_of
from segpp.cli import VERBS, parser_of

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted(
    page
    for folder in ("", "docs", "examples", "export", "calib", "runtime", "trt_plugins")
    for page in (ROOT / folder).glob("**/*.md" if folder else "*.md")
)
CONSOLE = re.compile(r"^```console\n(.*?)^```", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\((?!https?:|mailto:|#)([^)#\s]+)")
PRINT_ONLY = {"--help", "-h", "--version", "--list-reductions", "--list-rewrites"}
PRINTING_VERBS = {"doctor"}


def named(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def commands(text: str) -> list[list[str]]:
    """Return the words of every command that the console blocks of a page show."""
    joined = (block.replace("\\\n", " ") for block in CONSOLE.findall(text))
    lines = (line for block in joined for line in block.splitlines())
    return [shlex.split(line[2:], comments=True) for line in lines if line.startswith("$ ")]


SHOWN = [
    pytest.param(words, id=f"{named(page)}: {shlex.join(words)}")
    for page in PAGES
    for words in commands(page.read_text(encoding="utf-8"))
]
OURS = [shown for shown in SHOWN if shown.values[0][0].startswith("segpp")]
MAKE = [shown for shown in SHOWN if shown.values[0][0] == "make"]


def verb_and_rest(words: list[str]) -> tuple[str, list[str]]:
    """Return ``export`` and the arguments for ``segpp-export …`` and ``segpp export …`` alike."""
    spelled = words[1:] if words[0] == "segpp" else [words[0].removeprefix("segpp-"), *words[1:]]
    return spelled[0], spelled[1:]


def only_prints(words: list[str]) -> bool:
    return bool(PRINT_ONLY & set(words)) or verb_and_rest(words)[0] in PRINTING_VERBS


@pytest.mark.parametrize("words", OURS)
def test_a_command_of_ours_is_one_that_it_takes(
    words: list[str], segpp: Callable[..., "subprocess.CompletedProcess[str]"]
) -> None:
    verb, rest = verb_and_rest(words)

    if only_prints(words):
        done = segpp(verb, *rest)
        assert done.returncode == 0, done.stderr
        assert done.stdout
    else:
        # Ends the test by SystemExit if an argument is unknown or missing.
        assert parser_of(verb).parse_args(rest)


@pytest.mark.parametrize("words", MAKE)
def test_a_make_command_names_targets_that_exist(words: list[str]) -> None:
    done = subprocess.run(
        [words[0], "--dry-run", *words[1:]], cwd=ROOT, capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stderr


def test_the_readme_shows_every_verb_and_both_make_commands() -> None:
    shown = commands((ROOT / "README.md").read_text(encoding="utf-8"))

    verbs = {verb_and_rest(words)[0] for words in shown if words[0].startswith("segpp")}
    assert set(VERBS) <= verbs
    assert [words for words in shown if words[0] == "make"] == [["make", "demo"], ["make", "test"]]


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_every_link_to_a_file_leads_to_one(page: Path) -> None:
    links = LINK.findall(page.read_text(encoding="utf-8"))

    assert [link for link in links if not (page.parent / link).exists()] == []


def test_commands_are_found_with_their_continuations_and_without_output() -> None:
    page = "```console\n$ segpp-run a.onnx \\\n    b.png --out c.png\n1 image\n```\n$ not this\n"

    assert commands(page) == [["segpp-run", "a.onnx", "b.png", "--out", "c.png"]]


def test_the_measured_table_is_that_of_the_committed_result() -> None:
    result = json.loads((ROOT / "docs" / "results" / "camvid_352x480.json").read_text())

    assert table_of(result) in (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_page_of_evidence_tells_the_committed_resources() -> None:
    result = json.loads((ROOT / "docs" / "results" / "resources.json").read_text())
    page = (ROOT / "docs" / "evidence.md").read_text(encoding="utf-8")

    exported = result["export B5 hq"]
    assert f"{exported['seconds']:.0f} s, peak {exported['peak_mib']:,} MiB" in page
    for run in ("run B0 none", "run B0 hq"):
        assert f"peak {result[run]['peak_mib']:,} MiB" in page
