"""The prompt registry: all templates."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Literal

from pydantic import BaseModel, Field

from promptlayer_patch.server.dashboard.prompts_use import Used, query_of, uses_of_all
from promptlayer_patch.server.dashboard.rendering import page
from promptlayer_patch.server.endpoints import Answer, Auth, Call, Endpoint
from promptlayer_patch.store.registry.models import Label, Listing, UnknownPrompt, Version
from promptlayer_patch.store.registry.registry import Registry

__all__ = ["ENDPOINTS"]

_PER_PAGE = 30
_MOST_STRANGERS = 20


class PromptsQuery(BaseModel):
    name: str = Field(default="", max_length=512)
    label: str = Field(default="", max_length=512)
    tag: str = Field(default="", max_length=512)
    sort: Literal["updated", "name", "created"] = "updated"
    page: int = Field(default=1, ge=1, lt=10**6)
    format: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """One template of the list."""

    id: int
    name: str
    versions: int
    """The number of the newest, or of the one at the label that was asked for."""
    labels: tuple[Label, ...]
    tags: tuple[str, ...]
    is_snippet: bool
    updated_at: float
    commit_message: str
    query: str
    """What finds its requests."""
    used: Used | None


@dataclass(frozen=True, slots=True)
class Stranger:
    """A name that requests give, of which the registry has no template."""

    name: str
    query: str
    requests: int


def _list(call: Call[None, PromptsQuery]) -> Answer:
    query = call.query
    wanted = Listing(
        page=query.page,
        per_page=_PER_PAGE,
        name=query.name or None,
        label=query.label or None,
        tags=(query.tag,) if query.tag else (),
        sort_by={"updated": "updated_at", "created": "created_at", "name": "name"}[query.sort],
        descending=query.sort != "name",
    )
    with call.workspace.reading() as store:
        registry = Registry(store)
        found = registry.list(wanted)
        uses = uses_of_all(store)
        items = [_listed(registry, version, uses or {}) for version in found.versions]
        is_first = query.page == 1 and not (query.name or query.label or query.tag)
        strangers = tuple(islice(_strangers(registry, uses or {}), _MOST_STRANGERS)) if is_first else ()
    data = {
        "section": "Prompts",
        "wanted": {"name": query.name, "label": query.label, "tag": query.tag, "sort": query.sort},
        "items": items,
        "total": found.total,
        "page": query.page,
        "pages": -(-found.total // _PER_PAGE),
        "strangers": strangers,
        "counted": uses is not None,
    }
    return page(call, "prompts.html", data, title="Prompts")


def _listed(registry: Registry, version: Version, uses: Mapping[tuple[int | None, str], Used]) -> Listed:
    prompt = version.prompt
    mine = [uses[key] for key in ((prompt.id, prompt.name), (None, prompt.name)) if key in uses]
    scored = [use.score for use in mine if use.score is not None]
    return Listed(
        id=prompt.id,
        name=prompt.name,
        versions=version.number,
        labels=registry.labels(prompt.id),
        tags=prompt.tags,
        is_snippet=prompt.is_snippet,
        updated_at=prompt.updated_at,
        commit_message=version.commit_message or "",
        query=query_of(prompt.name),
        used=Used(sum(use.requests for use in mine), scored[0] if scored else None) if mine else None,
    )


def _strangers(registry: Registry, uses: Mapping[tuple[int | None, str], Used]) -> Iterator[Stranger]:
    """What most requests name; a template that is kept here is none, by whatever id they know it."""
    for (_, name), use in uses.items():
        try:
            registry.labels(name)
        except UnknownPrompt:
            yield Stranger(name, query_of(name), use.requests)


ENDPOINTS = (
    Endpoint(
        method="GET",
        path="/prompts",
        handler=_list,
        summary="prompt templates",
        auth=Auth.SESSION,
        query=PromptsQuery,
    ),
)
