"""Whether an engine may be loaded: the one that was built here, for what is here.

An engine is code, and the libraries do not check whose. So before one of them sees a byte of it:

    1. The file is an engine of that library, as a whole.                              GraphError
    2. A manifest beside it has the SHA-256 of these very bytes; or the caller trusts an engine
       without a manifest.                                                             InputError
    3. Header and manifest name the same library and version.                       ManifestError
    4. Version, GPU and plugin library here are those that it was built for.     StaleEngineError
"""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from shlex import quote

from segpp.errors import GraphError, InputError, ManifestError, MissingError
from segpp.manifest import EngineInfo, Manifest, PluginInfo, read_manifest
from segpp.runtime.backends.engine.header import EngineHeader, read_header
from segpp.utils.files import manifest_path

__all__ = [
    "Here",
    "StaleEngineError",
    "TrustedEngine",
    "check_fits",
    "read_trusted",
    "rebuild_command",
    "same_release",
]

# major, minor and patch: builds of one release read each other's files.
_RELEASE = 3


class StaleEngineError(InputError):
    """The engine was built for another version, GPU or plugin library than are here."""


@dataclass(frozen=True)
class Here:
    """What an engine would meet.

    Args:
        library: The backend.
        title: What its maker calls it.
        version: Of the library.
        compute_capability: Of the GPU ("8.9"), None where none is.
        plugins: SHA-256 of the plugin library, None where none is.
    """

    library: str
    title: str
    version: str
    compute_capability: str | None = None
    plugins: str | None = None


@dataclass(frozen=True)
class TrustedEngine:
    """An engine as it was read once, so that nobody can change it between check and use.

    Args:
        blob: The file.
        sha256: Of it.
        header: What its first bytes say.
        manifest: Of it, None for one that the caller vouches for.
    """

    blob: bytes
    sha256: str
    header: EngineHeader
    manifest: Manifest | None

    @property
    def info(self) -> EngineInfo | None:
        """What it was built with and for, where that is known."""
        return self.manifest.engine if self.manifest else None


def read_trusted(path: Path, *, library: str, trust: bool) -> TrustedEngine:
    """Read an engine and see that it is the one that its manifest describes.

    Args:
        path: The file.
        library: The backend that is to load it.
        trust: Take one without a manifest.

    Raises:
        GraphError: It is no engine of that library.
        InputError: It has no manifest, and the caller does not vouch for it.
        ManifestError: Its manifest is damaged or about another file.
    """
    blob = path.read_bytes()
    header = read_header(path, blob[:64], len(blob))
    if header.library != library:
        raise GraphError(
            f"{path} is an engine of {header.library}, not of {library}",
            hint=f"`backend={header.library}`",
        )
    digest = hashlib.sha256(blob).hexdigest()
    if not manifest_path(path).exists():
        _check_vouched_for(path, trust=trust)
        return TrustedEngine(blob, digest, header, None)
    manifest = read_manifest(path)
    _check_about(path, manifest, header, digest)
    return TrustedEngine(blob, digest, header, manifest)


def check_fits(path: Path, engine: TrustedEngine, here: Here) -> None:
    """Raise StaleEngineError unless an engine was built for what is here.

    A GPU or a plugin library that is not here at all is another matter: ``MissingError``.

    Args:
        path: Its file, for messages.
        engine: What was read from it.
        here: What it would meet.

    Raises:
        MissingError: It calls plugins, and their library is not here.
    """
    info = engine.info
    if not _is_readable(engine.header.version, here.version, info):
        built = f"{here.title} {engine.header.version}{_for_gpus(info)}"
        raise _stale(path, engine, f"{path} was built with another version", built, here)
    if info is None:
        return
    gpu = here.compute_capability
    if gpu and info.compute_capabilities and gpu not in info.compute_capabilities:
        built = f"{here.title} {info.version}{_for_gpus(info)}"
        raise _stale(path, engine, f"{path} was built for another GPU", built, here)
    if info.plugin_library and not info.plugin_library.embedded:
        _check_plugins(path, engine, info.plugin_library, here)


def rebuild_command(path: Path, manifest: Manifest) -> str:
    """Return what builds the engine again, of the file that it was built from."""
    onnx = path.with_name(manifest.source.name)
    library = f" --backend {manifest.engine.library}" if manifest.engine else ""
    return f"segpp-build-engine {quote(str(onnx))} {quote(str(path))}{library}"


def same_release(one: str, other: str) -> bool:
    """Return whether two versions agree as far as both go, up to the patch."""
    pairs = list(zip(_numbers(one), _numbers(other), strict=False))[:_RELEASE]
    return bool(pairs) and all(a == b for a, b in pairs)


def _check_vouched_for(path: Path, *, trust: bool) -> None:
    if trust:
        return
    raise InputError(
        f"{path} has no manifest, and an engine is code that runs as soon as it is loaded",
        f"expected beside it: {manifest_path(path).name}",
        hint="put its manifest there; or `trust`, if you know who built it",
    )


def _check_about(path: Path, manifest: Manifest, header: EngineHeader, digest: str) -> None:
    info = manifest.engine
    if info is None or manifest.file.sha256 != digest:
        raise ManifestError(f"{manifest_path(path)} was written for another file than {path}")
    if info.library != header.library or not same_release(info.version, header.version):
        raise ManifestError(
            f"{manifest_path(path)} contradicts the engine beside it",
            f"manifest: {info.library} {info.version}",
            f"engine:   {header.library} {header.version}",
            hint=f"build it again: {rebuild_command(path, manifest)} --force",
        )


def _is_readable(built: str, here: str, info: EngineInfo | None) -> bool:
    if same_release(built, here):
        return True
    if info is None or not info.version_compatible:
        return False
    # Later versions read it, up to the next major one (NVIDIA's page on engine compatibility).
    older, newer = _numbers(built)[:_RELEASE], _numbers(here)[:_RELEASE]
    return older <= newer and newer[0] - older[0] <= 1


def _numbers(version: str) -> list[int]:
    # A release as NVIDIA writes it may end in letters, as 10.0.0b6.
    parts = [part for part in version.split(".")[: _RELEASE + 1] if part.isdigit()]
    return list(map(int, parts))


def _check_plugins(path: Path, engine: TrustedEngine, built: PluginInfo, here: Here) -> None:
    what = f"{built.name} {built.version} for TensorRT {built.tensorrt}"
    if here.plugins is None:
        raise MissingError(
            f"{path} calls plugins, and their library is not here",
            f"built with: {what}",
            hint="SEGPP_PLUGINS names its file; segpp-doctor says where it was looked for",
        )
    if here.plugins == built.sha256:
        return
    raise _stale(
        path,
        engine,
        f"{path} was built with another plugin library",
        f"{what}, {built.sha256[:16]}…",
        here,
        found=f"{here.plugins[:16]}…",
    )


def _for_gpus(info: EngineInfo | None) -> str:
    if info is None or not info.compute_capabilities:
        return ""
    return f", for compute capability {', '.join(info.compute_capabilities)}"


def _stale(
    path: Path, engine: TrustedEngine, problem: str, built: str, here: Here, *, found: str = ""
) -> StaleEngineError:
    gpu = here.compute_capability
    device = f"a GPU of compute capability {gpu}" if gpu else "no GPU"
    command = rebuild_command(path, engine.manifest) if engine.manifest else None
    return StaleEngineError(
        problem,
        f"built with: {built}",
        f"here:       {found or f'{here.title} {here.version}, {device}'}",
        hint=f"{command}; or `rebuild_if_stale`" if command else "build it here again",
    )
