"""Names on pictures: whatever their script, and whatever hides in them."""

import pytest

from segpp.images.drawing import text
from segpp.images.drawing.text import drawable, font_of_size, shortened


@pytest.fixture
def bare_board(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine without fonts of its own."""
    monkeypatch.setattr(text, "_SYSTEM_FONTS", ())


def test_ascii_is_drawn_as_it_is_with_the_bundled_font() -> None:
    assert drawable("traffic light", 20) == ("traffic light", font_of_size(20))


@pytest.mark.usefixtures("bare_board")
@pytest.mark.parametrize(
    ("name", "drawn"),
    [
        ("Straße", "Strasse"),
        ("Bäume", "Baume"),
        ("Œuvre", "OEuvre"),
        ("Łódź", "Lodz"),
        ("дерево", "??????"),
        ("a \N{EN DASH} b", "a - b"),
    ],
)
def test_without_a_font_of_the_machine_the_nearest_letters_are_drawn(name: str, drawn: str) -> None:
    assert drawable(name, 20)[0] == drawn


def test_with_a_font_of_the_machine_the_name_is_drawn_itself() -> None:
    if text._system_font("DejaVuSans.ttf", 20) is None:
        pytest.skip("this machine has no DejaVu")

    clean, font = drawable("Straße, дерево", 20)

    assert clean == "Straße, дерево"
    assert font.getbbox(clean)[2] > 0
    assert font is not font_of_size(20)


@pytest.mark.parametrize(
    ("name", "drawn"),
    [
        ("a\x1b[31mb\r\nc\0", "a [31mb c"),
        ("road\u202egnp.exe", "road gnp.exe"),
        ("lone \ud800 surrogate", "lone surrogate"),
        ("", "?"),
        ("\n\t", "?"),
    ],
)
def test_control_characters_and_marks_of_direction_are_harmless(name: str, drawn: str) -> None:
    assert drawable(name, 16)[0] == drawn


@pytest.mark.parametrize("width", [0, 10, 40, 100, 1000])
def test_a_long_text_is_cut_to_the_width(width: int) -> None:
    font = font_of_size(16)

    short = shortened("a class with a very long name", font, width)

    assert font.getlength(short) <= max(width, font.getlength("..."))
    assert short.endswith("...") is (width < 1000)
