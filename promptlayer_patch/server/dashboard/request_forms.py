"""Saying something about a request on its page: by forms alone or, with script, without a new page."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from pydantic import BaseModel, Field

from promptlayer_patch.annotations import Content, GroupLink, MetadataUpdate, Score
from promptlayer_patch.server.dashboard.request_finding import find, number_of
from promptlayer_patch.server.dashboard.request_panel import missing, panel_data, panel_of
from promptlayer_patch.server.dashboard.request_view import address_of
from promptlayer_patch.server.endpoints import Answer, Auth, Call, Endpoint
from promptlayer_patch.store import Store, Unstorable

__all__ = ["ENDPOINTS"]

_LONGEST_NAME = 512


class _Form(BaseModel):
    q: str = ""
    """The query that the reader came from, to go back to."""


class ScoreForm(_Form):
    name: str = Field("", max_length=_LONGEST_NAME)
    value: str = ""


class MetadataForm(_Form):
    key: str = Field("", max_length=1024)
    value: str = ""


class TagForm(_Form):
    add: str = Field("", max_length=_LONGEST_NAME)
    remove: str = ""


class GroupForm(_Form):
    group: str = ""
    new: str = ""
    """Whether to make one, in place of naming it."""


class _Trouble(Exception):
    """What is wrong with a form, in the words of the interface."""


def _score(store: Store, request_id: int, form: ScoreForm) -> None:
    if not re.fullmatch(r"[0-9]{1,3}", form.value.strip()) or int(form.value) > 100:
        raise _Trouble("A score is a whole number from 0 to 100.")
    _say(store, request_id, Score(int(form.value), form.name.strip() or None))


def _metadata(store: Store, request_id: int, form: MetadataForm) -> None:
    if not form.key.strip():
        raise _Trouble("Metadata needs a key.")
    _say(store, request_id, MetadataUpdate({form.key.strip(): form.value}))


def _tags(store: Store, request_id: int, form: TagForm) -> None:
    added = [form.add.strip()] if form.add.strip() else []
    removed = [form.remove] if form.remove else []
    if not added and not removed:
        raise _Trouble("A tag needs a name.")
    store.tag([request_id], add=added, remove=removed)


def _group(store: Store, request_id: int, form: GroupForm) -> None:
    number = store.create_group() if form.new else number_of(form.group)
    if number is None or not store.has_group(number):
        raise _Trouble("There is no such group.")
    _say(store, request_id, GroupLink(number))


def _say(store: Store, request_id: int, content: Content) -> None:
    try:
        store.annotate(request_id, content)
    except Unstorable as error:
        raise _Trouble(str(error)) from None


def _endpoint(part: str, change: Callable[[Store, int, Any], None], form: type[_Form], what: str) -> Endpoint:
    def handler(call: Call[Any, None]) -> Answer:
        number = number_of(call.path["id"])
        if number is None or find(call.workspace, call.path["id"]) is None:
            return missing(call)
        trouble = ""
        try:
            change(call.workspace.store, number, call.body)
        except _Trouble as wrong:
            trouble = str(wrong)
        return _answer(call, part, trouble)

    return Endpoint(
        method="POST",
        path=f"/requests/{{id}}/{part}",
        handler=handler,
        summary=what,
        auth=Auth.SESSION,
        form=True,
        body=form,
        ok=303,
        refuses=(404,),
    )


def _answer(call: Call[Any, None], part: str, trouble: str) -> Answer:
    found = find(call.workspace, call.path["id"])
    if found is None:
        return missing(call)
    if not trouble and call.headers.get("hx-request") != "true":
        back = address_of(found.summary.request_id, call.body.q)
        return Answer(b"", 303, {"Location": f"{back}#{part}"}, "text/html; charset=utf-8")
    data = panel_data(found, call.body.q, trouble, part)
    return panel_of(call, data, 422 if trouble else 200)


ENDPOINTS = (
    _endpoint("scores", _score, ScoreForm, "score a request"),
    _endpoint("metadata", _metadata, MetadataForm, "add metadata to a request"),
    _endpoint("tags", _tags, TagForm, "tag a request, or take a tag away"),
    _endpoint("groups", _group, GroupForm, "put a request into a group"),
)
