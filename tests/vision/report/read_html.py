"""What stands on a page, read with the parser of the standard library."""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser

EMPTY = {"img", "input", "link", "meta", "br", "path", "circle", "option"}


@dataclass
class Element:
    """An element with its attributes; children are elements and words."""

    tag: str
    attributes: dict[str, str]
    children: list[Element | str] = field(default_factory=list)

    @property
    def text(self) -> str:
        """All words inside, with single spaces."""
        return " ".join(self._raw().split())

    def _raw(self) -> str:
        return "".join(c if isinstance(c, str) else c._raw() for c in self.children)

    def all(self, tag: str, **wanted: str) -> list[Element]:
        """The elements of a tag below this one, with these attributes; class_ is class."""
        found = []
        for child in self.children:
            if isinstance(child, str):
                continue
            given = child.attributes
            fits = all(given.get(name.rstrip("_")) == value for name, value in wanted.items())
            if child.tag == tag and fits:
                found.append(child)
            found += child.all(tag, **wanted)
        return found


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.open = [Element("page", {})]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        made = Element(tag, {name: value or "" for name, value in attrs})
        self.open[-1].children.append(made)
        if tag not in EMPTY:
            self.open.append(made)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.open[-1].children.append(Element(tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        if tag not in EMPTY:
            assert self.open[-1].tag == tag, f"{tag} closes {self.open[-1].tag}"
            self.open.pop()

    def handle_data(self, data: str) -> None:
        self.open[-1].children.append(data)


def read_html(text: str) -> Element:
    """A page, or a part of one, all of whose elements are closed."""
    reader = _Reader()
    reader.feed(text)
    reader.close()
    assert len(reader.open) == 1, f"{reader.open[-1].tag} is not closed"
    return reader.open[0]


def rows_of(table: Element) -> list[list[str]]:
    """Words of all cells in the body of a table."""
    bodies = table.all("tbody")
    return [
        [c.text for c in row.children if isinstance(c, Element)]
        for body in bodies
        for row in body.all("tr")
    ]
