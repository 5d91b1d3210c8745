"""From a file and the caller's settings to a session."""

from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from math import prod
from pathlib import Path

from segpp.errors import InputError
from segpp.images.fit import check_fit
from segpp.images.tiles import OVERLAP, check_overlap
from segpp.manifest import WEIGHT_BITS, Manifest, read_manifest, reading_pictures
from segpp.runtime.backends.base import BACKENDS, BackendConfig, BackendSpec
from segpp.runtime.inference.choose_backend import choose_backend
from segpp.runtime.inference.first_load import check_first_load
from segpp.runtime.inference.precision_check import MIN_AGREEMENT, PrecisionCheck
from segpp.runtime.inference.session import Session
from segpp.runtime.inference.signature import check_signature, infer_manifest
from segpp.runtime.system.hardware import available_memory
from segpp.utils.files import check_file, manifest_path
from segpp.utils.limits import check_threads, default_threads, has_vnni

__all__ = ["open_session"]

_OVERFLOWS = (
    "sums of the file's 8-bit weights overflow on this CPU, which has no VNNI: masks may be wrong; "
    "calibrate here"
)


def open_session(
    path: Path | str,
    *,
    backend: str = "auto",
    threads: int | None = None,
    provider: str | None = None,
    spinning: bool = True,
    alone: bool = True,
    precision: str = "fp32",
    min_agreement: float | None = MIN_AGREEMENT,
    cache: bool = True,
    fit: str | None = None,
    tile: bool = False,
    overlap: float | None = None,
    output_name: str | None = None,
    first_load: bool = True,
    trust: bool = False,
    cuda_graph: bool = True,
    rebuild_if_stale: bool = False,
    white: str | None = None,
    bands: tuple[int, ...] | None = None,
) -> Session:
    """Load a network with the manifest beside it.

    Without a manifest it works if the file has one static image input and outputs that are
    logits or labels; the rest is assumed, and ``session.assumed`` is true.

    Args:
        path: The network, an ONNX file or an engine.
        backend: The library that runs it, "auto" for the one that fits the file.
        threads: CPU threads; if not given the library's choice, or as many as the CPUs that the
            process may use, where these are not all.
        provider: Device or execution provider of the library ("cpu", "cuda").
        spinning: Let idle threads spin, which is faster.
        alone: Let them go on after a call; False where another network has its turn then.
        precision: What the file's FP32 is computed in: "fp32", or "bf16" where library and CPU
            can.
        min_agreement: Share of pixels that a lower precision must label as FP32 does, on the
            first images, for which both are computed; None does without.
        cache: Keep what a library compiles in ``x.onnx.cache`` beside the file.
        fit: How pictures fill the input, instead of the manifest's way: one of ``FITS``.
        tile: Cut pictures into tiles of the input's size instead.
        overlap: What neighbouring tiles share of a side; a quarter if not given.
        output_name: The output to make masks of, where there are several; labels if there are any,
            else logits.
        first_load: Prove a file by its certificate if nothing has run it where it was written.
        trust: Take an engine that has no manifest, whoever built it: it is code.
        cuda_graph: Let an engine replay its call as a CUDA graph, where it can.
        rebuild_if_stale: Build an engine for another version or GPU again, of the ONNX file beside
            it.
        white: What is white of picture files of more than 8 bits, instead of what the manifest
            says: ``segpp.images.white``.
        bands: The channels of picture files that are taken, likewise.

    Raises:
        CheckError: Its masks are not those of its certificate.
        GraphError: The file is damaged, or not a segmentation network with fixed shapes.
        InputError: An argument is wrong.
        ManifestError: The manifest is damaged, or about another file.
        MissingError: The library or the provider is not installed.
    """
    path = Path(path)
    check_file(path, kind="model")
    if threads is not None:
        check_threads(threads)
    share = _check_tiles(fit, overlap, tile=tile)
    manifest = read_manifest(path) if manifest_path(path).exists() else None
    name = choose_backend(backend, path, manifest)
    used = default_threads() if threads is None else threads
    config = BackendConfig(
        used,
        provider,
        spinning,
        alone,
        precision,
        cache,
        threads_asked_for=threads is not None,
        trust=trust,
        cuda_graph=cuda_graph,
    )
    with ExitStack() as on_failure:
        if rebuild_if_stale:
            # The builder proves what it built by a session.
            from segpp.runtime.backends.engine.rebuild import open_current  # noqa: PLC0415

            loaded = open_current(BACKENDS[name], path, config, manifest)
            manifest = read_manifest(path) if manifest else None
        else:
            loaded = BACKENDS[name].open(path, config)
        on_failure.callback(loaded.close)
        if manifest:
            check_signature(path, manifest, loaded)
            described = _choosing(path, manifest, output_name)
        else:
            described = infer_manifest(path, loaded, output_name=output_name)
        _check_memory(path, described)
        notes = (*_overflow(described), *loaded.notes)
        if manifest and first_load:
            plain = Session(loaded, name, manifest, threads=used)
            notes = (*notes, *check_first_load(path, plain, precision=precision))
        session = Session(
            loaded,
            name,
            reading_pictures(_refitted(described, path, fit, tile=tile), white, bands),
            assumed=manifest is None,
            overlap=share,
            precision_check=_precision_check(BACKENDS[name], path, config, min_agreement),
            threads=used,
            notes=notes,
        )
        on_failure.pop_all()
    return session


