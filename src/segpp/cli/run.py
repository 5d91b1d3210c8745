"""``segpp-run``: masks and overlays of images, a video, a camera or a stream."""

import argparse
import json
import sys
import textwrap
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from statistics import median
from typing import Any

from tqdm import tqdm

import segpp
from segpp.cli._options.arguments import (
    add_backend_arguments,
    add_fit_arguments,
    add_force_argument,
    add_json_argument,
    add_picture_arguments,
    backend_settings,
    fit_settings,
    in_flags,
    picture_settings,
)
from segpp.images.drawing.legend import percent
from segpp.runtime.inference.precision_check import MIN_AGREEMENT
from segpp.runtime.inference.predict import FailedImage, Prediction
from segpp.runtime.inference.summary import RunSummary
from segpp.runtime.media.live.account import LiveAccount
from segpp.runtime.media.looks.base import LEGENDS, LOOKS
from segpp.runtime.media.sources import is_video
from segpp.runtime.serve.address import DEFAULT, parse_address
from segpp.utils.terminal import harmless, one_line, unguarded

__all__ = ["EXAMPLES", "GROUP", "ORDER", "RENAMED", "SUMMARY", "add_arguments", "run"]

_LARGEST = 3  # classes named in the summary line
_dumped = partial(json.dumps, indent=2, ensure_ascii=False)

SUMMARY = "Segment images, videos, folders, a camera or a stream with an exported network."

GROUP = "run and measure it"
ORDER = 1

# What flags were called before, and what they are called now.
RENAMED = {
    "--engine": "--backend",
    "--visualize": "--save",
    "--colors": "--palette",
    "--labels": "--class-names",
    "--no-spinning": "--no-spin",
}

