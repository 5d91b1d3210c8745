"""HTML from names that nobody vouches for: every text is escaped where it becomes markup."""

from html import escape

__all__ = ["Html", "clean", "join", "tag"]

_VOID = {"br", "img", "meta"}


class Html(str):
    """Markup, made by ``tag`` and ``join`` alone; any other text is escaped by them."""

    __slots__ = ()


def tag(element: str, /, *content: object, **attributes: object) -> Html:
    """Return an element with its content and attributes, all of them escaped.

    Args:
        element: Its name; a word in the source, never from outside.
        content: Texts, numbers and elements, one after the other.
        attributes: ``class_`` is ``class``; those that are None are left out.
    """
    words = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escape(clean(str(value)))}"'
        for key, value in attributes.items()
        if value is not None
    )
    if element in _VOID:
        return Html(f"<{element}{words}>")
    return Html(f"<{element}{words}>{join(*content)}</{element}>")


def join(*content: object) -> Html:
    """Return texts, numbers and elements as one piece of markup."""
    return Html("".join(one if isinstance(one, Html) else _escaped(one) for one in content))


def clean(text: str) -> str:
    """Return a text without what is no sign: control characters, marks of direction, surrogates."""
    return "".join(sign if sign.isprintable() or sign == "\n" else "\ufffd" for sign in text)


def _escaped(value: object) -> str:
    return escape(clean(str(value)))
