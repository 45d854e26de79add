"""Publishing a version from a form: a new template, the next version of one, or a request made into one."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, Field

from promptlayer_patch.server.dashboard.missing import missing
from promptlayer_patch.server.dashboard.prompts import not_there, number_in
from promptlayer_patch.server.dashboard.prompts_drafting import PublishForm, body_of, filling_of
from promptlayer_patch.server.dashboard.prompts_form import (
    FORMATS,
    ROLES,
    Filling,
    for_nothing,
    for_request,
    for_version,
)
from promptlayer_patch.server.dashboard.rendering import page
from promptlayer_patch.server.endpoints import Answer, Auth, Call, Endpoint
from promptlayer_patch.server.refusals import NotFound, Refusal
from promptlayer_patch.server.registry.access import reading, writing
from promptlayer_patch.server.registry.publishing import draft_of
from promptlayer_patch.store.registry.models import Published

__all__ = ["ENDPOINTS"]

_HTML = "text/html; charset=utf-8"


class NewQuery(BaseModel):
    request: int | None = Field(default=None, ge=0, lt=2**63)
    """The request that the template is made of."""
    as_: Literal["", "text", "json"] = Field(default="", alias="as")
    format: str | None = None


class NextQuery(BaseModel):
    base: int | None = Field(default=None, alias="from", ge=1, lt=2**53)
    """The version that it is like; the newest, unless said."""
    as_: Literal["", "text", "json"] = Field(default="", alias="as")
    format: str | None = None


def _new(call: Call[None, NewQuery]) -> Answer:
    if call.query.request is None:
        return _form(call, for_nothing())
    with call.workspace.reading() as store:
        found = store.get(call.query.request)
    if found is None:
        return missing(call, "There is no such request.", section="Prompts")
    name = "" if found.prompt is None else found.prompt.name
    return _form(call, for_request(found.record, name), of_request=found.request_id)


def _next(call: Call[None, NextQuery]) -> Answer:
    prompt_id = number_in(call.path["id"])
    if prompt_id is None:
        return not_there(call)
    try:
        with reading(call.workspace) as registry:
            base = registry.get(prompt_id, number=call.query.base)
    except NotFound:
        return not_there(call)
    return _form(call, for_version(base), prompt_id=prompt_id, base=base.number)


def _publish_new(call: Call[PublishForm, None]) -> Answer:
    return _published(call, None)


def _publish_next(call: Call[PublishForm, None]) -> Answer:
    prompt_id = number_in(call.path["id"])
    if prompt_id is None:
        return not_there(call)
    try:
        with reading(call.workspace) as registry:
            name = registry.get(prompt_id).prompt.name
    except NotFound:
        return not_there(call)
    # Its name is no field of this form: whoever wants another name publishes another template.
    return _published(call, prompt_id, name)


def _published(call: Call[PublishForm, None], prompt_id: int | None, name: str | None = None) -> Answer:
    form = call.body if name is None else call.body.model_copy(update={"name": name})
    filling, trouble = _sent(form), None
    try:
        filling = filling_of(form)
        if form.action == "publish":
            return _there(_keep(call, form, prompt_id))
    except NotFound:
        return not_there(call)
    except Refusal as refusal:
        trouble = _findings(refusal)
    status = 200 if trouble is None else 422
    return _form(call, filling, prompt_id=prompt_id, trouble=trouble, status=status)


def _keep(call: Call[PublishForm, None], form: PublishForm, prompt_id: int | None) -> Published:
    body = body_of(form)
    with writing(call.workspace) as registry:
        return registry.publish(draft_of(body), prompt_id=prompt_id)


def _there(published: Published) -> Answer:
    version = published.version
    return Answer(b"", 303, {"Location": f"/prompts/{version.prompt.id}/versions/{version.number}"}, _HTML)


def _sent(form: PublishForm) -> Filling:
    """The form as it was sent, whatever was asked to be done with it."""
    return filling_of(form.model_copy(update={"action": "publish"}))


def _findings(refusal: Refusal) -> tuple[str, ...]:
    """Each with its place in the form's own words; the message alone where there is no place."""
    detail = refusal.fields.get("detail")
    if not detail:
        return (refusal.message,)
    return tuple(f"{_place(one['loc'])}: {one['msg']}" for one in detail)


def _place(place: Any) -> str:
    """Without the names of the parts that the form does not have."""
    parts = [str(part) for part in place if part not in ("body", "prompt_version", "chat", "completion")]
    return ".".join(parts) or "form"


def _form(
    call: Call[Any, Any],
    filling: Filling,
    *,
    prompt_id: int | None = None,
    base: int | None = None,
    of_request: int | None = None,
    trouble: tuple[str, ...] | None = None,
    status: int = 200,
) -> Answer:
    chosen = getattr(call.query, "as_", "")
    data = {
        "section": "Prompts",
        "id": prompt_id,
        "base": base,
        "of_request": of_request,
        "form": filling,
        "as_json": filling.as_ == "json" or chosen == "json",
        "roles": ROLES,
        "formats": FORMATS,
        "trouble": trouble,
    }
    title = "New prompt template" if prompt_id is None else "New version"
    return page(call, "prompts_publish.html", data, title=title, status=status)


ENDPOINTS = (
    Endpoint(
        method="GET",
        path="/prompts/new",
        handler=_new,
        summary="the form for a new prompt template",
        auth=Auth.SESSION,
        query=NewQuery,
        refuses=(404,),
    ),
    Endpoint(
        method="POST",
        path="/prompts/new",
        handler=_publish_new,
        summary="publish a prompt template",
        auth=Auth.SESSION,
        form=True,
        body=PublishForm,
        ok=303,
    ),
    Endpoint(
        method="GET",
        path="/prompts/{id}/publish",
        handler=_next,
        summary="the form for a new version of a prompt template",
        auth=Auth.SESSION,
        query=NextQuery,
        refuses=(404,),
    ),
    Endpoint(
        method="POST",
        path="/prompts/{id}/publish",
        handler=_publish_next,
        summary="publish a version of a prompt template",
        auth=Auth.SESSION,
        form=True,
        body=PublishForm,
        ok=303,
        refuses=(404,),
    ),
)
