"""The Dockerfile names what there is; no Docker runs here, so this is all that holds it.

Its ``pip install`` is tried on the emulated board by tests/board/test_install.py.
"""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DOCKERFILE = ROOT / "docker" / "jetson" / "Dockerfile"
# Those of the reference of Dockerfiles that this one may use.
INSTRUCTIONS = {"ARG", "FROM", "RUN", "ENV", "COPY", "WORKDIR", "ENTRYPOINT", "CMD"}


def instructions() -> list[tuple[str, str]]:
    """Return each instruction and its arguments, comments out and continued lines joined."""
    lines = DOCKERFILE.read_text(encoding="utf-8").splitlines()
    text = "\n".join(line for line in lines if not line.lstrip().startswith("#"))
    joined = re.sub(r"\\\n\s*", "", text)
    parted = (line.partition(" ") for line in joined.splitlines() if line.strip())
    return [(word, rest.strip()) for word, _, rest in parted]


def test_every_line_is_an_instruction_and_the_base_comes_first() -> None:
    words = [word for word, _ in instructions()]

    assert set(words) <= INSTRUCTIONS
    assert words[:2] == ["ARG", "FROM"]
    assert words.count("FROM") == words.count("CMD") == words.count("ENTRYPOINT") == 1


def test_what_it_installs_of_segpp_there_is() -> None:
    runs = [rest for word, rest in instructions() if word == "RUN"]
    [extras] = re.findall(r"'/tmp/segpp\[([\w,-]+)\]'", " ".join(runs))
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")

    assert all(re.search(rf"^{extra} = \[", project, re.MULTILINE) for extra in extras.split(","))


def test_it_starts_the_command_in_the_form_that_passes_signals_on() -> None:
    forms = {word: rest for word, rest in instructions() if word in {"ENTRYPOINT", "CMD"}}

    assert forms == {"ENTRYPOINT": '["segpp"]', "CMD": '["doctor"]'}


def test_every_command_joins_the_next_by_and() -> None:
    """A step behind ``;`` would hide that the one before failed."""
    assert not [rest for word, rest in instructions() if word == "RUN" and ";" in rest]


def test_the_page_builds_it_by_its_path_and_argument() -> None:
    page = (ROOT / "docs" / "jetson.md").read_text(encoding="utf-8")
    [(_, default)] = [one for one in instructions() if one[0] == "ARG"]

    assert f"--file docker/jetson/Dockerfile --build-arg {default}" in page
