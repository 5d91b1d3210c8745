r"""Write the policy of a checkpoint alone, as ``segpp-train --policy-weights`` takes it.

    python -m benchmarks.distillation.vit.split_policy with_policy.pth policy.pth

In half precision it is half as large; whoever reads it computes in FP32.
"""

import argparse
from pathlib import Path
from typing import cast

import torch

from segpp.errors import CheckpointError
from segpp.export.models.loading import load_checkpoint
from segpp.export.models.vit.loading import ViTCheckpoint
from segpp.utils.files import atomic_write

__all__ = ["split_policy"]

# What CTS calls its policy.
_PREFIX = "policy_net."


def main() -> None:
    """Read a checkpoint and write its policy."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("out", type=Path)
    args = parser.parse_args()
    split_policy(args.checkpoint, args.out)


def split_policy(path: Path, out: Path) -> None:
    """Write the policy of a checkpoint.

    Raises:
        CheckpointError: It has none.
    """
    checkpoint = cast("ViTCheckpoint", load_checkpoint(path))
    stored = checkpoint.stored(checkpoint.state)
    policy = {
        name.removeprefix(_PREFIX): tensor.half()
        for name, tensor in stored.items()
        if name.startswith(_PREFIX)
    }
    if not policy:
        raise CheckpointError(f"{path} has no policy")
    with atomic_write(out) as (part,):
        torch.save(policy, part)


if __name__ == "__main__":
    main()