EXAMPLES = (
    "segpp-run b0.onnx street.png",
    "segpp-run b0.onnx a.png b.jpg frames/ --save side-by-side,confidence --html run.html",
    "segpp-run b0.onnx street.png --compare b0-fast.onnx --contours --out compared.png",
    "segpp-run b0.onnx frames/ --out masks/ --save both",
    "segpp-run b0.onnx drive.mp4 --out drive.overlay.mp4 --alpha 0.4",
    "segpp-run b0.onnx drive.mkv frames/%06d.png --start 60 --duration 10 --every 5 --out masks/",
    "segpp-run b0.onnx /dev/video0 --serve 0.0.0.0:8090",
    "segpp-run b0.onnx rtsp://192.168.1.20/live --out seen.mp4 --duration 60",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of ``segpp-run``."""
    files = parser.add_argument_group("files")
    files.add_argument("model", metavar="MODEL", help="network to run (.onnx, .engine)")
    files.add_argument(
        "input",
        metavar="INPUT",
        nargs="+",
        help="image, video, folder, quoted pattern ('a/*.png'), numbered images (a/%%06d.png), or "
        "one camera (/dev/video0, csi://0) or stream (rtsp://…, http://…)",
    )
    files.add_argument(
        "--out",
        metavar="PATH",
        help="image or .mp4 for one input, else a folder (default: street.overlay.png here, of "
        "several inputs segpp-out/, with a folder for each video; nothing of a camera or stream)",
    )
    looks = parser.add_argument_group("looks")
    looks.add_argument(
        "--save",
        metavar="KIND,…",
        help=f"{', '.join(LOOKS)}, or both (overlay and mask), by commas (default: overlay)",
    )
    looks.add_argument(
        "--alpha",
        type=float,
        default=0.5,
        metavar="X",
        help="share of the colour in an overlay, 0 to 1 (default: 0.5)",
    )
    looks.add_argument("--class-names", metavar="FILE", help="class names, one per line, or JSON")
    looks.add_argument("--palette", metavar="FILE", help="one 'R G B' per line, or JSON")
    looks.add_argument(
        "--legend",
        choices=LEGENDS,
        default="panel",
        help="what the colours mean: beside or below, in a corner, or not at all (default: panel)",
    )
    looks.add_argument("--contours", action="store_true", help="draw a line between the classes")
    looks.add_argument(
        "--compare",
        metavar="OTHER",
        help="second network of the same classes: both overlays, and the pixels that differ",
    )
    looks.add_argument(
        "--show",
        action="store_true",
        help="show it in a window, and write only if there is --out; q quits",
    )
    _add_live_arguments(parser)
    add_picture_arguments(add_fit_arguments(parser))
    backend = add_backend_arguments(parser)
    backend.add_argument(
        "--min-agreement",
        type=float,
        default=MIN_AGREEMENT,
        metavar="X",
        help="share of the first image's pixels that bf16 must label as fp32 does (default: "
        f"{MIN_AGREEMENT})",
    )
    backend.add_argument(
        "--no-spin",
        action="store_true",
        help="let idle threads sleep: slower, but leaves the cores to others",
    )
    results = parser.add_argument_group("results")
    add_json_argument(results, "what became of every image, of a live source of the last 1,000,")
    results.add_argument(
        "--html", metavar="FILE", help="also write it all as one page, pictures inside"
    )
    add_force_argument(files)


def _add_live_arguments(parser: argparse.ArgumentParser) -> None:
    live = parser.add_argument_group("video, cameras and streams")
    live.add_argument(
        "--serve",
        nargs="?",
        const=DEFAULT,
        metavar="ADDRESS:PORT",
        help="show it in browsers, and write only if there is --out; this machine alone sees it "
        f"unless another address is named, 0.0.0.0 for all (default: {DEFAULT})",
    )
    live.add_argument(
        "--start",
        type=float,
        default=0.0,
        metavar="SECONDS",
        help="begin so long after a video's start (default: 0.0)",
    )
    duration = "end after so long, of a video by its own clock"
    live.add_argument("--duration", type=float, metavar="SECONDS", help=duration)
    live.add_argument(
        "--every", type=int, default=1, metavar="N", help="each N-th frame (default: 1)"
    )
    live.add_argument("--frames", type=int, metavar="N", help="end after so many frames")
    live.add_argument(
        "--reconnect",
        type=_tries,
        default=10,
        metavar="N",
        help="open a camera or a stream that broke off again, so often in a row with growing "
        "pauses; off for never (default: 10)",
    )
    live.add_argument(
        "--timeout",
        type=float,
        default=10.0,
        metavar="SECONDS",
        help="how long without a frame is a break (default: 10.0)",
    )
    live.add_argument(
        "--camera-size", metavar="HxW", help="size that a camera is asked for, height first"
    )
    live.add_argument(
        "--camera-rate",
        type=float,
        metavar="X",
        help="frames per second that it is asked for, and that numbered images are (default: 25)",
    )


def _tries(text: str) -> int:
    return 0 if text == "off" else int(text)


def run(args: argparse.Namespace) -> int:
    """Segment everything, report, and return 1 if an image had to be skipped."""
    with _progress(_unit(args.input)) as after_each, _progress_of_tiles() as after_tiles:
        summary = segpp.predict(
            args.model,
            args.input,
            args.out,
            save=args.save,
            alpha=args.alpha,
            class_names=args.class_names,
            palette=args.palette,
            **backend_settings(args),
            **fit_settings(args),
            **picture_settings(args),
            min_agreement=args.min_agreement,
            spin=not args.no_spin,
            after_each=after_each,
            after_tiles=after_tiles,
            legend=args.legend,
            contours=args.contours,
            compare=args.compare,
            show=args.show,
            serve=args.serve,
            html=args.html,
            force=args.force,
            start=args.start,
            duration=args.duration,
            every=args.every,
            frames=args.frames,
            reconnect=args.reconnect,
            timeout=args.timeout,
            camera_size=args.camera_size,
            camera_rate=args.camera_rate,
            after_break=_say,
            after_serve=lambda url: _say_where(url, args.serve),
        )
    if summary.notes:
        sys.stderr.write(f"{args.model}: " + "\n  ".join(summary.notes) + "\n")
    for remark in summary.remarks:
        _say(remark)
    report = _json(summary, args.model) if args.json else _line(summary, args)
    print(report)  # noqa: T201 - the report is the result
    return 1 if summary.failed else 0


def _unit(inputs: list[str]) -> str:
    return "frames" if len(inputs) == 1 and is_video(inputs[0]) else "images"


def _say(message: str) -> None:
    """Write a message above the progress bar, not through it."""
    tqdm.write(harmless(message), file=unguarded(sys.stderr))


def _say_where(url: str, address: str) -> None:
    _say(f"serving at {url} (Ctrl-C ends)")
    if parse_address(address).is_open:
        _say("everybody on the network can watch, without a password")


@contextmanager
def _progress(unit: str) -> Iterator[Callable[[Prediction | FailedImage, int | None], None]]:
    """Yield what shows how far a folder or a video is, and which images are skipped."""
    with ExitStack() as stack:
        bars: list[Any] = []

        def after_each(outcome: Prediction | FailedImage, total: int | None) -> None:
            if not bars and total != 1:
                bars.append(stack.enter_context(_bar(total, unit)))
            if isinstance(outcome, FailedImage):
                _say(f"skipped {one_line(outcome.item.name)}: {in_flags(str(outcome.error))}")
            for bar in bars:
                bar.update()

        yield after_each


@contextmanager
def _progress_of_tiles() -> Iterator[Callable[[int, int], None]]:
    """Yield what shows how far one large picture is; a second network starts anew."""
    with ExitStack() as stack:
        bars: list[Any] = []

        def after_tiles(done: int, total: int) -> None:
            if not bars or bars[-1].n == bars[-1].total:
                bars.append(stack.enter_context(_bar(total, "tiles", disable=None)))
            bars[-1].update(done - bars[-1].n)

        yield after_tiles


def _bar(total: int | None, unit: str, *, disable: bool | None = False) -> Any:
    # The rate, never its inverse: "0.8 images/s" compares with "12 images/s".
    shown = "{percentage:3.0f}%|{bar}| {n_fmt}/{total_fmt}" if total else "{n_fmt}"
    return tqdm(
        total=total,
        unit=f" {unit}",
        # None: where stderr is no terminal.
        disable=disable,
        # A log takes a line every ten seconds, a terminal ten a second.
        mininterval=0.1 if sys.stderr.isatty() else 10.0,
        bar_format=f"{shown} [{{elapsed}}, {{rate_noinv_fmt}}]",
        file=unguarded(sys.stderr),
    )


def _line(summary: RunSummary, args: argparse.Namespace) -> str:
    """Return the summary: how many, how fast, what was seen, where it went."""
    done, failed = summary.done, summary.failed
    skipped = f"; {len(failed)} skipped" if failed else ""
    if not done:
        return f"no image done{skipped}"
    unit = _unit(args.input)
    whose = f" with {args.model}" if args.compare else ""
    speed = f"{median(one.timing.total_ms for one in done):.0f} ms"
    network = f"{median(one.timing.inference_ms for one in done):.0f} ms"
    if len(done) == 1:
        what = f"{done[0].item.name} {done[0].size[0]}x{done[0].size[1]}: {speed}{whose}"
    else:
        rate, seconds = summary.count / summary.seconds, f"{summary.seconds:.1f} s"
        what = (
            f"{summary.count} {unit} in {seconds}: {rate:.1f} {unit}/s, median {speed} each{whose}"
        )
        what += f", {network} of it in the network"
    if summary.live:
        what += f"; {_kept_up(summary.live)}"
    differing = [one.different for one in done if one.different is not None]
    if differing:
        share = sum(differing) / len(differing)
        what += f"; {share:.2%} of the pixels differ from {args.compare}'s"
    files = " and ".join(filter(None, (summary.out, args.html)))
    wrote = f"; wrote {files}" if files else ""
    return one_line(f"{what}; {_seen(done, summary.names)}{wrote}{skipped}")


def _kept_up(live: LiveAccount) -> str:
    """Return how far a run kept up with its camera or stream."""
    often = "once" if live.breaks == 1 else f"{live.breaks} times"
    breaks = f", opened again {often}" if live.breaks else ""
    return (
        f"{live.seen} came, {live.dropped} dropped{breaks}, from frame to mask p50 "
        f"{live.latency(50):.0f} ms, p95 {live.latency(95):.0f} ms"
    )


def _json(summary: RunSummary, model: str) -> str:
    """Return everything as JSON."""
    report = {
        "model": model,
        "backend": summary.backend,
        "input_size": list(summary.input_size),
        "fit": summary.fit,
        "notes": [*summary.notes, *summary.remarks],
        "seconds": round(summary.seconds, 3),
        "rate": round(summary.count / summary.seconds, 3) if summary.seconds else 0.0,
        **({"live": _live(summary.live)} if summary.live else {}),
        "images": [],
        "failed": [{"file": one.item.file, "error": str(one.error)} for one in summary.failed],
    }
    # One by one: of a long film the parts of all images at once would be many times the text.
    listed = ",\n".join(
        textwrap.indent(_dumped(_image(one, summary.names)), "    ") for one in summary.done
    )
    before, key, after = _dumped(report).partition('"images": [')
    return f"{before}{key}\n{listed}\n  {after}" if listed else f"{before}{key}{after}"


def _live(live: LiveAccount) -> dict[str, Any]:
    return {
        "seen": live.seen,
        "done": live.done,
        "dropped": live.dropped,
        "breaks": live.breaks,
        "latency_ms": {f"p{p}": round(live.latency(p), 3) for p in (50, 95)},
    }


def _image(one: Prediction, names: tuple[str, ...]) -> dict[str, Any]:
    return {
        "name": one.item.name,
        "file": one.item.file,
        "size": list(one.size),
        "latency_ms": round(one.timing.total_ms, 3),
        "preprocess_ms": round(one.timing.preprocess_ms, 3),
        "inference_ms": round(one.timing.inference_ms, 3),
        "postprocess_ms": round(one.timing.postprocess_ms, 3),
        "classes": {name: round(share, 6) for name, share in _by_name(names, one.shares).items()},
        "outputs": list(map(str, one.outputs)),
        **({} if one.item.time is None else {"time": round(one.item.time, 6)}),
        **({} if one.different is None else {"different": round(one.different, 6)}),
    }


def _by_name(names: tuple[str, ...], shares: tuple[float, ...]) -> dict[str, float]:
    """Return the shares of what occurs; classes of one name count together."""
    sums: dict[str, float] = {}
    for name, share in zip(names, shares, strict=False):
        if share:
            sums[name] = sums.get(name, 0.0) + share
    return sums


def _seen(done: list[Prediction], names: tuple[str, ...]) -> str:
    shares = [sum(column) / len(done) for column in zip(*(d.shares for d in done), strict=True)]
    largest = sorted(range(len(shares)), key=lambda number: -shares[number])[:_LARGEST]
    called = dict(enumerate(names))
    return ", ".join(f"{called.get(i, i)} {percent(shares[i])}" for i in largest if shares[i])
