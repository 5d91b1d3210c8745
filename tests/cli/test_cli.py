"""The commands' frame: help on every machine, exit codes, one sentence per failure, clean stops."""

import argparse
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from types import ModuleType

import pytest

from segpp import __version__
from segpp.cli import GROUPS, VERBS, main, parser_of
from segpp.errors import CheckError, InputError, MissingError
from segpp.runtime.backends.base import BACKENDS
from segpp.utils.files import atomic_write
from tests.helpers.commands import HEAVY, python_without

Capture = pytest.CaptureFixture[str]
Command = Callable[..., "subprocess.CompletedProcess[str]"]
Verb = Callable[[Callable[[], int]], None]


@pytest.fixture
def verb(monkeypatch: pytest.MonkeyPatch) -> Verb:
    """Add a verb "try" that does what it is given."""

    def add(work: Callable[[], int]) -> None:
        module = ModuleType("verb_of_this_test")
        module.SUMMARY, module.EXAMPLES = "Try.", ("segpp try",)  # type: ignore[attr-defined]  # a module made here
        module.add_arguments = lambda parser: parser.add_argument("--count", type=int)  # type: ignore[attr-defined]  # as above
        module.run = lambda _: work()  # type: ignore[attr-defined]  # as above
        monkeypatch.setitem(sys.modules, module.__name__, module)
        monkeypatch.setitem(VERBS, "try", module.__name__)

    return add


def raising(failure: BaseException) -> Callable[[], int]:
    def work() -> int:
        raise failure

    return work


# --- help and version, on a machine that has numpy, Pillow and tqdm only


@pytest.fixture(scope="module")
def helps() -> dict[str, str]:
    """The help screens, printed where no heavy package can be imported."""
    code = (
        "from segpp.cli import VERBS, main\n"
        "assert main(['--help']) == 0\n"
        "for verb in VERBS:\n"
        "    print('\\0' + verb + '\\0')\n"
        "    try: main([verb, '--help'])\n"
        "    except SystemExit as end: assert end.code == 0\n"
    )
    done = python_without(HEAVY, code)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    overview, *rest = done.stdout.split("\0")
    return {"": overview, **dict(zip(rest[::2], rest[1::2], strict=True))}


def test_the_overview_has_a_line_for_every_verb(helps: dict[str, str]) -> None:
    for verb in VERBS:
        assert f"  segpp {verb:<13} {import_module(VERBS[verb]).SUMMARY}\n" in helps[""]
    assert "exit status:\n  0 done; 1 a check failed" in helps[""]


@pytest.mark.parametrize("name", VERBS)
def test_a_help_screen_needs_no_heavy_package(helps: dict[str, str], name: str) -> None:
    text, module = helps[name].lstrip(), import_module(VERBS[name])

    assert text.startswith(f"usage: segpp-{name} ")
    assert module.SUMMARY in text.replace("\n", " ") or module.SUMMARY in text
    assert all(example in text for example in module.EXAMPLES)
    assert "3 a package or device is missing" in text


@pytest.mark.parametrize("name", ["verify", "run", "eval", "bench"])
def test_a_help_screen_names_every_backend(helps: dict[str, str], name: str) -> None:
    assert f"{', '.join(BACKENDS)}, auto" in " ".join(helps[name].split())


def test_what_must_not_be_loaded_for_help_is_what_comes_with_an_extra() -> None:
    assert {"torch", "onnx", "onnxruntime", "openvino", "tensorrt_rtx", "av"} <= set(HEAVY)
    assert not {"numpy", "PIL", "tqdm"} & set(HEAVY)


@pytest.mark.parametrize("name", VERBS)
def test_every_argument_stands_in_a_group_with_a_name(helps: dict[str, str], name: str) -> None:
    assert not re.search(r"^(positional arguments|options):", helps[name], re.MULTILINE)
    assert re.search(r"^results:\n(  .*\n)*  --json +print ", helps[name], re.MULTILINE)


@pytest.mark.parametrize("name", VERBS)
def test_every_default_is_told_in_the_same_form(name: str) -> None:
    for action in parser_of(name)._actions:
        if action.default not in (None, False, "", [], argparse.SUPPRESS):
            assert f"(default: {action.default}" in str(action.help)


@pytest.mark.parametrize("name", VERBS)
def test_every_example_of_a_help_screen_is_accepted(name: str) -> None:
    for example in import_module(VERBS[name]).EXAMPLES:
        command, *arguments = example.split()

        assert command == f"segpp-{name}"
        assert isinstance(parser_of(name).parse_args(arguments), argparse.Namespace)


@pytest.mark.parametrize("name", VERBS)
def test_every_flag_is_kebab_case(name: str) -> None:
    for action in parser_of(name)._actions:
        for flag in action.option_strings:
            assert flag == flag.lower().replace("_", "-")


