"""What a label map is: the class of each number that the label files of a data set hold.

    LABEL_MAPS.register("cityscapes")({7: 0, 8: 1, …, -1: 255})

255 is no class. Another map is a file of lines ``number class``, as ``7 0`` or ``7 ignore``, or a
JSON object ``{"7": 0}``.
"""

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from segpp.errors import InputError
from segpp.utils.choices import check_choice
from segpp.utils.files import check_file
from segpp.utils.registry import Registry

__all__ = ["LABEL_MAPS", "NO_CLASS", "find_label_map"]

NO_CLASS = 255
LABEL_MAPS: Registry[Mapping[int, int]] = Registry("segpp.datasets.label_maps", "label map")

_MOST_BYTES = 1 << 20
_NUMBERS = 2


def find_label_map(name: str) -> Mapping[int, int]:
    """Return a label map by its name, or from a file.

    Raises:
        InputError: It is neither, or the file is no label map.
    """
    if name in LABEL_MAPS:
        return LABEL_MAPS[name]
    if not Path(name).exists():
        check_choice(name, LABEL_MAPS, kind="label map")
    return _read(Path(name))


def _read(path: Path) -> Mapping[int, int]:
    check_file(path, kind="label map")
    if path.stat().st_size > _MOST_BYTES:
        raise InputError(f"the label map {path} has more than {_MOST_BYTES >> 20} MiB")
    try:
        text = path.read_text(encoding="utf-8-sig")
        found = list(_of_json(text) if text.lstrip()[:1] == "{" else _of_lines(text))
    except (ValueError, RecursionError) as failure:
        raise InputError(
            f"{path} is no label map",
            str(failure),
            hint="lines of two numbers, '7 0' or '7 ignore', or a JSON object {\"7\": 0}",
        ) from failure
    return _checked(found, path)


def _of_json(text: str) -> Iterator[tuple[int, int]]:
    # As pairs: of a key that is there twice a dict has the last.
    value: list[tuple[str, Any]] = json.loads(text, object_pairs_hook=list)
    for number, label in value:
        yield int(number), _class(str(label))


def _of_lines(text: str) -> Iterator[tuple[int, int]]:
    for line in text.splitlines():
        words = line.partition("#")[0].replace(",", " ").replace(":", " ").split()
        if not words:
            continue
        if len(words) != _NUMBERS:
            raise ValueError(f"a line of {len(words)} words: {line!r:.60}")
        yield int(words[0]), _class(words[1])


def _class(word: str) -> int:
    label = NO_CLASS if word in {"ignore", "-1"} else int(word)
    if not 0 <= label < 1 << 16:
        raise ValueError(f"the class {word}")
    return label


def _checked(found: list[tuple[int, int]], path: Path) -> Mapping[int, int]:
    if not found:
        raise InputError(f"the label map {path} is empty")
    times = Counter(number for number, _ in found)
    number, count = times.most_common(1)[0]
    if count > 1:
        raise InputError(f"the label map {path} has the number {number} twice")
    return dict(found)
