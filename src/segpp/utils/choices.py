"""Names that users type: an unknown one is an error that proposes the nearest."""

from collections.abc import Iterable
from difflib import get_close_matches

from segpp.errors import InputError

__all__ = ["check_choice"]

# Nothing that we call by a name is longer; comparing takes time with the square of the length.
_LONGEST = 80


def check_choice(
    name: str,
    known: Iterable[str],
    *,
    kind: str,
    error: type[InputError] = InputError,
) -> None:
    """Raise ``error`` unless ``name`` is among ``known``.

    Args:
        kind: What the name is a name of, for the message ("preset").
    """
    names = sorted(known)
    if name in names:
        return
    near = get_close_matches(name[:_LONGEST].lower(), names, n=1, cutoff=0.5)
    hint = f"did you mean {near[0]!r}?" if near else None
    raise error(f"unknown {kind} {name!r:.80}", f"known: {', '.join(names)}", hint=hint)