def test_the_verbs_of_a_group_stand_in_the_order_in_which_they_are_needed(
    helps: dict[str, str],
) -> None:
    verbs = re.findall(r"^  segpp (\S+)", helps[""], re.MULTILINE)

    assert verbs[:6] == ["export", "distill", "train", "calibrate", "build-engine", "verify"]
    assert verbs[6:9] == ["run", "eval", "bench"]
    for group in GROUPS:
        modules = [import_module(name) for name in VERBS.values()]
        orders = [module.ORDER for module in modules if group == module.GROUP]
        assert len(set(orders)) == len(orders)


def test_every_verb_stands_in_one_group_of_the_overview(helps: dict[str, str]) -> None:
    assert {import_module(module).GROUP for module in VERBS.values()} == set(GROUPS)
    for verb in VERBS:
        assert helps[""].count(f"  segpp {verb} ") == 1


def test_the_name_of_the_program_is_the_verb(
    monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    monkeypatch.setattr(sys, "argv", ["/usr/bin/segpp-run.exe", "--nope"])

    assert main() == 2
    assert "hint: segpp-run -h lists the arguments" in capsys.readouterr().err


def test_the_version_is_the_result(capsys: Capture) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"{__version__}\n"


def test_no_argument_is_wrong_usage_and_shows_the_overview(capsys: Capture) -> None:
    assert main([]) == 2
    assert capsys.readouterr().out.startswith("usage: segpp VERB")


# --- wrong usage


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["exprot"], "unknown command 'exprot'\n  known: bench, build-engine, calibrate, "),
        (["exprot"], "hint: did you mean 'export'?"),
        (["Run"], "hint: did you mean 'run'?"),
        (["-v"], "unknown command '-v'"),
        (["run"], "the following arguments are required: MODEL, INPUT"),
        (
            ["run", "a", "b", "--out", "c", "--nope"],
            "error: unknown argument --nope\n  hint: segpp-run -h lists the arguments\n",
        ),
        (
            ["run", "a", "b", "--out", "c", "--thr", "2"],
            "error: unknown argument --thr\n  hint: did you mean --threads?\n",
        ),
        # What follows is an argument like any other, and the next one is not too many.
        (
            ["export", "--sise", "512x1024", "a", "b"],
            "error: unknown argument --sise\n  hint: did you mean --size?\n",
        ),
        (
            ["export", "a", "b", "--Size=512x1024"],
            "unknown argument --Size\n  hint: did you mean --s",
        ),
        (["run", "a", "b", "--otu", "c"], "unknown argument --otu\n  hint: did you mean --out?\n"),
        (["run", "a", "b", "--out", "c", "--alpha", "-1", "d"], "unrecognized arguments: d\n"),
        (["run", "a", "b", "--out", "c", "--alpha", "x"], "--alpha: invalid float value: 'x'"),
        (["run", "a", "b", "--out"], "argument --out: expected one argument"),
        (["build-engine", "a", "b", "c"], "hint: segpp-build-engine -h lists the arguments"),
    ],
    ids=" ".join,
)
@pytest.mark.usefixtures("verb")
def test_wrong_usage_is_one_sentence_and_exit_2(
    arguments: list[str], told: str, capsys: Capture
) -> None:
    assert main(arguments) == 2

    said = capsys.readouterr()
    assert said.err.startswith("error: ")
    assert told in said.err
    assert said.out == ""


# --- exit codes


@pytest.mark.parametrize(
    ("failure", "code", "told"),
    [
        (CheckError("a", "b", hint="c"), 1, "error: a\n  b\n  hint: c\n"),
        (InputError("a"), 2, "error: a\n"),
        (MissingError("a"), 3, "error: a\n"),
        (KeyboardInterrupt(), 130, "error: interrupted; nothing half-written is left\n"),
        (PermissionError(13, "Permission denied", "x.y"), 2, "error: x.y: Permission denied\n"),
        (OSError("odd"), 2, "error: odd\n"),
    ],
    ids=repr,
)
def test_a_failure_is_one_sentence_and_its_exit_code(
    *, verb: Verb, failure: BaseException, code: int, told: str, capsys: Capture
) -> None:
    verb(raising(failure))

    assert main(["try"]) == code
    assert capsys.readouterr().err == told


def test_verbose_shows_where_it_failed(verb: Verb, capsys: Capture) -> None:
    verb(raising(InputError("a")))

    assert main(["try", "-v"]) == 2
    assert capsys.readouterr().err.startswith("Traceback ")


def test_a_bug_of_ours_is_not_dressed_up(verb: Verb) -> None:
    verb(raising(ZeroDivisionError("ours")))

    with pytest.raises(ZeroDivisionError):
        main(["try"])


@pytest.mark.parametrize("code", [0, 1])
def test_a_verb_decides_on_its_code(verb: Verb, code: int) -> None:
    verb(lambda: code)

    assert main(["try"]) == code


