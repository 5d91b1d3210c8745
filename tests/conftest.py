"""Where the tests find real data and small networks, and how they start the commands."""

import os
import signal
import sys
from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock

from segpp.manifest import Architecture
from tests.helpers.commands import Completed, in_process, in_subprocess
from tests.helpers.tiny_networks import network, stripes

__all__ = ["corners", "network", "stripes"]

ROOT = Path(__file__).resolve().parent.parent
SHARED = Path(os.environ.get("SEGPP_SHARED", ROOT.parent / "shared"))

Command = Callable[..., Completed]
Exported = Callable[[str, str, str], Path]


def corners(cases: Iterable[Any], taken: Callable[[Any], bool]) -> list[Any]:
    """Return cases of which every run takes some, and ``make test-exhaustive`` the others."""
    rest = pytest.mark.exhaustive
    return [pytest.param(case, marks=() if taken(case) else rest) for case in cases]


def pytest_configure() -> None:
    """Take signals as a terminal gives them: what runs in the background may ignore some."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


@pytest.fixture(autouse=True)
def _torchlib_is_read_once() -> None:
    """Keep what onnxscript finds out about its functions, once an export has loaded it.

    It parses the sources of 500 of them for every export, a fifth of the time of a small one.
    """
    registration = sys.modules.get("torch.onnx._internal.exporter._registration")
    apis = getattr(registration, "onnxscript_apis", None)
    found = getattr(apis, "get_torchlib_ops", None)
    if apis is not None and found is not None and not hasattr(found, "cache_info"):
        apis.get_torchlib_ops = cache(found)


@pytest.fixture
def shared() -> Path:
    """The folder of real checkpoints and images beside the checkout; skips where there is none."""
    if not (SHARED / "checkpoints").is_dir():
        pytest.skip("no shared real-data folder beside the checkout (SEGPP_SHARED)")
    return SHARED


def _run(*arguments: object, **options: object) -> Completed:
    if options.keys() <= {"cwd"}:
        return in_process(*arguments, **options)  # type: ignore[arg-type]  # cwd alone
    return in_subprocess(*arguments, **options)


@pytest.fixture
def segpp() -> Command:
    """Run ``segpp VERB …``: here, or in a process of its own where options ask for one."""
    return _run


@pytest.fixture(scope="session")
def session_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that all processes of this run of the tests see, and no other run."""
    own = tmp_path_factory.getbasetemp()
    folder = (own.parent if "PYTEST_XDIST_WORKER" in os.environ else own) / "session"
    folder.mkdir(exist_ok=True)
    return folder


def _once(path: Path, make: Callable[[Path], object]) -> Path:
    """Let the first process that asks for ``path`` make it, and the others wait."""
    with FileLock(f"{path}.lock"):
        if not path.exists():
            make(path)
    return path


def _save_random(architecture: Architecture, path: Path, *, seed: int = 0) -> None:
    """Save a SegFormer with random weights, as mmsegmentation does."""
    torch = pytest.importorskip("torch", reason="torch makes the checkpoint")
    # The tests of the core and of the runtime start without torch.
    from segpp.export.models.segformer.loading import state_dict_for  # noqa: PLC0415
    from segpp.export.models.segformer.loading.formats import FORMATS  # noqa: PLC0415
    from segpp.export.models.segformer.model import SegFormer  # noqa: PLC0415

    # Whoever draws numbers after this must not depend on whether this ran before.
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = SegFormer(architecture, FORMATS["mmsegmentation"].numerics)
    torch.save({"state_dict": state_dict_for("mmsegmentation", model.state_dict())}, path)


@pytest.fixture(scope="session")
def b0_checkpoint(session_folder: Path) -> Path:
    """A B0 of 19 classes with random weights, as mmsegmentation saves it."""
    pytest.importorskip("torch", reason="torch makes the checkpoint")
    from segpp.export.models.segformer.architecture import segformer  # noqa: PLC0415

    architecture = segformer("b0", classes=19)
    return _once(session_folder / "b0.pth", lambda path: _save_random(architecture, path))


@pytest.fixture(scope="session")
def tiny_checkpoint(session_folder: Path) -> Path:
    """A SegFormer of 19 classes, five blocks and few channels, as mmsegmentation saves it."""
    pytest.importorskip("torch", reason="torch makes the checkpoint")
    from tests.helpers.checkpoints import MINIATURE  # noqa: PLC0415

    architecture = replace(MINIATURE, classes=19)
    # With this seed the masks of street scenes have five classes, none of over a third of the
    # pixels; most others give one class nearly all, and masks that hardly can differ.
    return _once(
        session_folder / "tiny.pth", lambda path: _save_random(architecture, path, seed=30)
    )


@pytest.fixture(params=["tiny", pytest.param("b0", marks=pytest.mark.slow)])
def tiny_or_b0(request: pytest.FixtureRequest) -> Path:
    """``tiny_checkpoint``, and among the slow tests ``b0_checkpoint`` too."""
    path: Path = request.getfixturevalue(f"{request.param}_checkpoint")
    return path


@pytest.fixture(scope="session")
def exported(b0_checkpoint: Path, session_folder: Path) -> Exported:
    """Export ``b0_checkpoint``: ``exported("hq", "128x256", "fp16")``, each once per session.

    The first argument is a preset or a ratio; the manifest lies beside the file.
    """

    def export(reduction: str, size: str, precision: str) -> Path:
        flag = "--ratio" if reduction.startswith("0.") else "--preset"
        options = (flag, reduction, "--size", size, "--precision", precision, "--no-check")

        def make(path: Path) -> None:
            done = in_process("export", b0_checkpoint, path, *options)
            if done.returncode:
                pytest.fail(f"the export ended with {done.returncode}:\n{done.stderr}")

        return _once(session_folder / f"b0-{reduction}-{size}-{precision}.onnx", make)

    return export


@pytest.fixture(scope="session")
def b0_onnx(exported: Exported) -> Path:
    """``b0_checkpoint`` at 128x256 with half of the tokens merged, and its manifest beside it."""
    return exported("0.5", "128x256", "fp32")
