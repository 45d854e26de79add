"""The blocks of a message as parts of a page: texts, thoughts, pictures, what tools were told."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

from promptlayer_patch._blueprint.reading import Json, as_json, mapping, mappings, string
from promptlayer_patch.server.dashboard.request_texts import Room, Text, pretty
from promptlayer_patch.server.dashboard.visible import visible

__all__ = ["Part", "Reader"]

_ADDRESS_CHARS = 300

Kind = Literal["text", "refusal", "json", "thinking", "picture", "media", "code", "output", "tool"]


@dataclass(frozen=True, slots=True)
class Part:
    kind: Kind
    text: Text | None = None
    title: str = ""
    """Name of a file or of a tool."""
    source: str = ""
    """Of a picture: its data, as an address that needs no network."""
    address: str = ""
    """Of what is not shown: where it is, as text."""
    notes: tuple[str, ...] = ()
    """What it cites."""


class Reader:
    """Makes parts of blocks, within the room that the page has."""

    def __init__(self, room: Room, refusals: Collection[str]) -> None:
        self._room = room
        self._refusals = refusals
        """The texts that are refusals: blocks do not say so."""

    def parts(self, blocks: Any, *, machine: bool = False) -> tuple[Part, ...]:
        """The parts of a message; `machine` says that JSON in it was not written by a person."""
        if isinstance(blocks, str):
            blocks = [{"type": "text", "text": blocks}]
        return tuple(part for block in mappings(list(blocks or ())) for part in self._parts(block, machine))

    def json(self, text: str) -> Text:
        """Arguments of a tool, or the like."""
        data = pretty(text)
        return self._room.code(text) if data is None else self._room.code(data, "json")

    def _parts(self, block: Json, machine: bool) -> Iterator[Part]:
        kind = block.get("type")
        if kind == "text":
            yield from self._text(block, machine)
        else:
            reader = _READERS.get(kind, Reader.other) if isinstance(kind, str) else Reader.other
            yield reader(self, block)
        if kind == "mcp_call" and (block.get("output") or block.get("error")):
            yield self.executed({"output": block.get("output") or block.get("error")})

    def _text(self, block: Json, machine: bool) -> Iterator[Part]:
        text = string(block.get("text"))
        if text in self._refusals:
            yield Part("refusal", self._room.prose(text))
        elif machine and (data := pretty(text)) is not None:
            yield Part("json", self._room.code(data, "json"))
        elif text:
            yield Part("text", self._room.prose(text), notes=tuple(_notes(block.get("annotations"))))

    def thinking(self, block: Json) -> Part:
        thought = string(block.get("thinking"))
        return Part("thinking", self._room.prose(thought) if thought else None)

    def image(self, block: Json) -> Part:
        return self._seen(string(mapping(block.get("image_url")).get("url")), "image", "")

    def media(self, block: Json) -> Part:
        about = mapping(block.get("media"))
        where, kind = string(about.get("url")), string(about.get("type"))
        if about.get("format") == "base64" and not where.startswith("data:"):
            where = f"data:{kind};base64,{where}"
        return self._seen(where, string(about.get("title")) or kind, kind)

    def output_media(self, block: Json) -> Part:
        told = mapping(block.get("provider_metadata"))
        title = string(block.get("media_type")) or "media"
        part = self._seen(string(block.get("url")), title, string(block.get("mime_type")))
        words = "\n".join(f"{key}: {value}" for key, value in told.items() if isinstance(value, str))
        return Part(part.kind, self._room.prose(words) if words else None, title, part.source, part.address)

    def code(self, block: Json) -> Part:
        return Part("code", self._room.code(string(block.get("code")), "python"))

    def executed(self, block: Json) -> Part:
        output = block.get("output")
        return Part("output", self._room.code(output if isinstance(output, str) else as_json(output, 2)))

    def tool(self, block: Json) -> Part:
        told = block.get("input", block.get("arguments"))
        text = told if isinstance(told, str) else as_json(told or {})
        return Part("tool", self.json(text), title=visible(string(block.get("name"))))

    def other(self, block: Json) -> Part:
        rest = {key: value for key, value in block.items() if key != "type" and value is not None}
        return Part("tool", self.json(as_json(rest, 2)), title=visible(string(block.get("type"))))

    def _seen(self, where: str, title: str, kind: str) -> Part:
        title = visible(title)
        if source := self._room.picture(where):
            return Part("picture", title=title, source=source)
        return Part("media", title=title, address=_brief(where) or visible(kind))


def _brief(where: str) -> str:
    """An address as text; of data only what kind it is, and how much."""
    head, mark, data = where.partition(";base64,")
    if mark:
        return visible(f"{head[:_ADDRESS_CHARS]}, {len(data) * 3 // 4:,} bytes")
    shown = visible(where[:_ADDRESS_CHARS])
    return shown if len(where) <= _ADDRESS_CHARS else f"{shown}…"


def _notes(annotations: Any) -> Iterable[str]:
    for note in mappings(annotations):
        named = (note.get(key) for key in ("title", "filename", "file_id", "url"))
        words = " · ".join(dict.fromkeys(visible(one) for one in named if isinstance(one, str) and one))
        if words:
            yield words


_READERS: dict[str, Callable[[Reader, Json], Part]] = {
    "thinking": Reader.thinking,
    "image_url": Reader.image,
    "media": Reader.media,
    "output_media": Reader.output_media,
    "code": Reader.code,
    "code_execution_result": Reader.executed,
    "server_tool_use": Reader.tool,
    "mcp_call": Reader.tool,
}
