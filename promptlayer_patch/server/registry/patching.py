"""A new version made of another: what a patch says, applied."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from pydantic import BaseModel

from promptlayer_patch.server.bodies import checked
from promptlayer_patch.server.refusals import BadRequest, Invalid
from promptlayer_patch.server.registry.blueprints import Template, normalised
from promptlayer_patch.server.registry.bodies import PatchBody
from promptlayer_patch.server.registry.snippets import references_in
from promptlayer_patch.store.registry.models import Draft, Version

__all__ = ["patched"]

_PARTS = ("messages", "content", "tools", "functions")
_CHOICES = ("function_call", "tool_choice")


class _Changed(BaseModel):
    prompt_template: Template


def patched(base: Version, patch: PatchBody) -> Draft:
    """The version that differs from `base` in what the patch says."""
    template = dict(base.template)
    for name in (*_PARTS, *_CHOICES):
        if name in patch.model_fields_set:
            template[name] = _changed(name, template, getattr(patch, name))
    made = normalised(checked(_Changed, {"prompt_template": template}, "body").prompt_template)
    return Draft(
        name=base.prompt.name,
        template=made,
        metadata=_metadata(base, patch),
        commit_message=patch.commit_message,
        provider_base_url_name=base.provider_base_url_name,
        provider_id=base.provider_id,
        inference_client_name=base.inference_client_name,
        labels=tuple(patch.release_labels or ()),
        snippets=references_in(made),
    )


def _changed(name: str, template: Mapping[str, Any], change: Any) -> Any:
    if name not in template and name in ("messages", "content"):
        other = "content" if name == "messages" else "messages"
        raise BadRequest(f"this template has no {name}, it has {other}")
    if name not in _PARTS or not isinstance(change, dict):
        return change
    things = list(template.get(name) or ())
    for place, one in change.items():
        index = int(place) if place.isascii() and place.isdigit() and len(place) < 9 else -1
        if not 0 <= index < len(things):
            raise Invalid([(("body", name, place), "there is nothing at this index", "index_error")])
        things[index] = {**things[index], **one}
    return things


def _metadata(base: Version, patch: PatchBody) -> dict[str, Any] | None:
    """The parameters of the model are merged; `response_format` is one of them."""
    metadata = base.metadata
    if patch.model_parameters is not None:
        given = patch.model_parameters
        metadata = _with_parameters(metadata, lambda parameters: {**parameters, **given})
    if "response_format" in patch.model_fields_set:
        chosen = patch.response_format
        others = {} if chosen is None else {"response_format": chosen}
        metadata = _with_parameters(metadata, lambda parameters: {**_without(parameters), **others})
    return metadata


def _with_parameters(
    metadata: Mapping[str, Any] | None, change: Callable[[dict[str, Any]], dict[str, Any]]
) -> dict[str, Any]:
    model = (metadata or {}).get("model")
    if metadata is None or model is None:
        raise BadRequest("the version has no model whose parameters could be changed")
    return {**metadata, "model": {**model, "parameters": change(model.get("parameters") or {})}}


def _without(parameters: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in parameters.items() if name != "response_format"}
