"""Publishing: new versions, whole or as changes to another; and the release labels that stand at them."""

from __future__ import annotations

from typing import Any

from promptlayer_patch.server.endpoints import Answer, Call, Endpoint
from promptlayer_patch.server.refusals import BadRequest, Invalid, NotFound
from promptlayer_patch.server.registry.access import reading, writing
from promptlayer_patch.server.registry.answers import label_answer, labels_answer, published_answer
from promptlayer_patch.server.registry.blueprints import normalised
from promptlayer_patch.server.registry.bodies import LabelBody, MoveLabelBody, PatchBody, PublishBody
from promptlayer_patch.server.registry.forms import LabelAnswer, LabelsAnswer, PublishedAnswer
from promptlayer_patch.server.registry.patching import patched
from promptlayer_patch.server.registry.snippets import references_in
from promptlayer_patch.store.registry.models import Draft, ExternalId

__all__ = ["ENDPOINTS", "draft_of"]

_SOURCE_MAX_CHARS = 128
_EXTERNAL_ID_MAX_CHARS = 512


def _publish(call: Call[PublishBody, None]) -> dict[str, Any]:
    with writing(call.workspace) as registry:
        published = registry.publish(draft_of(call.body))
    return published_answer(published.version, call.body.release_labels)


def _publish_as(call: Call[PublishBody, None]) -> Answer:
    known = ExternalId(call.path["source"], call.path["external_id"])
    for name, value, limit in (
        ("source", known.source, _SOURCE_MAX_CHARS),
        ("external_id", known.external_id, _EXTERNAL_ID_MAX_CHARS),
    ):
        if len(value) > limit:
            raise Invalid([(("path", name), f"expected at most {limit} characters", "string_too_long")])
    with writing(call.workspace) as registry:
        published = registry.publish_as(known, draft_of(call.body))
    answer = published_answer(published.version, call.body.release_labels)
    return Answer(answer, 201 if published.is_first else 200)


def _patch(call: Call[PatchBody, None]) -> dict[str, Any]:
    patch = call.body
    if patch.version is not None and patch.label is not None:
        raise BadRequest("give a version or a label, not both")
    with reading(call.workspace) as registry:
        base = registry.get(call.path["identifier"], number=patch.version, label=patch.label)
    with writing(call.workspace) as registry:
        published = registry.publish(patched(base, patch), prompt_id=base.prompt.id)
    return published_answer(published.version, patch.release_labels)


def draft_of(body: PublishBody) -> Draft:
    """The version that a client publishes, as it is kept."""
    template, version = body.prompt_template, body.prompt_version
    made = normalised(version.prompt_template)
    return Draft(
        name=template.prompt_name,
        template=made,
        metadata=None if version.metadata is None else version.metadata.model_dump(exclude_unset=True),
        commit_message=version.commit_message,
        provider_base_url_name=version.provider_base_url_name,
        provider_id=version.provider_id,
        inference_client_name=version.inference_client_name,
        tags=None if template.tags is None else tuple(template.tags),
        folder_id=template.folder_id,
        is_snippet=template.is_snippet,
        labels=tuple(body.release_labels or ()),
        external_ids=tuple(ExternalId(one.source, one.external_id) for one in body.external_ids or ()),
        snippets=references_in(made),
    )


def _labels(call: Call[None, None]) -> dict[str, Any]:
    with reading(call.workspace) as registry:
        return labels_answer(registry.labels(call.path["identifier"]))


def _add_label(call: Call[LabelBody, None]) -> dict[str, Any]:
    body = call.body
    with writing(call.workspace) as registry:
        label = registry.add_label(
            _id_in(call.path["prompt_id"]),
            body.name,
            number=body.prompt_version_number,
            version_id=body.prompt_version_id,
        )
    return label_answer(label)


def _move_label(call: Call[MoveLabelBody, None]) -> dict[str, Any]:
    body = call.body
    with writing(call.workspace) as registry:
        label = registry.move_label(
            _id_in(call.path["prompt_label_id"]),
            number=body.prompt_version_number,
            version_id=body.prompt_version_id,
        )
    return label_answer(label)


def _delete_label(call: Call[None, None]) -> None:
    with writing(call.workspace) as registry:
        registry.delete_label(_id_in(call.path["prompt_label_id"]))


def _id_in(part: str) -> int:
    if not (part.isascii() and part.isdigit() and len(part) <= 18):
        raise NotFound("expected an id, which is a whole number")
    return int(part)


ENDPOINTS = (
    Endpoint(
        method="POST",
        path="/rest/prompt-templates",
        handler=_publish,
        summary="publish a version of a prompt template",
        ok=201,
        body=PublishBody,
        answers=PublishedAnswer,
        refuses=(409,),
    ),
    Endpoint(
        method="PUT",
        path="/prompt-templates/by-external-id/{source}/{external_id}",
        handler=_publish_as,
        summary="publish a version of the prompt template that another system knows so",
        also_ok=(201,),
        body=PublishBody,
        answers=PublishedAnswer,
        refuses=(409,),
    ),
    Endpoint(
        method="PATCH",
        path="/rest/prompt-templates/{identifier}",
        handler=_patch,
        summary="publish a version that differs a little from another",
        ok=201,
        body=PatchBody,
        answers=PublishedAnswer,
        refuses=(404,),
    ),
    Endpoint(
        method="GET",
        path="/prompt-templates/{identifier}/labels",
        handler=_labels,
        summary="list the release labels of a prompt template",
        answers=LabelsAnswer,
        refuses=(404,),
    ),
    Endpoint(
        method="POST",
        path="/prompts/{prompt_id}/label",
        handler=_add_label,
        summary="put a release label on a version",
        body=LabelBody,
        answers=LabelAnswer,
        refuses=(404, 409),
    ),
    Endpoint(
        method="PATCH",
        path="/prompt-labels/{prompt_label_id}",
        handler=_move_label,
        summary="move a release label to another version",
        body=MoveLabelBody,
        answers=LabelAnswer,
        refuses=(404,),
    ),
    Endpoint(
        method="DELETE",
        path="/prompt-labels/{prompt_label_id}",
        handler=_delete_label,
        summary="take a release label off",
        ok=204,
        refuses=(404,),
    ),
)
