"""The arguments that say which library runs a network and how, the same for every command."""

import argparse
from typing import Any

__all__ = ["add_engine_arguments", "engine_settings"]


def add_engine_arguments(parser: argparse.ArgumentParser) -> argparse._ArgumentGroup:
    """Add the arguments, and return their group for more."""
    group = parser.add_argument_group("engine")
    group.add_argument(
        "--engine",
        default="auto",
        metavar="NAME",
        help="library that runs it: onnxruntime, openvino, auto (default: auto, onnxruntime "
        "where it is installed)",
    )
    group.add_argument("--provider", metavar="NAME", help="onnxruntime's: cpu, cuda, … (cpu)")
    group.add_argument("--threads", type=int, metavar="N", help="CPU threads (library's choice)")
    group.add_argument(
        "--precision",
        default="fp32",
        metavar="NAME",
        help="what the file's FP32 is computed in: fp32, or bf16 with openvino on CPUs that have "
        "it (default: fp32)",
    )
    group.add_argument(
        "--no-cache",
        action="store_true",
        help="do not keep what openvino compiles in MODEL.onnx.cache/ beside the file",
    )
    return group


def engine_settings(args: argparse.Namespace) -> dict[str, Any]:
    """Return what the arguments mean to ``open_session``."""
    return {
        "engine": args.engine,
        "provider": args.provider,
        "threads": args.threads,
        "precision": args.precision,
        "cache": not args.no_cache,
    }
