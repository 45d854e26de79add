"""All tags: how much each is used, when it was last, how often it fails, and what it costs."""

from __future__ import annotations

import time
from dataclasses import dataclass

from pydantic import BaseModel, Field

from promptlayer_patch._query import Operator, condition
from promptlayer_patch._query.language import format
from promptlayer_patch.server.dashboard.rendering import page
from promptlayer_patch.server.endpoints import Answer, Auth, Call, Endpoint
from promptlayer_patch.store import StoreUnavailable
from promptlayer_patch.store.charting.rollups import DAY_S
from promptlayer_patch.store.tag_listing import TagCursor, TagPage, Tags, TagUse

__all__ = ["ENDPOINTS"]

_LISTED = 50
_DAYS = 30
_LONGEST = 1_000


class TagsQuery(BaseModel):
    starts: str = Field("", max_length=_LONGEST)
    """How the tags begin."""
    after: str | None = Field(None, max_length=_LONGEST)
    """With `uses`: the last tag of the page before."""
    uses: int = Field(0, ge=0)
    format: str | None = None


@dataclass(frozen=True, slots=True)
class TagRow:
    """One line of the table."""

    name: str
    query: str
    """Finds its requests."""
    requests: int
    last_used_at: float | None
    errors: int
    looked_at: int
    """So many of its newest requests `errors` is about."""
    lately_requests: int
    lately_cost: float | None
    """`None` if no price is known."""
    lately_tokens: int

    @classmethod
    def of(cls, use: TagUse) -> TagRow:
        lately = use.lately
        return cls(
            use.name,
            format(condition("tags", Operator.EQUALS, use.name)),
            use.requests,
            use.last_used_at,
            use.errors,
            use.looked_at,
            lately.requests,
            lately.cost if lately.with_cost else None,
            lately.tokens,
        )


def _tags(call: Call[None, TagsQuery]) -> Answer:
    asked = call.query
    after = None if asked.after is None else TagCursor(asked.uses, asked.after)
    # From the beginning of a day, so that sums by day are enough.
    since = time.time() // DAY_S * DAY_S - _DAYS * DAY_S
    found = TagPage((), None, 0)
    indexed = True
    with call.workspace.reading() as store:
        try:
            found = Tags(store).page(since, _LISTED, prefix=asked.starts, after=after)
        except StoreUnavailable:
            indexed = False
    data = {
        "section": "Tags",
        "starts": asked.starts,
        "days": _DAYS,
        "indexed": indexed,
        "tags": [TagRow.of(use) for use in found.items],
        "count": found.count,
        "next": found.next,
        "first": after is None,
    }
    return page(call, "tags.html", data, title="Tags", status=200 if indexed else 503)


ENDPOINTS = (
    Endpoint(
        method="GET", path="/tags", handler=_tags, summary="all tags", auth=Auth.SESSION, query=TagsQuery
    ),
)
