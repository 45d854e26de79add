"""The texts of templates, with what is no plain text told apart: variables, logic, snippets."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from promptlayer_patch._registry import fstrings
from promptlayer_patch.server.registry.snippets import REFERENCE

__all__ = ["Span", "marked"]

_LONGEST = 100_000
"""In a longer text nothing is marked."""
_BRACES = re.compile(r"{{|}}|({[^{}]*})")
# Of bounded length: a text may open a thousand and close none.
_JINJA = re.compile(r"({{.{0,500}?}})|({%.{0,500}?%}|{#.{0,500}?#})", re.DOTALL)

Kind = Literal["text", "variable", "logic", "snippet"]


@dataclass(frozen=True, slots=True)
class Span:
    kind: Kind
    text: str


def marked(text: str, text_format: str) -> tuple[Span, ...]:
    """The text in pieces, which make it up again."""
    if len(text) > _LONGEST:
        return (Span("text", text),)
    # A text that makes no sense in its format is rendered as it is: nothing in it stands for anything.
    plain = text_format != "jinja2" and not fstrings.names_in(REFERENCE.sub("", text))
    spans: list[Span] = []
    at = 0
    for snippet in REFERENCE.finditer(text):
        spans += _in_format(text[at : snippet.start()], text_format, plain)
        spans.append(Span("snippet", snippet[0]))
        at = snippet.end()
    spans += _in_format(text[at:], text_format, plain)
    return tuple(span for span in spans if span.text)


def _in_format(text: str, text_format: str, plain: bool) -> Iterator[Span]:
    at = 0
    for found in () if plain else (_JINJA if text_format == "jinja2" else _BRACES).finditer(text):
        if found.lastindex is None:  # two braces, which are one brace of the text
            continue
        yield Span("text", text[at : found.start()])
        yield Span("variable" if found.lastindex == 1 else "logic", found[0])
        at = found.end()
    yield Span("text", text[at:])
