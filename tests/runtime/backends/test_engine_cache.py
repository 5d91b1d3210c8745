"""A folder of engines is used only by the machine that filled it, and only as it left it."""

from pathlib import Path

import pytest

from segpp.runtime.backends._engine_cache import EngineCache


@pytest.fixture
def identity(tmp_path: Path) -> Path:
    path = tmp_path / "machine-id"
    path.write_text("0123456789abcdef0123456789abcdef\n")
    return path


@pytest.fixture
def sealed(tmp_path: Path, identity: Path) -> Path:
    """The folder of a network whose session left an engine there."""
    network = tmp_path / "net.onnx"
    cache = EngineCache(network, (identity,))
    cache.folder.mkdir(parents=True)
    (cache.folder / "subgraph.engine").write_bytes(b"ftrt" + bytes(60))
    cache.seal()
    return network


def is_used(network: Path, identity: Path) -> bool:
    return EngineCache(network, (identity,)).is_usable


def test_a_new_folder_may_be_filled_and_is_used_again(sealed: Path, identity: Path) -> None:
    assert is_used(sealed, identity)
    assert is_used(sealed.with_name("other.onnx"), identity)


def test_a_folder_of_another_machine_is_not(sealed: Path, tmp_path: Path) -> None:
    other = tmp_path / "other-id"
    other.write_text("fedcba9876543210fedcba9876543210\n")

    assert not is_used(sealed, other)


def test_a_folder_that_came_with_the_network_is_not(sealed: Path, identity: Path) -> None:
    folder = EngineCache(sealed, (identity,)).folder
    (folder / "sealed.json").unlink()

    assert not is_used(sealed, identity)


@pytest.mark.parametrize("change", ["altered", "added", "removed", "linked", "forged", "moved"])
def test_a_folder_that_changed_since_is_not(change: str, sealed: Path, identity: Path) -> None:
    folder = EngineCache(sealed, (identity,)).folder
    engine = folder / "subgraph.engine"
    if change == "altered":
        engine.write_bytes(engine.read_bytes()[:-1] + b"x")
    elif change == "added":
        (folder / "more.engine").write_bytes(b"ftrt")
    elif change == "removed":
        engine.unlink()
    elif change == "linked":
        content = engine.rename(folder.parent / "elsewhere")
        engine.symlink_to(content)
    elif change == "forged":
        (folder / "sealed.json").write_text('{"code": "", "files": {}}')
    else:
        other = sealed.with_name("other.onnx.cache")
        folder.parent.rename(other)
        sealed = sealed.with_name("other.onnx")

    assert not is_used(sealed, identity)


@pytest.mark.parametrize("text", ["", "[]", "{", '{"code": 3}', "\xff"])
def test_a_damaged_list_is_no_crash(text: str, sealed: Path, identity: Path) -> None:
    (EngineCache(sealed, (identity,)).folder / "sealed.json").write_text(text, encoding="latin-1")

    assert not is_used(sealed, identity)


def test_a_machine_without_an_identity_keeps_nothing(sealed: Path, tmp_path: Path) -> None:
    assert not is_used(sealed, tmp_path / "nowhere")
    (tmp_path / "empty-id").touch()
    assert not is_used(sealed.with_name("other.onnx"), tmp_path / "empty-id")


def test_a_folder_that_cannot_be_written_is_no_failure(tmp_path: Path, identity: Path) -> None:
    cache = EngineCache(tmp_path / "none" / "net.onnx", (identity,))

    cache.seal()

    assert not cache.folder.exists()
