"""The blocks that the content of a message is made of, as PromptLayer spells them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from promptlayer_patch._blueprint.reading import Json, mapping, mappings, string

__all__ = [
    "Block",
    "data_url",
    "image",
    "media",
    "output_media",
    "passed",
    "server_tool_use",
    "text",
    "thinking",
]

Block = dict[str, Any]


def text(said: str, annotations: Any = None, block_id: Any = None) -> Block:
    return {
        "type": "text",
        "text": said,
        "id": block_id if isinstance(block_id, str) else None,
        "annotations": list(_annotations(annotations)) or None if annotations else None,
    }


def thinking(thought: str, signature: Any = None, block_id: Any = None) -> Block:
    return {
        "type": "thinking",
        "thinking": thought,
        "signature": string(signature) or None,
        "id": string(block_id) or None,
    }


def image(url: str, detail: Any = None) -> Block:
    known = {"detail": detail} if isinstance(detail, str) else {}
    return {"type": "image_url", "image_url": {"url": url, **known}, "image_variable": None}


def media(title: str, mime_type: str, where: Any = None) -> Block:
    """A file or a sound: its URL, its base64 data (not copied), or only that there was one."""
    held = where if isinstance(where, str) and where else None
    if held is None or _is_digest(held):
        form = "neither"
    elif held.startswith(("http://", "https://")):
        form = "url"
    else:
        form = "base64"
    return {"type": "media", "media": {"title": title, "type": mime_type, "url": held, "format": form}}


def output_media(
    url: str, mime_type: str, kind: str, block_id: Any = None, about: Json | None = None
) -> Block:
    return {
        "type": "output_media",
        "url": url,
        "mime_type": mime_type,
        "media_type": kind,
        "id": string(block_id) or None,
        "provider_metadata": dict(about) if about else None,
    }


def server_tool_use(use_id: Any, name: str, given: Json) -> Block:
    return {"type": "server_tool_use", "id": string(use_id), "name": name, "input": dict(given)}


def passed(entry: Json, *fields: str, **fixed: Any) -> Block:
    """A block of the fields of `entry` that have the same name on both sides; `fixed` goes over them."""
    return {"type": entry.get("type"), **{name: entry.get(name) for name in fields}, **fixed}


def data_url(mime_type: str, data: str) -> str:
    """`data` in base64 as a URL; of data that only a digest is left of, what the digest tells."""
    if _is_digest(data):
        told = [part for part in data.split(";")[1:] if not part.startswith("format=")]
        return f"data:{mime_type};{';'.join(told)}"
    return f"data:{mime_type};base64,{data}"


def _is_digest(data: str) -> bool:
    return "sha256=" in data[-80:]


def _annotations(given: Any) -> Iterator[dict[str, Any]]:
    """Citations, which chat completions nest in an object named by the kind and Anthropic names otherwise."""
    for entry in mappings(given):
        kind = entry.get("type")
        if kind == "web_search_result_location":
            yield {
                "type": "url_citation",
                **{key: entry.get(key) for key in ("title", "url", "cited_text", "encrypted_index")},
            }
        elif isinstance(kind, str):
            yield {
                "type": kind,
                **(mapping(entry.get(kind)) or {k: v for k, v in entry.items() if k != "type"}),
            }
