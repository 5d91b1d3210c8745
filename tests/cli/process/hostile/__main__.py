"""Every command on inputs made to harm, one process for each.

    python -m tests.cli.process.hostile

The process with all libraries in it is copied (fork) for each input, so that a thousand take
minutes and none can harm the next. Prints each fault and ends with 1 if there are any.
"""

import argparse
import sys
import tempfile
import time
from importlib import import_module
from pathlib import Path

from segpp.cli import VERBS, parser_of
from segpp.export.models.base import families
from segpp.export.models.rewriting import ordered_rewrites
from tests.cli.process.hostile.cases import SOUND, copy_of, prepare_cases
from tests.cli.process.hostile.judge import Verdict, judge
from tests.cli.process.hostile.originals import write_originals


def main() -> int:
    """Judge all cases and say what is wrong."""
    args = _arguments()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "sound").mkdir()
        write_originals(folder / "sound")
        _import_all()
        usual = _usual_bytes(folder)
        start, faulty, codes = time.monotonic(), 0, dict.fromkeys((0, 1, 2, 3), 0)
        for index, (case, prepare) in enumerate(prepare_cases(args.count, args.seed)):
            if args.only not in case:
                continue
            own = copy_of(folder / "sound", folder / str(index))
            verdict = judge(prepare(own), own, usual)
            codes[verdict.code] = codes.get(verdict.code, 0) + 1
            faulty += bool(verdict.faults)
            if verdict.faults or args.verbose:
                sys.stdout.write(_text(case, verdict))
    ends = ", ".join(f"{count} ended with {code}" for code, count in codes.items() if count)
    seconds = time.monotonic() - start
    sys.stdout.write(f"{sum(codes.values())} inputs in {seconds:.0f} s: {ends}; {faulty} faulty\n")
    return 1 if faulty else 0


def _arguments() -> argparse.Namespace:
    name = "python -m tests.cli.process.hostile"
    parser = argparse.ArgumentParser(prog=name, description=__doc__)
    parser.add_argument("--count", type=int, default=150, help="how many inputs (default: 150)")
    parser.add_argument("--seed", type=int, default=0, help="of the damage (default: 0)")
    parser.add_argument("--only", default="", metavar="TEXT", help="those with this in their name")
    parser.add_argument("--verbose", action="store_true", help="say how every one ended")
    return parser.parse_args()


def _import_all() -> None:
    """Import here, once, what each copy of this process would import for itself."""
    for module in ("segpp.export.pipeline", "segpp.inspection.checkpoint", "onnxruntime"):
        import_module(module)
    for family in families().values():
        ordered_rewrites(family.rewrites())
    for verb in VERBS:
        parser_of(verb)


def _usual_bytes(folder: Path) -> int:
    """Return the most memory that a command on sound files takes."""
    verdicts = []
    for index, arguments in enumerate(SOUND):
        own = copy_of(folder / "sound", folder / f"usual-{index}")
        verdicts.append(judge(arguments, own, 1 << 40))
        if verdicts[-1].code or verdicts[-1].faults:
            sys.exit(f"a sound input failed: {_text(' '.join(arguments), verdicts[-1])}")
    return max(verdict.bytes for verdict in verdicts)


def _text(case: str, verdict: Verdict) -> str:
    faults = "; ".join(verdict.faults) or "as it should"
    end = f"{verdict.code}, {verdict.seconds:.1f} s, {verdict.bytes / 1e9:.2f} GB"
    words = "\n".join(f"    {line:.300}" for line in verdict.said.strip().splitlines()[-12:])
    return f"{case}: {faults} ({end})\n{words}\n"


if __name__ == "__main__":
    sys.exit(main())
