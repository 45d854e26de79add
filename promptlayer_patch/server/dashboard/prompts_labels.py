"""Release labels: put at a version, moved to another, taken off."""

from __future__ import annotations

from pydantic import BaseModel, Field

from promptlayer_patch.server.dashboard.prompts import not_there, number_in, template_page
from promptlayer_patch.server.endpoints import Answer, Auth, Call, Endpoint
from promptlayer_patch.server.refusals import Conflict, NotFound
from promptlayer_patch.server.registry.access import reading, writing

__all__ = ["ENDPOINTS"]

_HTML = "text/html; charset=utf-8"


class LabelForm(BaseModel):
    name: str = Field(default="", max_length=10_000)
    version: str = ""
    back: str = ""
    """The number of the version that was open."""


class TakeOffForm(BaseModel):
    back: str = ""


def _put(call: Call[LabelForm, None]) -> Answer:
    name, number = call.body.name.strip(), number_in(call.body.version)
    prompt_id = number_in(call.path["id"])
    if prompt_id is None or number is None:
        return not_there(call)
    try:
        if not 1 <= len(name) <= 512:
            return _refused(call, number, "A release label has 1 to 512 characters.")
        with writing(call.workspace) as registry:
            known = next((label for label in registry.labels(prompt_id) if label.name == name), None)
            if known is None:
                registry.add_label(prompt_id, name, number=number)
            else:
                registry.move_label(known.id, number=number)
    except Conflict:
        return _refused(call, number, "Somebody else has just put this label. Look, and try again.")
    except NotFound:
        return not_there(call)
    return _back(call, prompt_id, call.body.back)


def _take_off(call: Call[TakeOffForm, None]) -> Answer:
    prompt_id, label_id = number_in(call.path["id"]), number_in(call.path["label"])
    if prompt_id is None or label_id is None:
        return not_there(call)
    try:
        with reading(call.workspace) as registry:
            known = {label.id for label in registry.labels(prompt_id)}
        if label_id not in known:
            return not_there(call)
        with writing(call.workspace) as registry:
            registry.delete_label(label_id)
    except NotFound:
        return not_there(call)
    return _back(call, prompt_id, call.body.back)


def _refused(call: Call[LabelForm, None], number: int, trouble: str) -> Answer:
    return template_page(call, number, status=422, more={"trouble": trouble})


def _back(call: Call[LabelForm, None] | Call[TakeOffForm, None], prompt_id: int, version: str) -> Answer:
    number = number_in(version)
    where = f"/prompts/{prompt_id}" + ("" if number is None else f"/versions/{number}")
    return Answer(b"", 303, {"Location": f"{where}#labels"}, _HTML)


ENDPOINTS = (
    Endpoint(
        method="POST",
        path="/prompts/{id}/labels",
        handler=_put,
        summary="put a release label at a version",
        auth=Auth.SESSION,
        form=True,
        body=LabelForm,
        ok=303,
        refuses=(404,),
    ),
    Endpoint(
        method="POST",
        path="/prompts/{id}/labels/{label}/delete",
        handler=_take_off,
        summary="take a release label off",
        auth=Auth.SESSION,
        form=True,
        body=TakeOffForm,
        ok=303,
        refuses=(404,),
    ),
)
