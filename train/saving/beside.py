"""Files that belong to a checkpoint by name and folder alone: ``variant.yml``, ``config.json``.

The first is Segmenter's, the second lies beside weights of transformers that are given as a file.

Such a file tells how every checkpoint in its folder is computed: heads, normalisation. A student in
another folder takes a copy of its teacher's along. Where another one lies already, which would have
the student computed in another way, it is not written; nor is that one replaced, since it is some
other checkpoint's.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path

from segpp.errors import OutputError

__all__ = ["beside_of", "to_write_beside"]


def beside_of(source: Path, names: Iterable[str]) -> dict[str, bytes | None]:
    """Return what the files beside a checkpoint hold by their names; None where there is none."""
    folder = source if source.is_dir() else source.parent
    paths = {name: folder / name for name in names}
    return {name: path.read_bytes() if path.is_file() else None for name, path in paths.items()}


def to_write_beside(
    beside: Mapping[str, bytes | None], source: Path, out: Path
) -> dict[Path, bytes]:
    """Return the files to write beside a student, besides those that lie there already.

    Args:
        beside: Of its teacher, as ``beside_of`` returns it.
        source: The teacher.
        out: The student.

    Raises:
        OutputError: There is another file of such a name, or it is the student's own.
    """
    found: dict[Path, bytes] = {}
    for name, content in beside.items():
        path = out.with_name(name)
        if out.name == name:
            raise OutputError(
                f"{out} is what {source.name} is described by", hint="write to another file"
            )
        there = beside_of(out, [name])[name]
        if there is None and content is not None:
            found[path] = content
        elif there != content:
            raise OutputError(
                f"{path} is of another network than {source.name}, and {out.name} would be "
                "computed as it says",
                f"beside {source}: {'none' if content is None else 'another one'}",
                hint="write to a folder of its own",
            )
    return found
