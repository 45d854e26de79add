"""Saying something about a request on its page: by forms alone or, with script, without a new page."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any

from pydantic import BaseModel, Field

from promptlayer_patch.annotations import Content, GroupLink, MetadataUpdate, Score
from promptlayer_patch.server.dashboard.request_finding import find, number_of
from promptlayer_patch.server.dashboard.request_panel import missing, panel_data, panel_of
from promptlayer_patch.server.dashboard.request_view import address_of
from promptlayer_patch.server.endpoints import Answer, Auth, Call, Endpoint
from promptlayer_patch.store import Store, Summary, Unstorable

__all__ = ["ENDPOINTS"]

_LONGEST_NAME = 512


class _Form(BaseModel, coerce_numbers_to_str=True):
    """Sent by a browser, where all is text, or as JSON."""

    q: str = ""
    """The query that the reader came from, to go back to."""

    remove: str | None = None
    """What to take away, by its name; nothing is added then."""


class ScoreForm(_Form):
    name: str = Field("", max_length=_LONGEST_NAME)
    value: str = ""


class MetadataForm(_Form):
    key: str = Field("", max_length=1024)
    value: str = ""


class TagForm(_Form):
    add: str = Field("", max_length=_LONGEST_NAME)


class GroupForm(_Form):
    group: str = ""
    new: str = ""
    """Whether to make one, in place of naming it."""


class _Trouble(Exception):
    """What is wrong with a form, in the words of the interface."""


def _score(store: Store, said: Summary, form: ScoreForm) -> None:
    if form.remove is not None:
        store.take_away(said.request_id, scores=_meant(said.scores, form.remove))
        return
    if not re.fullmatch(r"[0-9]{1,3}", form.value.strip()) or int(form.value) > 100:
        raise _Trouble("A score is a whole number from 0 to 100.")
    _say(store, said, Score(int(form.value), form.name.strip() or None))


def _metadata(store: Store, said: Summary, form: MetadataForm) -> None:
    if form.remove is not None:
        store.take_away(said.request_id, metadata=_meant(said.metadata, form.remove))
        return
    if not form.key.strip():
        raise _Trouble("Metadata needs a key.")
    _say(store, said, MetadataUpdate({form.key.strip(): form.value}))


def _tags(store: Store, said: Summary, form: TagForm) -> None:
    if form.remove is not None:
        store.tag([said.request_id], remove=_meant(said.tags, form.remove))
        return
    if not form.add.strip():
        raise _Trouble("A tag needs a name.")
    store.tag([said.request_id], add=[form.add.strip()])


def _group(store: Store, said: Summary, form: GroupForm) -> None:
    if form.remove is not None:
        number = number_of(form.remove)
        store.take_away(said.request_id, groups=[] if number is None else [number])
        return
    number = store.create_group() if form.new else number_of(form.group)
    if number is None or not store.has_group(number):
        raise _Trouble("There is no such group.")
    _say(store, said, GroupLink(number))


def _meant(names: Iterable[str], sent: str) -> list[str]:
    """Which of the names a button has sent: browsers write every line break of a form in their own way."""
    return [name for name in names if _lines(name) == _lines(sent)]


def _lines(text: str) -> list[str]:
    return re.split(r"\r\n|\r|\n", text)


def _say(store: Store, said: Summary, content: Content) -> None:
    try:
        store.annotate(said.request_id, content)
    except Unstorable:
        raise _Trouble("The store cannot hold this.") from None


def _endpoint(
    part: str, change: Callable[[Store, Summary, Any], None], form: type[_Form], what: str
) -> Endpoint:
    def handler(call: Call[Any, None]) -> Answer:
        found = find(call.workspace, call.path["id"])
        if found is None:
            return missing(call)
        trouble = ""
        try:
            change(call.workspace.store, found.summary, call.body)
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
    if call.headers.get("content-type", "").startswith("application/json"):
        return _data(found.summary, trouble)
    if not trouble and call.headers.get("hx-request") != "true":
        back = address_of(found.summary.request_id, call.body.q)
        return Answer(b"", 303, {"Location": f"{back}#{part}"}, "text/html; charset=utf-8")
    data = panel_data(found, call.body.q, trouble, part)
    return panel_of(call, data, 422 if trouble else 200)


def _data(said: Summary, trouble: str) -> Answer:
    """The same for who sends JSON: what is said about the request now."""
    if trouble:
        return Answer({"success": False, "message": trouble}, 422)
    now = {"tags": said.tags, "scores": said.scores, "metadata": said.metadata, "groups": said.groups}
    return Answer({"success": True, "request_id": said.request_id, **now}, 200)


ENDPOINTS = (
    _endpoint("scores", _score, ScoreForm, "score a request, or take a score away"),
    _endpoint("metadata", _metadata, MetadataForm, "set metadata of a request, or take a key away"),
    _endpoint("tags", _tags, TagForm, "tag a request, or take a tag away"),
    _endpoint("groups", _group, GroupForm, "put a request into a group, or take it out"),
)
