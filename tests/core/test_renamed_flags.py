"""Flags and names that were others before: what was typed then still means what it meant."""

from importlib import import_module
from typing import NoReturn

import pytest

from segpp.cli import VERBS, main, parser_of
from segpp.cli._options.arguments import renamed
from segpp.errors import CheckError, InputError

Capture = pytest.CaptureFixture[str]


@pytest.mark.parametrize("name", VERBS)
def test_a_flag_that_was_renamed_is_gone_from_the_help_and_its_new_name_is_there(name: str) -> None:
    options = {flag for action in parser_of(name)._actions for flag in action.option_strings}
    names = getattr(import_module(VERBS[name]), "RENAMED", {})

    # ``segpp-eval`` has --labels for folders, which ``segpp-run`` once had for names of classes.
    assert set(names.values()) <= options
    assert not set(names) & options


def test_an_old_name_of_a_flag_works_with_a_warning(capsys: Capture) -> None:
    code = main(["run", "none.onnx", "a.png", "--out=b.png", "--engine=onnxruntime"])

    told = capsys.readouterr().err
    assert code == 2
    assert "warning: --engine is called --backend now, and goes with version 0.3\n" in told
    assert "unknown argument" not in told


def test_an_old_spelling_of_a_rewrite_works_with_a_warning(capsys: Capture) -> None:
    args = parser_of("export").parse_args(["a.pth", "a.onnx", "--no-rewrite", "known-gelu=off"])

    assert args.no_rewrite == ["gelu-for-fusion"]
    assert "warning: known-gelu is called gelu-for-fusion now" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "names", "current"),
    [
        (["--old", "x"], {"--old": "--new"}, ["--new", "x"]),
        (["--old=x=y"], {"--old": "--new"}, ["--new=x=y"]),
        (["--older", "x"], {"--old": "--new"}, ["--older", "x"]),
        (["--", "--old"], {"--old": "--new"}, ["--", "--old"]),
        (["--name", "--old", "x"], {"--old": "--new"}, ["--name", "--old", "x"]),
        (["--name=y", "--old", "x"], {"--old": "--new"}, ["--name=y", "--new", "x"]),
        (["--old", "--old", "x"], {"--old": "--new"}, ["--new", "--old", "x"]),
    ],
)
def test_only_a_flag_of_the_old_name_is_replaced(
    arguments: list[str], names: dict[str, str], current: list[str]
) -> None:
    assert renamed(arguments, names, takes_value=["--name", "--new"]) == current


@pytest.mark.parametrize(
    "arguments", [["--old=x", "--new=x"], ["--new", "x", "--old", "y"]], ids=" ".join
)
def test_a_flag_under_both_of_its_names_is_refused(arguments: list[str]) -> None:
    with pytest.raises(InputError, match="--old and --new are one flag and were both given"):
        renamed(arguments, {"--old": "--new"}, takes_value=["--new"])


@pytest.mark.parametrize(
    ("given", "left_out"), [("known-gelu=off", ["gelu-for-fusion"]), ("known-gelu=on", [])]
)
def test_the_old_flag_of_a_rewrite_means_what_it_meant(
    given: str, left_out: list[str], capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def keep(*_: object, **options: object) -> NoReturn:
        assert options["rewrites_off"] == left_out
        raise CheckError("reached")

    monkeypatch.setattr("segpp.export_onnx", keep, raising=False)

    assert main(["export", "a.pth", "a.onnx", "--rewrite", given]) == CheckError.exit_code
    told = capsys.readouterr().err
    assert "--rewrite NAME=off is called --no-rewrite NAME now" in told
    assert "known-gelu is called gelu-for-fusion now" in told


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--rewrite", "known-gelu"], "argument --rewrite: 'known-gelu' is not NAME=off"),
        (["--rewrite", "known-gelu="], "argument --rewrite: 'known-gelu=' is not NAME=off"),
        (
            ["--rewrite", "known-gelu=off", "--no-rewrite", "fold-batch-norm"],
            "argument --no-rewrite: not allowed with argument --rewrite",
        ),
    ],
    ids=str,
)
def test_an_old_flag_of_a_rewrite_that_means_nothing_is_refused(
    arguments: list[str], told: str, capsys: Capture
) -> None:
    assert main(["export", "a.pth", "a.onnx", *arguments]) == 2
    assert told in capsys.readouterr().err
    assert "--rewrite" not in parser_of("export").format_help().replace("--no-rewrite", "")