def test_a_package_that_is_not_ours_to_miss_is_a_bug(verb: Verb) -> None:
    verb(raising(ModuleNotFoundError("No module named 'left_pad'", name="left_pad")))

    with pytest.raises(ModuleNotFoundError):
        main(["try"])


# --- stops


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_stop_is_exit_130_with_nothing_left(
    verb: Verb, stop: signal.Signals, tmp_path: Path, capsys: Capture
) -> None:
    def work() -> int:
        with atomic_write(tmp_path / "a") as (part,):
            part.write_bytes(b"half")
            os.kill(os.getpid(), stop)
            time.sleep(10)
        return 0

    verb(work)

    assert main(["try"]) == 130
    assert capsys.readouterr().err == "error: interrupted; nothing half-written is left\n"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("failure", [RuntimeError("odd"), CheckError("wrong"), OSError("odd")])
def test_a_stop_of_which_a_library_made_an_error_is_exit_130_too(
    *, verb: Verb, stop: signal.Signals, failure: Exception, capsys: Capture
) -> None:
    before = signal.getsignal(stop)

    def work() -> int:
        try:
            signal.raise_signal(stop)
        except BaseException:  # noqa: BLE001 - as the library does it
            raise failure from None
        return 0

    verb(work)

    assert main(["try"]) == 130
    assert capsys.readouterr().err == "error: interrupted; nothing half-written is left\n"
    assert signal.getsignal(stop) is before


def test_a_stop_inside_code_made_from_text_is_exit_130_too(tmp_path: Path) -> None:
    """CPython would die of the signal instead, although the exception was caught."""
    (tmp_path / "stopped.py").write_text(
        "import sys, types; from segpp import cli\n"
        "verb = types.SimpleNamespace(SUMMARY='', EXAMPLES=(), add_arguments=lambda _: None)\n"
        "verb.run = lambda _: exec('raise KeyboardInterrupt')\n"
        "sys.modules['text'], cli.VERBS['try'] = verb, 'text'\n"
        "sys.exit(cli.main(['try']))\n"
    )

    command = [sys.executable, "-m", "stopped"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)

    assert done.stderr == "error: interrupted; nothing half-written is left\n"
    assert done.returncode == 130


def test_nohup_stays_in_force(verb: Verb) -> None:
    def work() -> int:
        os.kill(os.getpid(), signal.SIGHUP)
        return 0

    verb(work)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)

    assert main(["try"]) == 0


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
@pytest.mark.parametrize(
    ("unbuffered", "told"), [("", "cannot write the results: "), ("1", "")], ids=["end", "print"]
)
def test_results_that_cannot_be_written_are_a_failure(
    segpp: Command, unbuffered: str, told: str
) -> None:
    environment = {**os.environ, "PYTHONUNBUFFERED": unbuffered}

    with Path("/dev/full").open("wb") as full:
        done = segpp(
            "doctor", stdout=full, stderr=subprocess.PIPE, capture_output=False, env=environment
        )

    assert done.returncode == 2
    assert done.stderr == f"error: {told}No space left on device\n"


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (
            ["run", "--device", "cuda", "a.onnx", "a.png"],
            "--device\n  hint: did you mean --provider?",
        ),
        (["run", "a.onnx", "a.png", "--gpu"], "--gpu\n  hint: did you mean --provider cuda?"),
        (["eval", "--imags", "i", "a.onnx"], "--imags\n  hint: did you mean --images?"),
        (["export", "a.pth", "a.onnx", "--zzzz=1"], "--zzzz\n  hint: segpp-export -h lists"),
    ],
)
def test_an_unknown_flag_is_told_and_its_value_taken_for_no_file(
    segpp: Command, arguments: list[str], told: str
) -> None:
    done = segpp(*arguments)

    assert done.returncode == 2
    assert f"error: unknown argument {told}" in done.stderr


def test_help_is_a_command_too(segpp: Command) -> None:
    assert segpp("help").stdout == segpp("--help").stdout
    assert segpp("help", "run").stdout == segpp("run", "--help").stdout
    assert segpp("help").returncode == segpp("help", "run").returncode == 0
    assert segpp("help", "runn").returncode == 2


def test_verbose_is_of_segpp_alone_and_without_prefixes() -> None:
    """In a process of its own: here the log is pytest's."""
    script = """
import logging, sys
from segpp.cli import main
main(["run", "none.onnx", "none.png", *sys.argv[1:]])
logging.getLogger("segpp.runtime.build").debug("verbose: layer 7")
logging.getLogger("PIL.PngImagePlugin").debug("STREAM b'IHDR'")
"""
    told = [
        subprocess.run(
            [sys.executable, "-c", script, *flags], capture_output=True, text=True, check=False
        ).stderr.splitlines()
        for flags in (["-v"], [])
    ]

    assert told[0][-1] == "verbose: layer 7"
    assert not any("STREAM" in line for line in (*told[0], *told[1]))
    assert told[1] == ["error: image none.png does not exist"]