def _overflow(manifest: Manifest) -> tuple[str, ...]:
    """Return a note where an INT8 file was written for another kind of CPU."""
    if manifest.options.get(WEIGHT_BITS) != "8" or has_vnni():
        return ()
    return (_OVERFLOWS,)


def _check_tiles(fit: str | None, overlap: float | None, *, tile: bool) -> float | None:
    """Return how much tiles overlap, None without tiles; raise InputError for a contradiction."""
    if not tile:
        if overlap is not None:
            raise InputError("an overlap goes with tiles", hint="--tile --overlap 0.25")
        return None
    if fit is not None:
        raise InputError(f"tiles are not fitted, and {fit} was asked for", hint="leave one out")
    check_overlap(share := OVERLAP if overlap is None else overlap)
    return share


def _refitted(manifest: Manifest, path: Path, fit: str | None, *, tile: bool) -> Manifest:
    """Return the manifest with the fit that was asked for."""
    if tile and all(output.kind == "labels" for output in manifest.outputs):
        raise InputError(
            f"{path} gives labels only, and what tiles share is blended as logits",
            hint="export it with --outputs logits or both",
        )
    if fit is None:
        return manifest
    spec = replace(manifest.input, fit=check_fit(fit))
    return replace(manifest, input=spec, origins={**manifest.origins, "fit": "given"})


def _check_memory(path: Path, manifest: Manifest) -> None:
    """Raise InputError for an input and outputs that no call could hold."""
    spec, free = manifest.input, available_memory()
    # An input is float32 while it is prepared, whatever the network takes.
    sizes = [4 * prod(spec.shape), *(4 * prod(output.shape) for output in manifest.outputs)]
    if free is not None and sum(sizes) > free:
        raise InputError(
            f"{path} takes {_shape_text(spec.shape)}: its input and outputs alone are "
            f"{sum(sizes) / 1e9:,.1f} GB",
            f"free memory: {free / 1e9:,.1f} GB",
            hint="export it at a smaller --size or --batch",
        )


def _shape_text(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape))


def _choosing(path: Path, manifest: Manifest, output_name: str | None) -> Manifest:
    """Return the manifest with the output that the caller chose alone, if he chose one."""
    if output_name is None:
        return manifest
    chosen = tuple(output for output in manifest.outputs if output.name == output_name)
    if not chosen:
        names = ", ".join(f"{output.name} ({output.kind})" for output in manifest.outputs)
        raise InputError(f"{path} has no output {output_name!r}", f"its manifest names: {names}")
    return replace(manifest, outputs=chosen)


def _precision_check(
    spec: BackendSpec, path: Path, config: BackendConfig, min_agreement: float | None
) -> PrecisionCheck | None:
    if config.precision == "fp32" or min_agreement is None:
        return None
    exact = replace(config, precision="fp32", cache=False)
    return PrecisionCheck(partial(spec.open, path, exact), config.precision, min_agreement)
