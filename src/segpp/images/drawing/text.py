"""Words on pictures, whatever their script and whatever hides in them.

Pillow's own font has ASCII and little else. What it lacks is drawn with a font of the machine if
one has it, else with the nearest ASCII letters ("Strasse"), else with question marks: a picture
never fails for a name.
"""

import unicodedata
from functools import lru_cache

from PIL import ImageFont

__all__ = ["Font", "drawable", "font_of_size", "shortened"]

Font = ImageFont.FreeTypeFont | ImageFont.ImageFont

# Found by name in the folders where systems keep fonts; each covers more scripts than the last.
_SYSTEM_FONTS = (
    *("DejaVuSans.ttf", "LiberationSans-Regular.ttf", "Arial.ttf", "NotoSans-Regular.ttf"),
    *("NotoSansCJK-Regular.ttc", "wqy-microhei.ttc", "Arial Unicode.ttf", "msyh.ttc"),
)
# What Unicode does not take apart into a letter and its accent.
_ASCII = {
    "ß": "ss",
    "ẞ": "SS",
    "æ": "ae",
    "Æ": "AE",
    "ø": "o",
    "Ø": "O",
    "œ": "oe",
    "Œ": "OE",
    "ł": "l",
    "Ł": "L",
    "đ": "d",
    "Đ": "D",
    "þ": "th",
    "Þ": "Th",
    "ð": "d",
    "\N{LATIN SMALL LETTER DOTLESS I}": "i",
    "\N{EN DASH}": "-",
    "\N{EM DASH}": "-",
}
# No font has a glyph for it: what is drawn is the sign for a missing one.
_NOBODYS = "\uffff"
_LONGEST = 200


def drawable(text: str, size: int) -> tuple[str, Font]:
    """Return a text as it can be drawn, and the font that draws it, ``size`` pixels high.

    Control characters, surrogates and marks that turn the direction of writing become spaces.
    """
    clean = " ".join("".join(map(_visible, text[:_LONGEST])).split()) or "?"
    bundled = font_of_size(size)
    if _has_all(bundled, clean):
        return clean, bundled
    for name in _SYSTEM_FONTS:
        font = _system_font(name, size)
        if font and _has_all(font, clean):
            return clean, font
    return _nearest(clean, bundled), bundled


@lru_cache(maxsize=16)
def font_of_size(size: int) -> Font:
    """Return Pillow's own font, ``size`` pixels high."""
    return ImageFont.load_default(size)


def shortened(text: str, font: Font, width: float) -> str:
    """Return a text that is at most ``width`` pixels wide, the end replaced by dots if need be."""
    if font.getlength(text) <= width:
        return text
    fits, over = 0, len(text)
    while over - fits > 1:
        middle = (fits + over) // 2
        is_narrow = font.getlength(f"{text[:middle]}...") <= width
        fits, over = (middle, over) if is_narrow else (fits, middle)
    return f"{text[:fits].rstrip()}..."


def _visible(sign: str) -> str:
    # C: control, format (also the marks of direction), surrogate, private, unassigned; Z: spaces.
    return " " if unicodedata.category(sign)[0] in "CZ" else sign


@lru_cache(maxsize=64)
def _system_font(name: str, size: int) -> ImageFont.FreeTypeFont | None:
    try:
        return ImageFont.truetype(name, size)
    except (OSError, ImportError):
        return None


def _has_all(font: Font, text: str) -> bool:
    return all(_has(font, sign) for sign in set(text) if sign != " ")


@lru_cache(maxsize=4096)
def _has(font: Font, sign: str) -> bool:
    if not isinstance(font, ImageFont.FreeTypeFont):
        # Without FreeType there is Pillow's bitmap font, which has Latin-1.
        return sign.isascii()
    return bytes(font.getmask(sign)) != bytes(font.getmask(_NOBODYS))


def _nearest(text: str, font: Font) -> str:
    letters = "".join(_ASCII.get(sign, sign) for sign in text)
    parts = unicodedata.normalize("NFKD", letters)
    bare = (sign for sign in parts if not unicodedata.combining(sign))
    return "".join(sign if sign == " " or _has(font, sign) else "?" for sign in bare)
