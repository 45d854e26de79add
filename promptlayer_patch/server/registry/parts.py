"""Looking into the parts of a template, whatever stands in them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

__all__ = ["Media", "mapping", "media_in", "text_in"]


@dataclass(frozen=True, slots=True)
class Media:
    """What a block of media says."""

    kind: str
    """MIME type."""
    url: str
    """Where it is, or all of it in a `data:` address."""
    title: str


def media_in(block: Mapping[str, Any]) -> Media | None:
    """The media of a block of that type."""
    if block.get("type") != "media":
        return None
    said = mapping(block.get("media"))
    kind, url = str(said.get("type") or "image/png"), str(said.get("url") or "")
    if said.get("format") == "base64" and not url.startswith("data:"):
        url = f"data:{kind};base64,{url}"
    return Media(kind, url, str(said.get("title") or "media"))


def text_in(blocks: Any) -> str:
    """The texts of a content, as one."""
    return "".join(block.get("text") or "" for block in blocks or () if block.get("type") == "text")


def mapping(value: Any) -> Mapping[str, Any]:
    """An object, or an empty one in the place of what is none."""
    return value if isinstance(value, Mapping) else {}
