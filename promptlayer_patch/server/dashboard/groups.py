"""Groups of requests: which there are, and one of them in the order of time."""

from __future__ import annotations

from pydantic import BaseModel, Field

from promptlayer_patch.server.dashboard.groups_conversation import turns
from promptlayer_patch.server.dashboard.missing import missing
from promptlayer_patch.server.dashboard.rendering import page
from promptlayer_patch.server.endpoints import Answer, Auth, Call, Endpoint
from promptlayer_patch.store.group_listing import Groups

__all__ = ["ENDPOINTS"]

_LISTED = 50
_TURNS = 20
_LAST_ID = 2**63 - 1


class GroupsQuery(BaseModel):
    before: int | None = Field(None, ge=0, le=_LAST_ID)
    format: str | None = None


class GroupQuery(BaseModel):
    after: int | None = Field(None, ge=0, le=_LAST_ID)
    format: str | None = None


def _groups(call: Call[None, GroupsQuery]) -> Answer:
    before = call.query.before
    with call.workspace.reading() as store:
        found = Groups(store).page(_LISTED, before=before)
    data = {"section": "Groups", "groups": found.items, "before": before, "next": found.next}
    return page(call, "groups.html", data, title="Groups")


def _group(call: Call[None, GroupQuery]) -> Answer:
    group_id, after = _number(call.path["id"]), call.query.after
    with call.workspace.reading() as store:
        group = None if group_id is None else Groups(store).get(group_id)
        if group is None:
            return missing(call, "There is no such group.", section="Groups")
        found = Groups(store).requests(group.id, _TURNS + 1, after=after or 0)
        said = turns(store, found[:_TURNS], after)
    following = said[-1].summary.request_id if len(found) > _TURNS else None
    data = {"section": "Groups", "group": group, "turns": said, "after": after, "next": following}
    return page(call, "groups_group.html", data, title="Group")


def _number(text: str) -> int | None:
    if not (text.isascii() and text.isdigit() and len(text) < 20):
        return None
    number = int(text)
    return number if number < _LAST_ID else None


ENDPOINTS = (
    Endpoint(
        method="GET",
        path="/groups",
        handler=_groups,
        summary="groups of requests",
        auth=Auth.SESSION,
        query=GroupsQuery,
    ),
    Endpoint(
        method="GET",
        path="/groups/{id}",
        handler=_group,
        summary="one group in the order of time",
        auth=Auth.SESSION,
        query=GroupQuery,
        refuses=(404,),
    ),
)
