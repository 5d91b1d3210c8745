"""Names that users type: an unknown one is an error that proposes the nearest."""

from collections.abc import Iterable
from difflib import SequenceMatcher, get_close_matches

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
    near = _nearest(name[:_LONGEST].lower(), names)
    hint = f"did you mean {near!r}?" if near else None
    raise error(f"unknown {kind} {name!r:.80}", f"known: {', '.join(names)}", hint=hint)


def _nearest(name: str, names: list[str]) -> str | None:
    near = get_close_matches(name, names, n=3, cutoff=0.5)
    # Letters change places more often than the first is a wrong one.
    return max(
        near,
        key=lambda one: (SequenceMatcher(None, one, name).ratio(), one[0] == name[0]),
        default=None,
    )
