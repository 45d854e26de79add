"""A page as a test looks at it: elements with their attributes and texts."""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser

__all__ = ["HOSTILE", "Element", "Page"]

HOSTILE = '</script><script>alert(1)</script><img src=x onerror=alert(1)>{{7*7}}" \'hx-get="/x" \u202e'
"""What must come out of every page as text, wherever it went in."""

_VOID = ("area", "br", "col", "hr", "img", "input", "link", "meta", "rect", "source")


@dataclass
class Element:
    tag: str
    attributes: dict[str, str]
    texts: list[str] = field(default_factory=list)

    @property
    def text(self) -> str:
        """All text within it, blanks as one."""
        return " ".join("".join(self.texts).split())


class Page(HTMLParser):
    """Parsed when it is made."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self._open: list[Element] = []
        self.elements: list[Element] = []
        self.feed(html)
        self.close()

    def all(self, tag: str, **attributes: str) -> list[Element]:
        """Elements of the tag with these attributes; `class_` is one of the classes."""
        return [one for one in self.elements if one.tag == tag and _has(one, attributes)]

    def one(self, tag: str, **attributes: str) -> Element:
        """The only one."""
        (found,) = self.all(tag, **attributes)
        return found

    def assert_harmless(self) -> None:
        """Nothing on it is executed but the server's own files."""
        for element in self.elements:
            assert element.tag not in ("iframe", "object", "embed", "style", "base"), element
            assert element.tag != "script" or (
                element.attributes["src"].startswith("/static/") and not element.text
            )
            for name, value in element.attributes.items():
                assert not name.startswith("on"), element
                assert name not in ("style", "hx-get", "srcdoc"), element
                assert not value.lower().startswith("javascript:"), element
            assert element.tag != "img" or element.attributes["src"].startswith(("/static/", "data:image/"))

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        element = Element(tag, {name: value or "" for name, value in attributes})
        self.elements.append(element)
        if tag not in _VOID:
            self._open.append(element)

    def handle_startendtag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.elements.append(Element(tag, {name: value or "" for name, value in attributes}))

    def handle_endtag(self, tag: str) -> None:
        while self._open and self._open.pop().tag != tag:
            pass

    def handle_data(self, data: str) -> None:
        for element in self._open:
            element.texts.append(data)


def _has(element: Element, attributes: dict[str, str]) -> bool:
    return all(
        value in element.attributes.get("class", "").split()
        if name == "class_"
        else element.attributes.get(name.replace("_", "-")) == value
        for name, value in attributes.items()
    )
