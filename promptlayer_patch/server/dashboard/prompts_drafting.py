"""From the form that a version is published with to what a client of the protocol would send."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from promptlayer_patch.server.bodies import checked, json_in
from promptlayer_patch.server.dashboard.prompts_form import MOST_MESSAGES, As, Filling, Row, filling
from promptlayer_patch.server.dashboard.prompts_reading import pretty
from promptlayer_patch.server.refusals import Invalid, Refusal
from promptlayer_patch.server.registry.bodies import PublishBody

__all__ = ["PublishForm", "body_of", "filling_of"]


class PublishForm(BaseModel):
    """The fields of the form; the messages are in `role.0`, `text.0`, `role.1`, ..."""

    model_config = ConfigDict(extra="allow")

    as_: As = Field(default="text", alias="as")
    action: Literal["publish", "add", "text", "json"] = "publish"
    name: str = ""
    commit_message: str = ""
    labels: str = ""
    tags: str | None = None
    """Of the template; without the field they stay as they are."""
    format: Literal["f-string", "jinja2"] = "f-string"
    template: str = ""
    """JSON, of a form that is written as JSON."""
    rest: str = ""
    """JSON of the template that is no message, of one that is written as text."""
    metadata: str = ""


def filling_of(form: PublishForm) -> Filling:
    """What was sent, to be looked at again; with a row more if that is asked for. Raises `Refusal`."""
    said = Filling(
        as_=form.as_,
        name=form.name,
        commit_message=form.commit_message,
        labels=form.labels,
        tags=form.tags,
        format=form.format,
        messages=tuple(_rows(form)),
        template=form.template,
        rest=form.rest,
        metadata=form.metadata,
    )
    if form.action == "add":
        return replace(said, messages=(*said.messages, Row("user", "")))
    if form.action == "json" and form.as_ == "text":
        return replace(said, as_="json", template=pretty(_template(form)))
    if form.action == "text" and form.as_ == "json":
        read = filling(_template(form))
        return replace(said, as_=read.as_, format=read.format, messages=read.messages, rest=read.rest)
    return said


def body_of(form: PublishForm) -> PublishBody:
    """What a client would publish. Raises `Refusal`, which says what is wrong with the form."""
    tags = None if form.tags is None else _listed(form.tags)
    version: dict[str, Any] = {
        "prompt_template": _template(form),
        "commit_message": form.commit_message.strip() or None,
        "metadata": _json("metadata", form.metadata) if form.metadata.strip() else None,
    }
    body = {
        "prompt_template": {"prompt_name": form.name.strip(), "tags": tags},
        "prompt_version": version,
        "release_labels": _listed(form.labels) or None,
    }
    made: PublishBody = checked(PublishBody, body, "body")
    return made


def _listed(text: str) -> list[str]:
    return [name for name in (part.strip() for part in text.split(",")) if name]


def _template(form: PublishForm) -> dict[str, Any]:
    if form.as_ == "json":
        return _json("template", form.template)
    rest = _json("rest", form.rest) if form.rest.strip() else {}
    rows = [row for row in _rows(form) if row.text.strip()]
    if [row.role for row in rows] == ["prompt"]:
        text = rows[0].text
        return {**rest, "type": "completion", "content": text, "template_format": form.format}
    messages = [{"role": row.role, "content": row.text, "template_format": form.format} for row in rows]
    return {**rest, "type": "chat", "messages": messages}


def _rows(form: PublishForm) -> Iterator[Row]:
    fields: Mapping[str, Any] = form.model_extra or {}
    for place in range(MOST_MESSAGES):
        role, text = fields.get(f"role.{place}"), fields.get(f"text.{place}")
        if not isinstance(role, str) or not isinstance(text, str):
            return
        # Forms send line breaks as mail does.
        yield Row(role, text.replace("\r\n", "\n"))


def _json(field: str, text: str) -> dict[str, Any]:
    try:
        value = json_in(text.encode("utf-8", "surrogatepass"))
    except Refusal as refusal:
        raise Invalid([((field,), refusal.message, "json_invalid")]) from None
    if not isinstance(value, dict):
        raise Invalid([((field,), "expected a JSON object", "dict_type")])
    return value
