"""Snippets: `@@@name@@@` in a text stands for the text of another template."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from promptlayer_patch.server.refusals import BadRequest
from promptlayer_patch.store.registry.models import SnippetReference, UnknownPrompt, Version

__all__ = ["REFERENCE", "Snippets", "references_in"]

REFERENCE = re.compile(
    r"@@@(?P<name>[^@\n]+)(?:@version_number:(?P<number>[0-9]{1,9})|@label:(?P<label>[^@\n]+))?@@@"
)

_MOST = 1_000
_MOST_CHARACTERS = 10_000_000
"""Of all snippets of one template: each may stand in others, many times."""


def references_in(template: Mapping[str, Any]) -> tuple[SnippetReference, ...]:
    """The snippets that the texts of a template name."""
    texts = (text for blocks in _contents(template) for text in _texts(blocks))
    found = (_reference(match) for text in texts for match in REFERENCE.finditer(text))
    return tuple(dict.fromkeys(found))


class Snippets:
    """Puts snippets into one template, and knows afterwards which those were, and which were not there."""

    def __init__(self, find: Callable[[SnippetReference], Version]) -> None:
        self._find = find
        self._count = 0
        self._characters = 0
        self._under_way: list[int] = []
        self._used: dict[tuple[str, int, str | None], None] = {}
        self._missing: dict[str, None] = {}

    def put_into(self, template: Mapping[str, Any]) -> dict[str, Any]:
        """The template with the texts of its snippets. One that is not there stays as it is written."""
        made = dict(template)
        if isinstance(template.get("messages"), list):
            made["messages"] = [
                {**message, "content": self._blocks(message["content"])} for message in template["messages"]
            ]
        else:
            made["content"] = self._blocks(template["content"])
        return made

    @property
    def used(self) -> list[dict[str, Any]]:
        """In PromptLayer's names."""
        return [
            {"prompt_name": name, "version": number, **({} if label is None else {"label": label})}
            for name, number, label in self._used
        ]

    @property
    def warning(self) -> str | None:
        """What to tell of those that are missing."""
        if not self._missing:
            return None
        return f"these snippets were left as they are written: {', '.join(self._missing)}"

    def _blocks(self, blocks: Any) -> Any:
        if not isinstance(blocks, list):
            return blocks
        return [
            {**block, "text": self._text(block["text"])} if block["type"] == "text" else block
            for block in blocks
        ]

    def _text(self, text: str) -> str:
        return REFERENCE.sub(self._in_place_of, text)

    def _in_place_of(self, match: re.Match[str]) -> str:
        reference = _reference(match)
        self._count += 1
        if self._count > _MOST:
            raise BadRequest(f"the prompt template has more than {_MOST} snippets")
        try:
            version = self._find(reference)
        except UnknownPrompt:
            version = None
        # One that comes back to itself has no end; and only plain texts stand in texts.
        if version is None or version.id in self._under_way or version.template.get("type") != "completion":
            self._missing[match[0]] = None
            return match[0]
        self._used[version.prompt.name, version.number, reference.label] = None
        self._under_way.append(version.id)
        text = self._text("".join(_texts(version.template["content"])))
        self._under_way.pop()
        self._characters += len(text)
        if self._characters > _MOST_CHARACTERS:
            raise BadRequest(f"the snippets come to more than {_MOST_CHARACTERS:,} characters")
        return text


def _reference(match: re.Match[str]) -> SnippetReference:
    number = match["number"]
    return SnippetReference(match["name"], None if number is None else int(number), match["label"])


def _contents(template: Mapping[str, Any]) -> Iterator[Any]:
    if isinstance(template.get("messages"), list):
        for message in template["messages"]:
            yield message["content"]
    else:
        yield template["content"]


def _texts(blocks: Any) -> Iterator[str]:
    return (block["text"] for block in blocks or () if block["type"] == "text")
