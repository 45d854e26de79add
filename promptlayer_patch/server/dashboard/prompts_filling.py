"""Rendering a version with variables, as a client that fetches it would get it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from pydantic import BaseModel, ConfigDict

from promptlayer_patch.server.dashboard.prompts import not_there, number_in, template_page
from promptlayer_patch.server.dashboard.prompts_reading import (
    Message,
    Room,
    Variable,
    messages_of,
    pretty,
    shown,
)
from promptlayer_patch.server.endpoints import Answer, Auth, Call, Endpoint
from promptlayer_patch.server.refusals import NotFound, Refusal
from promptlayer_patch.server.registry.access import reading
from promptlayer_patch.server.registry.bodies import RenderBody
from promptlayer_patch.server.registry.getting import rendering

__all__ = ["ENDPOINTS"]

_PREFIX = "variable."


class FillForm(BaseModel):
    """A field `variable.NAME` for each variable."""

    model_config = ConfigDict(extra="allow")


@dataclass(frozen=True, slots=True)
class Filled:
    """What came of it."""

    messages: tuple[Message, ...]
    llm_kwargs: str
    """The provider's call as JSON; empty where no provider is known."""
    warning: str
    left_out: int
    """Characters of the messages that are not shown."""


def _fill(call: Call[FillForm, None]) -> Answer:
    prompt_id, number = number_in(call.path["id"]), number_in(call.path["number"])
    if prompt_id is None or number is None:
        return not_there(call)
    given = _given(call.body)
    more: dict[str, Any] = {"given": given}
    try:
        with reading(call.workspace) as registry:
            variables = shown(registry.get(prompt_id, number=number)).variables
        values = {one.name: _value(one, given.get(one.name, "")) for one in variables}
        try:
            body = RenderBody(version=number, input_variables=values)
            more["filled"] = _filled(rendering(call.workspace, prompt_id, body))
        except NotFound:
            raise
        except Refusal as refusal:
            more["trouble"] = refusal.message
        return template_page(call, number, status=422 if "trouble" in more else 200, more=more)
    except NotFound:
        return not_there(call)


def _back(call: Call[None, None]) -> Answer:
    """For whoever comes to the address of what was rendered: variables are in no address."""
    prompt_id, number = (quote(call.path[part], safe="") for part in ("id", "number"))
    return Answer(
        b"", 303, {"Location": f"/prompts/{prompt_id}/versions/{number}"}, "text/html; charset=utf-8"
    )


def _given(form: FillForm) -> dict[str, str]:
    fields = form.model_extra or {}
    return {
        name.removeprefix(_PREFIX): value
        for name, value in fields.items()
        if name.startswith(_PREFIX) and isinstance(value, str)
    }


def _value(variable: Variable, text: str) -> Any:
    """The text, or the list or object that it is."""
    text = text.replace("\r\n", "\n")
    if not variable.is_json or text.lstrip()[:1] not in ("[", "{"):
        return text
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def _filled(answer: Mapping[str, Any]) -> Filled:
    kwargs, room = answer["llm_kwargs"], Room()
    messages = messages_of(answer["prompt_template"], room, marks=False)
    call = "" if kwargs is None else Room().take(pretty(kwargs))
    return Filled(messages, call, answer["warning"] or "", room.left_out)


ENDPOINTS = (
    Endpoint(
        method="GET",
        path="/prompts/{id}/versions/{number}/render",
        handler=_back,
        summary="back to a version of a prompt template",
        auth=Auth.SESSION,
        ok=303,
    ),
    Endpoint(
        method="POST",
        path="/prompts/{id}/versions/{number}/render",
        handler=_fill,
        summary="render a version of a prompt template",
        auth=Auth.SESSION,
        form=True,
        body=FillForm,
        refuses=(404,),
    ),
)
