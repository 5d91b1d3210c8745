"""The C++ runtime reads manifests as strictly as Python: the same keys, the same sentences."""

import hashlib
import json
import re
import types
from collections.abc import Callable, Iterator
from dataclasses import MISSING, fields, is_dataclass
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import pytest

from segpp.errors import ManifestError
from segpp.manifest import Manifest, read_manifest
from segpp.utils.files import manifest_path
from tests.helpers.tiny_networks import Network
from tests.runtime.cpp.building import RUNTIME
from tests.runtime.cpp.conftest import Built
from tests.runtime.cpp.probing import Probe

KEYS = RUNTIME / "src" / "manifest" / "schema_keys.h"
PICTURE = Path(__file__).resolve().parents[3] / "examples/street_scenes/images/900000.jpg"

Change = Callable[[dict[str, Any]], object]


def named(kind: Any, records: list[Any]) -> str:
    """Return a type as schema_keys.h writes it; what it refers to joins ``records``."""
    origin, arguments = get_origin(kind), get_args(kind)
    if origin in (Union, types.UnionType):
        others = [one for one in arguments if one is not type(None)]
        text = "|".join(named(one, records) for one in others)
        return text + "?" * (len(others) < len(arguments))
    if origin is Literal:
        return "|".join(f"'{word}'" for word in arguments)
    if origin is tuple and arguments[-1] is Ellipsis:
        return f"[{named(arguments[0], records)}]"
    if origin is tuple:
        return f"({','.join(named(one, records) for one in arguments)})"
    if origin is dict:
        return f"{{{named(arguments[1], records)}}}"
    if is_dataclass(kind) and kind not in records:
        records.append(kind)
    return str(kind.__name__)


def keys_of_the_schema() -> Iterator[str]:
    records: list[Any] = [Manifest]
    for record in records:
        hints = get_type_hints(record)
        for key in fields(record):
            required = key.default is MISSING and key.default_factory is MISSING
            words = f'"{record.__name__}", "{key.name}", "{named(hints[key.name], records)}"'
            yield f"    {{{words}, {str(required).lower()}}},"


def test_the_runtime_knows_every_key_of_the_schema() -> None:
    text = KEYS.read_text()

    written = re.findall(r"^    \{.*\},$", text, re.MULTILINE)

    wanted = list(keys_of_the_schema())
    assert written == wanted, f"{KEYS.name} should hold:\n" + "\n".join(wanted)


def example(kind: Any) -> Any:
    """Return some JSON that a type allows, with every key that there is."""
    origin, arguments = get_origin(kind), get_args(kind)
    if origin in (Union, types.UnionType):
        return example(next(one for one in arguments if one is not type(None)))
    if origin is Literal:
        return arguments[-1]
    if origin is tuple:
        several = [argument for argument in arguments if argument is not Ellipsis]
        return [example(one) for one in several]
    if origin is dict:
        return {"a name": example(arguments[1])}
    if is_dataclass(kind):
        hints = get_type_hints(kind)
        return {key.name: example(hints[key.name]) for key in fields(kind)}
    return {int: 3, float: 0.5, bool: True, str: "ä text"}[kind]


def test_a_manifest_with_every_key_there_is_is_read(
    runtime: Built, network: Network, tmp_path: Path
) -> None:
    model = network()
    plain = json.loads(manifest_path(model).read_text())
    # What describes the file itself stays: it has to be true.
    full = example(Manifest) | {key: plain[key] for key in ("file", "classes", "input", "outputs")}
    head = {**SITE, "stage": 0, "side": "grid"}
    full |= {"kind": "onnx", "schema": 1, "architecture": plain["architecture"]}
    embed = {**SITE, "stage": -1, "side": "patches"}
    full |= {"reduction": [embed, head], "channels": []}
    manifest_path(model).write_text(json.dumps(full))
    assert read_manifest(model).kind == "onnx"

    done = runtime.run("--out", tmp_path, model, PICTURE)

    assert done.returncode == 0, done.stderr


def refusal(runtime: Built, model: Path, out: Path) -> tuple[int, str]:
    done = runtime.run("--out", out, model, PICTURE)
    assert list(out.glob("*.png")) == []
    return done.returncode, done.stderr


