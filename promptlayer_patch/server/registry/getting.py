"""Getting prompt templates: rendered, raw, and in lists."""

from __future__ import annotations

from secrets import token_hex
from typing import Any

from promptlayer_patch.server.endpoints import Call, Endpoint
from promptlayer_patch.server.refusals import BadRequest
from promptlayer_patch.server.registry.access import reading
from promptlayer_patch.server.registry.answers import (
    envelope,
    item,
    raw_answer,
    rendered_answer,
    usage_answer,
)
from promptlayer_patch.server.registry.blueprints import with_variables
from promptlayer_patch.server.registry.bodies import ListQuery, RawQuery, RenderBody, UsageQuery
from promptlayer_patch.server.registry.calls import Wanted, llm_kwargs
from promptlayer_patch.server.registry.filling import filled
from promptlayer_patch.server.registry.forms import ListAnswer, RawAnswer, RenderedAnswer, UsageAnswer
from promptlayer_patch.server.registry.snippets import Snippets
from promptlayer_patch.server.workspaces import Workspace
from promptlayer_patch.store.registry.models import Listing, SnippetReference, Version
from promptlayer_patch.store.registry.registry import Registry

__all__ = ["ENDPOINTS", "rendering", "snippets_of"]

_DELETED = {"active": False, "deleted": True, "all": None}


def _rendered(call: Call[RenderBody, None]) -> dict[str, Any]:
    return rendering(call.workspace, call.path["identifier"], call.body)


def rendering(workspace: Workspace, identifier: str | int, body: RenderBody) -> dict[str, Any]:
    """The answer to whoever asks for a template with its variables put in."""
    with reading(workspace) as registry:
        version = registry.get(identifier, number=body.version, label=body.label)
        snippets = snippets_of(registry)
        template = with_variables(snippets.put_into(version.template))
    if not body.skip_input_variable_rendering:
        template = filled(template, body.input_variables or {})
    wanted = Wanted(body.provider, body.model, body.model_parameter_overrides or {})
    return rendered_answer(
        version,
        workspace_id=workspace.id,
        template=template,
        llm_kwargs=llm_kwargs(template, version.metadata, wanted),
        snippets=snippets.used,
        warning=snippets.warning,
        request_id=token_hex(16),
    )


def _raw(call: Call[None, RawQuery]) -> dict[str, Any]:
    query = call.query
    if query.version is not None and query.label is not None:
        raise BadRequest("give a version or a label, not both")
    with reading(call.workspace) as registry:
        version = registry.get(call.path["identifier"], number=query.version, label=query.label)
        snippets = snippets_of(registry)
        resolved = snippets.put_into(version.template)
    template = with_variables(resolved) if query.resolve_snippets else version.template
    return raw_answer(
        version,
        workspace_id=call.workspace.id,
        template=template,
        llm_kwargs=llm_kwargs(template, version.metadata, Wanted()) if query.include_llm_kwargs else None,
        snippets=snippets.used,
    )


def _list(call: Call[None, ListQuery]) -> dict[str, Any]:
    query = call.query
    if query.created_by_email is not None:  # nobody has one here
        return envelope([], 0, query.page, query.per_page)
    wanted = Listing(
        page=query.page,
        per_page=query.per_page,
        name=query.name,
        label=query.label,
        tags=tuple(query.tags),
        deleted=_DELETED[query.status],
        is_snippet=query.is_snippet,
        created_after=query.created_after,
        created_before=query.created_before,
        updated_after=query.updated_after,
        updated_before=query.updated_before,
        external_source=query.external_source,
        external_id=query.external_id,
        sort_by=query.sort_by,
        descending=query.sort_order == "desc",
    )
    with reading(call.workspace) as registry:
        found = registry.list(wanted)
    return envelope([item(version) for version in found.versions], found.total, query.page, query.per_page)


def _usage(call: Call[None, UsageQuery]) -> dict[str, Any]:
    with reading(call.workspace) as registry:
        return usage_answer(registry.uses(call.path["identifier"], number=call.query.prompt_version_number))


def snippets_of(registry: Registry) -> Snippets:
    """What puts a template's snippets into it, from this registry."""

    def find(reference: SnippetReference) -> Version:
        return registry.get(reference.name, number=reference.number, label=reference.label)

    return Snippets(find)


ENDPOINTS = (
    Endpoint(
        method="POST",
        path="/prompt-templates/{identifier}",
        handler=_rendered,
        summary="get a prompt template with its variables put in",
        body=RenderBody,
        answers=RenderedAnswer,
        refuses=(404,),
    ),
    Endpoint(
        method="GET",
        path="/prompt-templates/{identifier}",
        handler=_raw,
        summary="get a prompt template as it was published",
        query=RawQuery,
        answers=RawAnswer,
        refuses=(404,),
    ),
    Endpoint(
        method="GET",
        path="/prompt-templates",
        handler=_list,
        summary="list prompt templates",
        query=ListQuery,
        answers=ListAnswer,
    ),
    Endpoint(
        method="GET",
        path="/prompt-templates/{identifier}/snippet-usage",
        handler=_usage,
        summary="list the versions that have the template's text in theirs",
        query=UsageQuery,
        answers=UsageAnswer,
        refuses=(404,),
    ),
)
