"""What stands in the form that a version is published with, before anything is written into it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from promptlayer_patch._blueprint import blueprint_of, input_of
from promptlayer_patch.records import Record
from promptlayer_patch.server.dashboard.prompts_reading import pretty
from promptlayer_patch.store.registry.models import Version

__all__ = [
    "FORMATS",
    "MOST_MESSAGES",
    "ROLES",
    "As",
    "Filling",
    "Row",
    "filling",
    "for_nothing",
    "for_request",
    "for_version",
]

ROLES = ("system", "developer", "user", "assistant")
FORMATS = ("f-string", "jinja2")
MOST_MESSAGES = 200
_KEPT = ("tools", "tool_choice", "functions", "function_call")
_MODEL = {"model": {"provider": "openai", "name": "", "parameters": {}}}

As = Literal["text", "json"]


@dataclass(frozen=True, slots=True)
class Row:
    """One message in the form."""

    role: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Filling:
    """What stands in the form."""

    as_: As = "text"
    name: str = ""
    commit_message: str = ""
    labels: str = ""
    tags: str | None = ""
    """`None` where commas in them would tell them apart wrongly: they stay as they are."""
    format: str = "f-string"
    messages: tuple[Row, ...] = ()
    is_plain: bool = True
    """Whether text can say it: else it is written as JSON."""
    template: str = ""
    rest: str = ""
    metadata: str = ""


def for_version(version: Version) -> Filling:
    """To be changed into the next version."""
    metadata = "" if version.metadata is None else pretty(version.metadata)
    made = filling(version.template)
    tags = None if any("," in tag for tag in version.prompt.tags) else ", ".join(version.prompt.tags)
    return replace(made, name=version.prompt.name, tags=tags, metadata=metadata)


def for_request(record: Record, name: str) -> Filling:
    """A template of what a request has sent: it renders to the same, until variables are put in."""
    model = blueprint_of(record)["metadata"]["model"]
    kept = {key: model[key] for key in ("provider", "name", "api_type", "parameters") if model.get(key)}
    return replace(filling(_escaped(input_of(record))), name=name, metadata=pretty({"model": kept}))


def for_nothing() -> Filling:
    rows = (Row("system", ""), Row("user", ""))
    return Filling(messages=rows, metadata=pretty(_MODEL), template=pretty({"type": "chat", "messages": []}))


def filling(template: Mapping[str, Any]) -> Filling:
    """Of a template that is kept, or was read from JSON: whatever stands in it."""
    rows = _plain_rows(template)
    formats = {str(part.get("template_format") or "f-string") for part in _parts(template)} or {"f-string"}
    kept = {name: template[name] for name in _KEPT if template.get(name)}
    is_plain = rows is not None and len(formats) == 1
    return Filling(
        as_="text" if is_plain else "json",
        format=formats.pop() if is_plain else "f-string",
        messages=tuple(rows or ()),
        is_plain=is_plain,
        template=pretty(template),
        rest=pretty(kept) if kept else "",
    )


def _plain_rows(template: Mapping[str, Any]) -> list[Row] | None:
    """The messages, if they are nothing but text of somebody."""
    if not isinstance(template.get("messages"), list):
        text = _plain_text(template.get("content"))
        return None if text is None else [Row("prompt", text)]
    rows = []
    for message in template["messages"]:
        text = _plain_text(message.get("content")) if isinstance(message, Mapping) else None
        is_more = text is None or message.get("role") not in ROLES or message.get("name")
        if text is None or is_more or message.get("tool_calls") or message.get("function_call"):
            return None
        rows.append(Row(message["role"], text))
    return rows if len(rows) <= MOST_MESSAGES else None


def _plain_text(blocks: Any) -> str | None:
    if isinstance(blocks, str):
        return blocks
    if not isinstance(blocks, Sequence) or len(blocks) > 1:
        return None
    if not blocks:
        return ""
    block = blocks[0]
    is_text = isinstance(block, Mapping) and block.get("type") == "text" and not block.get("annotations")
    return str(block.get("text")) if is_text else None


def _parts(template: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    messages = template.get("messages")
    if not isinstance(messages, list):
        yield template
    else:
        yield from (message for message in messages if isinstance(message, Mapping))


def _escaped(template: Mapping[str, Any]) -> dict[str, Any]:
    """With braces doubled, which single ones would stand for variables."""

    def blocks(content: Any) -> Any:
        if not isinstance(content, list):
            return content
        return [
            {**block, "text": block["text"].replace("{", "{{").replace("}", "}}")}
            if block.get("type") == "text" and isinstance(block.get("text"), str)
            else block
            for block in content
        ]

    made = dict(template)
    if isinstance(template.get("messages"), list):
        made["messages"] = [{**one, "content": blocks(one.get("content"))} for one in template["messages"]]
    else:
        made["content"] = blocks(template.get("content"))
    return made