def put(*path: str | int, value: Any) -> Change:
    def change(manifest: dict[str, Any]) -> None:
        place: Any = manifest
        for step in path[:-1]:
            place = place[step]
        place[path[-1]] = value

    return change


def remove(*path: str | int) -> Change:
    def change(manifest: dict[str, Any]) -> None:
        place: Any = manifest
        for step in path[:-1]:
            place = place[step]
        del place[path[-1]]

    return change


CHANNELS = {
    "stage": 3, "part": "qkv", "method": "fixed", "settings": {}, "channels_in": 10,
    "channels_out": 5, "kept": {"1.qk": "f80"},
}  # fmt: skip
SITE = {
    "stage": 1, "side": "kv", "method": "bsm", "settings": {}, "grid": [4, 6],
    "tokens_in": 24, "tokens_out": 12,
}  # fmt: skip

WRONG: dict[str, Change] = {
    "no schema": remove("schema"),
    "another schema": put("schema", value=2),
    "a schema of text": put("schema", value="1"),
    "no input": remove("input"),
    "no mean": remove("input", "mean"),
    "no sha256": remove("file", "sha256"),
    "no parity image": put("parity", value={"image_sha256": "", "pixel_agreement": 1}),
    "unknown key": put("surprise", value=1),
    "unknown key within": put("outputs", 0, "surprise", value={"a": [1, 2]}),
    "a number as name": put("input", "name", value=3),
    "a bool as number": put("file", "bytes", value=True),
    "a float as number": put("input", "shape", 2, value=32.5),
    "a huge number": put("input", "shape", 2, value=1e30),
    "text as mean": put("input", "mean", 1, value="many"),
    "null as list": put("outputs", value=None),
    "an object as list": put("outputs", value={"it's": "an object"}),
    "another dtype": put("input", "dtype", value="float64"),
    "another fit": put("input", "fit", value="squeeze"),
    "a colour of two": put("classes", "palette", 0, value=[1, 2]),
    "a colour of 256": put("classes", "palette", 0, value=[1, 2, 256]),
    "too few colours": put("classes", "palette", value=[[1, 2, 3]]),
    "too many names": put("classes", "names", value=["a"] * 4),
    "more classes trained": put("architecture", "classes", value=7),
    "three dimensions": put("input", "shape", value=[3, 32, 64]),
    "no height": put("input", "shape", 2, value=0),
    "negative width": put("input", "shape", 3, value=-64),
    "two means": put("input", "mean", value=[1.0, 2.0]),
    "std of 0": put("input", "std", 2, value=0.0),
    "padding of two": put("input", "padding", value=[1, 2]),
    "padding of 300": put("input", "padding", value=[1, 2, 300]),
    "no white": put("input", "white", value="bright"),
    "a white of 0": put("input", "white", value="0"),
    "a white of a number": put("input", "white", value=4095),
    "band 0": put("input", "bands", value=[0, 1, 2]),
    "two bands": put("input", "bands", value=[1, 2]),
    "no outputs": put("outputs", value=[]),
    "an empty output": put("outputs", 0, "shape", value=[]),
    "an output of nothing": put("outputs", 0, "shape", value=[1, 3, 0, 16]),
    "an engine that is none": put("kind", value="engine"),
    "channels of more": put("channels", value=[{**CHANNELS, "channels_out": 11}]),
    "channels of no heads": put("channels", value=[{**CHANNELS, "groups": 0}]),
    "channels that heads do not share": put("channels", value=[{**CHANNELS, "groups": 3}]),
    "other channels than told": put("channels", value=[{**CHANNELS, "kept": {"1.qk": "f84"}}]),
    "channels beyond the last": put("channels", value=[{**CHANNELS, "kept": {"1.qk": "f01"}}]),
    "a merge of more": put("reduction", value=[{**SITE, "tokens_out": 25}]),
    "a merge on another grid": put("reduction", value=[{**SITE, "tokens_in": 25}]),
    "a match in no block": put("reduction", value=[{**SITE, "match_every": 0}]),
    "keys of the head": put("reduction", value=[{**SITE, "stage": 0}]),
    "a grid before the blocks": put("reduction", value=[{**SITE, "stage": -1, "side": "grid"}]),
    "patches of a block": put("reduction", value=[{**SITE, "side": "patches"}]),
    "a stage before all": put("reduction", value=[{**SITE, "stage": -2, "side": "patches"}]),
    "another side": put("reduction", value=[{**SITE, "side": "v"}]),
    "a match of queries for themselves": put("reduction", value=[{**SITE, "match_of": "q"}]),
    "another settings": put("reduction", value=[{**SITE, "settings": {"a": None}}]),
    "an option of a number": put("options", value={"a": 1}),
    "an unknown origin": put("origins", value={"mean": "guessed"}),
    "another file": put("file", "sha256", value="0" * 64),
    "a longer file": put("file", "bytes", value=5),
    "a long text": put("kind", value="ä" * 500),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_manifest_is_refused_in_the_words_of_python(
    runtime: Built, network: Network, tmp_path: Path, name: str
) -> None:
    model = network()
    manifest = json.loads(manifest_path(model).read_text())
    WRONG[name](manifest)
    manifest_path(model).write_text(json.dumps(manifest))
    with pytest.raises(ManifestError) as wanted:
        read_manifest(model)

    code, said = refusal(runtime, model, tmp_path)

    assert code == 2
    first = said.removeprefix("error: ").partition("\n")[0]
    # Python shows numbers and text of any length cut at 80 characters, not bytes.
    if name not in {"a huge number", "a long text"}:
        assert first == wanted.value.problem
    assert first.partition(" is ")[0] == wanted.value.problem.partition(" is ")[0]


NOT_JSON = {
    "empty": b"",
    "cut": b'{"schema": 1, "kind": "onnx"',
    "text": b"a manifest",
    "latin-1": b'{"schema": 1, "kind": "\xe4"}',
    "deep": b'{"schema": 1, "notes": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "a list": b"[]",
    "infinite": b'{"schema": 1, "tools": {"a": Infinity}}',
    "large": b" " * (4 << 20) + b"{}",
}


@pytest.mark.parametrize("name", NOT_JSON)
def test_what_is_no_manifest_is_refused_in_one_sentence(
    runtime: Built, network: Network, tmp_path: Path, name: str
) -> None:
    model = network()
    manifest_path(model).write_bytes(NOT_JSON[name])

    code, said = refusal(runtime, model, tmp_path)

    assert code == 2
    assert said.startswith(f"error: {'manifest ' if name == 'empty' else ''}{model}.json ")


def test_a_missing_manifest_is_named(runtime: Built, network: Network, tmp_path: Path) -> None:
    code, said = refusal(runtime, network(manifest=False), tmp_path)

    assert code == 2
    assert "onnx.json does not exist" in said


OTHER_SIGNATURES: dict[str, Change] = {
    "input": put("input", "name", value="picture"),
    "another input": put("input", "shape", value=[1, 3, 64, 64]),
    "output": put("outputs", 0, "shape", value=[1, 3, 16, 16]),
    "another output": put("outputs", 0, "dtype", value="float16"),
}


@pytest.mark.parametrize("name", OTHER_SIGNATURES)
def test_a_file_that_is_not_as_its_manifest_says_is_refused(
    runtime: Built, network: Network, tmp_path: Path, name: str
) -> None:
    model = network()
    manifest = json.loads(manifest_path(model).read_text())
    OTHER_SIGNATURES[name](manifest)
    manifest_path(model).write_text(json.dumps(manifest))

    code, said = refusal(runtime, model, tmp_path)

    assert code == 2
    assert f"has another {name.rpartition(' ')[2]} than its manifest says" in said
    assert "  manifest: " in said
    assert "  file:     " in said


def test_an_input_that_no_memory_holds_is_refused(
    runtime: Built, network: Network, tmp_path: Path
) -> None:
    model = network()
    manifest = json.loads(manifest_path(model).read_text())
    manifest["input"]["shape"] = [1, 3, 1 << 20, 1 << 20]
    manifest_path(model).write_text(json.dumps(manifest))

    code, _said = refusal(runtime, model, tmp_path)

    assert code == 2


@pytest.mark.parametrize("size", [0, 1, 55, 56, 63, 64, 65, 119, 120, 1 << 20, (1 << 20) + 7])
def test_the_hash_is_sha256(probe: Probe, tmp_path: Path, size: int) -> None:
    path = tmp_path / "file"
    path.write_bytes(bytes(i * 7 % 256 for i in range(size)))

    assert probe("sha256", path).decode() == hashlib.sha256(path.read_bytes()).hexdigest()
