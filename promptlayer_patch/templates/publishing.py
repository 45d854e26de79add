"""Publishing versions: new ones, and such as differ a little from one that is there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import EllipsisType
from typing import Any

from promptlayer_patch import _api
from promptlayer_patch._registry import arguments as checks
from promptlayer_patch._registry import fetching, publishing
from promptlayer_patch._registry.template import PromptTemplate
from promptlayer_patch._registry.twins import awaitable
from promptlayer_patch.errors import APIStatusError

__all__ = ["apatch", "apublish", "patch", "publish"]


def publish(
    name: str,
    prompt_template: Sequence[Mapping[str, Any]] | Mapping[str, Any],
    *,
    tags: Sequence[str] = (),
    commit_message: str | None = None,
    metadata: Mapping[str, Any] | None = None,
    release_labels: Sequence[str] = (),
    folder_id: int | None = None,
    provider_base_url_name: str | None = None,
    template_format: str = "f-string",
    timeout_s: float = 10.0,
) -> PromptTemplate:
    """Publish a new version of a prompt template, and the template itself if there is none of this name.

    A call whose answer is lost is not tried again, for it may have published its version.

    Args:
        name: of up to 512 characters.
        prompt_template: a list of messages as OpenAI takes them, a template in PromptLayer's form, or one
            that `get` gave, whose model then goes with it.
        tags: of the template.
        commit_message: what is new, in up to 72 characters.
        metadata: kept with the version; the model stands under `"model"`, as `{"provider": "openai", "name":
            "gpt-4o", "parameters": {...}}`.
        release_labels: names that shall stand at this version.
        folder_id: the folder to put it into.
        provider_base_url_name: the name of a server that PromptLayer knows for the provider.
        template_format: `"f-string"` or `"jinja2"`, of messages that do not say theirs.
        timeout_s: the longest to wait, in seconds.
    """
    blueprint = publishing.checked_blueprint(prompt_template, template_format)
    fields = publishing.version_fields(
        prompt_template,
        blueprint,
        commit_message=checks.optional_text("commit_message", commit_message, checks.COMMIT_LIMIT),
        metadata=checks.optional_mapping("metadata", metadata),
        provider_base_url_name=checks.optional_text(
            "provider_base_url_name", provider_base_url_name, checks.BASE_URL_NAME_LIMIT
        ),
    )
    template = {
        "prompt_name": checks.checked_text("name", name, checks.NAME_LIMIT),
        "tags": checks.checked_names("tags", tags) or None,
        "folder_id": publishing.checked_folder(folder_id),
    }
    body = {
        "prompt_template": publishing.without_none(**template),
        "prompt_version": fields,
        "release_labels": checks.checked_names("release_labels", release_labels) or None,
    }
    return _published("POST", "/rest/prompt-templates", name, body, timeout_s)


def patch(
    name_or_id: str | int,
    *,
    version: int | None = None,
    label: str | None = None,
    messages: Mapping[int, Any] | Sequence[Any] | EllipsisType = ...,
    content: Mapping[int, Any] | Sequence[Any] | EllipsisType = ...,
    tools: Mapping[int, Any] | Sequence[Any] | EllipsisType | None = ...,
    functions: Mapping[int, Any] | Sequence[Any] | EllipsisType | None = ...,
    tool_choice: str | Mapping[str, Any] | EllipsisType | None = ...,
    function_call: str | Mapping[str, Any] | EllipsisType | None = ...,
    model_parameters: Mapping[str, Any] | EllipsisType = ...,
    response_format: Mapping[str, Any] | EllipsisType | None = ...,
    commit_message: str | None = None,
    release_labels: Sequence[str] = (),
    timeout_s: float = 10.0,
) -> PromptTemplate:
    """Publish a new version that differs from another one only in what is given here.

    Of `messages`, `content` (of completion templates), `tools` and `functions`, a list replaces all, and a
    mapping such as `{0: {...}}` those it names by their place. `None` takes something out; what is not given
    stays.

    Args:
        name_or_id: the template's name or number.
        version: the version to begin with, instead of the latest; not together with `label`.
        label: the release label of the version to begin with.
        messages: in OpenAI's form or PromptLayer's.
        content: the blocks of a completion template.
        tools: the tools the model is given.
        functions: the functions the model is given, in the older style.
        tool_choice: which tool the model shall use.
        function_call: which function the model shall use.
        model_parameters: go over those of the version.
        response_format: the form the model shall answer in.
        commit_message: what is new, in up to 72 characters.
        release_labels: names that shall stand at the new version.
        timeout_s: the longest to wait, in seconds.
    """
    identifier = checks.checked_identifier(name_or_id)
    number, release = checks.checked_place(version, label)
    body = {
        **publishing.without_none(version=number, label=release),
        **publishing.changes(
            messages=messages,
            content=content,
            tools=tools,
            functions=functions,
            tool_choice=tool_choice,
            function_call=function_call,
            model_parameters=model_parameters,
            response_format=response_format,
        ),
        **publishing.without_none(
            commit_message=checks.optional_text("commit_message", commit_message, checks.COMMIT_LIMIT),
            release_labels=checks.checked_names("release_labels", release_labels) or None,
        ),
    }
    return _published("PATCH", f"/rest{fetching.template_path(identifier)}", identifier, body, timeout_s)


def _published(
    method: str, path: str, name: str, body: Mapping[str, Any], timeout_s: float
) -> PromptTemplate:
    wait_s = checks.checked_timeout(timeout_s)
    try:
        answer = _api.ask(_api.account(), method, path, body=dict(body), repeatable=False, timeout_s=wait_s)
    finally:
        # Also when the answer is lost: the version may be there.
        fetching.CACHE.invalidate(name)
    if not isinstance(answer, dict):
        raise APIStatusError(200, "the answer is no prompt template")
    return PromptTemplate(answer)


apublish = awaitable(publish)
apatch = awaitable(patch)
