"""HTML as a browser takes it apart, and names that try to be more than text."""

from html.parser import HTMLParser

__all__ = ["HOSTILE", "Reader", "read"]

HOSTILE = (
    "<script>alert(1)</script>",
    '" onmouseover="alert(1)',
    "' onload='x",
    "</style></title><img src=x onerror=alert(1)>",
    "&lt;b&gt;",
    "a & b",
)


class Reader(HTMLParser):
    """The elements, attributes and texts that a browser would see."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


def read(markup: str) -> Reader:
    reader = Reader()
    reader.feed(markup)
    reader.close()
    return reader
