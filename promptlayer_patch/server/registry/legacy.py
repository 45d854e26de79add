"""The prompt registry under the paths, and in the form, of PromptLayer's clients before 2024."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, Field

from promptlayer_patch.server.bodies import checked
from promptlayer_patch.server.endpoints import Call, Endpoint
from promptlayer_patch.server.fields import Id
from promptlayer_patch.server.registry.access import reading, writing
from promptlayer_patch.server.registry.answers import envelope
from promptlayer_patch.server.registry.blueprints import normalised, with_variables
from promptlayer_patch.server.registry.bodies import CommitMessage, Name, Tag, VersionFields
from promptlayer_patch.server.registry.getting import snippets_of
from promptlayer_patch.server.registry.langchain import from_langchain, to_langchain
from promptlayer_patch.server.registry.snippets import references_in
from promptlayer_patch.store.registry.models import Draft, Listing, Version

__all__ = ["ENDPOINTS"]


class LegacyWanted(BaseModel):
    prompt_name: Name
    version: Id | None = None
    label: Name | None = None
    """Goes over the version."""


class LegacyPublishBody(BaseModel):
    prompt_name: Name
    prompt_template: dict[str, Any]
    commit_message: CommitMessage | None = None
    tags: list[Tag] | None = None
    metadata: dict[str, Any] | None = None


class LegacyListQuery(BaseModel):
    page: int = Field(default=1, ge=1, lt=2**31)
    per_page: int = Field(default=30, ge=1, le=1000)


class LegacyTemplate(BaseModel):
    id: int
    prompt_name: str
    version: int
    tags: list[str]
    prompt_template: dict[str, Any]
    metadata: dict[str, Any] | None
    commit_message: str | None
    deleted: bool


class LegacyList(BaseModel):
    items: list[LegacyTemplate]
    page: int
    pages: int
    per_page: int
    total: int


class LegacyPublished(BaseModel):
    id: int
    success: Literal[True]


def _get_by_query(call: Call[None, LegacyWanted]) -> dict[str, Any]:
    return _get(call, call.query)


def _get_by_body(call: Call[LegacyWanted, None]) -> dict[str, Any]:
    return _get(call, call.body)


def _get(call: Call[Any, Any], wanted: LegacyWanted) -> dict[str, Any]:
    with reading(call.workspace) as registry:
        version = registry.get(wanted.prompt_name, number=wanted.version, label=wanted.label)
        template = with_variables(snippets_of(registry).put_into(version.template))
    return _entry(version, template)


def _publish(call: Call[LegacyPublishBody, None]) -> dict[str, Any]:
    body = call.body
    said = {"prompt_template": from_langchain(body.prompt_template), "metadata": body.metadata}
    template = normalised(checked(VersionFields, said, "body").prompt_template)
    draft = Draft(
        name=body.prompt_name,
        template=template,
        metadata=body.metadata,
        commit_message=body.commit_message,
        tags=None if body.tags is None else tuple(body.tags),
        snippets=references_in(template),
    )
    with writing(call.workspace) as registry:
        return {"id": registry.publish(draft).version.prompt.id, "success": True}


def _list(call: Call[None, LegacyListQuery]) -> dict[str, Any]:
    page, per_page = call.query.page, call.query.per_page
    with reading(call.workspace) as registry:
        found = registry.list(Listing(page=page, per_page=per_page))
    return envelope([_entry(one, one.template) for one in found.versions], found.total, page, per_page)


def _entry(version: Version, template: dict[str, Any]) -> dict[str, Any]:
    return {
        "id": version.prompt.id,
        "prompt_name": version.prompt.name,
        "version": version.number,
        "tags": list(version.prompt.tags),
        "prompt_template": to_langchain(template),
        "metadata": version.metadata,
        "commit_message": version.commit_message,
        "deleted": version.prompt.deleted_at is not None,
    }


def _publishing(path: str) -> Endpoint:
    return Endpoint(
        method="POST",
        path=path,
        handler=_publish,
        summary="publish a version of a prompt template in LangChain's form",
        body=LegacyPublishBody,
        answers=LegacyPublished,
        refuses=(409,),
    )


def _getting(path: str) -> Endpoint:
    return Endpoint(
        method="GET",
        path=path,
        handler=_get_by_query,
        summary="get a prompt template in LangChain's form",
        query=LegacyWanted,
        answers=LegacyTemplate,
        refuses=(404,),
    )


ENDPOINTS = (
    _getting("/library-get-prompt-template"),
    _getting("/rest/get-prompt-template"),
    Endpoint(
        method="POST",
        path="/library-get-prompt-template",
        handler=_get_by_body,
        summary="get a prompt template in LangChain's form",
        body=LegacyWanted,
        answers=LegacyTemplate,
        refuses=(404,),
    ),
    _publishing("/library-publish-prompt-template"),
    _publishing("/rest/publish-prompt-template"),
    Endpoint(
        method="GET",
        path="/rest/prompts",
        handler=_list,
        summary="list prompt templates in LangChain's form",
        query=LegacyListQuery,
        answers=LegacyList,
    ),
)
