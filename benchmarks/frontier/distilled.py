r"""What a distillation without labels wins back, one trial after the other.

    python -m benchmarks.frontier.distilled --checkpoint b0.pth \
        --unseen camvid/unseen --val camvid/val --train camvid/train \
        --settings fast "hq + 3.grid" --seeds 0 1 2 --minutes 30 \
        --folder students --out docs/results/trade_offs/distilled.json

``segpp-distill`` learns from the pictures of ``--train`` alone; the student is exported with the
same setting and scored on pictures of another sequence, with labels that nothing was chosen by.
Every trial is written to ``--out`` as it ends. One that is there is not run again; one that was
stopped goes on.
"""

import argparse
import json
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.common.scoring import cpu
from benchmarks.frontier.files import cost, scored, search_images, written
from benchmarks.frontier.learning import learned
from benchmarks.frontier.settings import ALL, Setting
from segpp.ops.grid import Size, parse_size
from segpp.utils.files import atomic_write, check_writable


def main() -> None:
    """Run the trials that the result lacks."""
    args = _arguments()
    check_writable(args.out)
    args.folder.mkdir(parents=True, exist_ok=True)
    for seed in args.seeds:
        for name in args.settings:
            trials = _read(args.out)
            about = about_of(name, seed, args)
            # Results from before there was a rate to choose do not name it.
            if not any(about == {key: trial.get(key) for key in about} for trial in trials):
                _write(args.out, [*trials, {**about, **trial_of(name, seed, args)}])


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--checkpoint", type=Path, required=True)
    parser.add_argument("--unseen", type=Path, required=True)
    parser.add_argument("--val", type=Path, required=True)
    parser.add_argument("--train", type=Path, required=True)
    parser.add_argument("--size", type=parse_size, default=Size(352, 480), metavar="HxW")
    parser.add_argument("--settings", nargs="+", choices=ALL, metavar="NAME", required=True)
    parser.add_argument("--seeds", nargs="+", type=int, default=[0])
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--kills", type=int, default=0, help="so often it is killed and goes on")
    parser.add_argument("--learning-rate", type=float, help="instead of the command's own")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--limit", type=int, help="how many pictures to score on")
    parser.add_argument("--folder", type=Path, required=True, help="for the students")
    parser.add_argument("--out", type=Path, required=True, metavar="OUT.json")
    return parser.parse_args()


def about_of(name: str, seed: int, args: argparse.Namespace) -> dict[str, Any]:
    """Return what tells a trial from others."""
    return {
        "checkpoint": args.checkpoint.name,
        "setting": name,
        "seed": seed,
        "minutes": args.minutes,
        "kills": args.kills,
        "size": str(args.size),
        "learning_rate": args.learning_rate,
    }


def trial_of(name: str, seed: int, args: argparse.Namespace) -> dict[str, Any]:
    """Distil, export and score; the teacher's scores are taken beside the student's."""
    setting = ALL[name]
    number = list(ALL).index(name)
    about = (number, seed, f"{args.minutes:g}", args.kills, args.learning_rate or "own")
    student = args.folder / f"{args.checkpoint.stem}-{'-'.join(map(str, about))}.pth"
    report = learned(
        student,
        command_of(student, setting, seed, args),
        kills=args.kills,
        seconds=60 * args.minutes,
    )
    searched = search_images(args.train)
    with TemporaryDirectory() as folder:
        files = {one: Path(folder) / f"{one}.onnx" for one in ("teacher", "before", "after")}
        written(args.checkpoint, files["teacher"], ALL["none"], args.size)
        manifest = written(args.checkpoint, files["before"], setting, args.size, searched)
        written(student, files["after"], setting, args.size, searched)
        data = {"unseen": args.unseen, "val": args.val}
        macs = cost(files["before"], manifest)
        scores = scored(files, data, threads=args.threads, limit=args.limit)
    return {
        "machine": f"{cpu()}, {args.threads} thread(s)",
        **{key: report[key] for key in ("precision", "steps", "best_step", "seconds")},
        "held_back_before": report["before"]["agreement"],
        "held_back_after": report["after"]["agreement"],
        **macs,
        **scores,
    }


def command_of(student: Path, setting: Setting, seed: int, args: argparse.Namespace) -> list[str]:
    """Return what ``segpp-distill`` is told."""
    texts = [str(args.checkpoint), str(args.train / "images"), "-o", str(student)]
    texts += ["--preset", setting.preset, "--size", str(args.size), "--fit", "stretch"]
    texts += [text for one in setting.reduce for text in ("--reduce", one)]
    texts += ["--minutes", f"{args.minutes:g}", "--seed", str(seed), "--force"]
    if args.learning_rate:
        texts += ["--learning-rate", f"{args.learning_rate:g}"]
    return [*texts, "--threads", str(args.threads)]


def _read(path: Path) -> list[dict[str, Any]]:
    if not path.exists():
        return []
    trials: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))["trials"]
    return trials


def _write(path: Path, trials: list[dict[str, Any]]) -> None:
    with atomic_write(path) as (part,):
        part.write_text(json.dumps({"trials": trials}, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
