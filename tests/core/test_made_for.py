"""What a file is made for decides what it takes and gives, unless the caller says otherwise."""

import pytest

import segpp
from segpp.api import make
from segpp.errors import InputError
from segpp.export.config import ExportConfig


class Stop(Exception):  # noqa: N818 - no error, only an end
    """The config is all that is wanted."""


@pytest.mark.parametrize(
    ("given", "takes", "gives"),
    [
        ({}, "float32", "logits"),
        ({"made_for": "engine"}, "uint8", "labels"),
        ({"made_for": "engine", "outputs": "both"}, "uint8", "both"),
        ({"made_for": "engine", "input_dtype": "float16"}, "float16", "labels"),
        ({"outputs": "labels"}, "float32", "labels"),
    ],
)
def test_a_purpose_fills_in_what_was_not_said(
    given: dict[str, str], takes: str, gives: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[ExportConfig] = []

    def check(config: ExportConfig) -> None:
        seen.append(config)
        raise Stop

    monkeypatch.setattr(make, "check_config", check)
    with pytest.raises(Stop):
        segpp.export_onnx("none.pth", "none.onnx", **given)  # type: ignore[arg-type]  # by name

    assert (seen[0].input_dtype, seen[0].outputs) == (takes, gives)


def test_a_purpose_that_nobody_knows_is_an_error() -> None:
    with pytest.raises(InputError, match=r"unknown purpose 'camera'\n  known: any, engine"):
        segpp.export_onnx("none.pth", "none.onnx", made_for="camera")
