"""From the record that was decoded to the one that may leave: smaller, and without what must not be told."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from promptlayer_patch._guard import report
from promptlayer_patch._refining.content import without_content
from promptlayer_patch._refining.media import with_digests
from promptlayer_patch._refining.redaction import redacted
from promptlayer_patch._refining.rewriting import emptied
from promptlayer_patch._refining.shortening import shortened
from promptlayer_patch.annotations import Annotation, MetadataUpdate, PromptLink
from promptlayer_patch.records import Record

if TYPE_CHECKING:
    from promptlayer_patch._settings import Settings


def refined(record: Record, settings: Settings) -> Record:
    """`record` as `settings` want it recorded: media, content, redaction and size, in this order.

    Never raises. A step that fails costs the content, never the fact of the call nor the steps after it.
    """
    steps: tuple[Callable[[Record], Record], ...] = (
        lambda one: with_digests(one, settings.media_max_bytes),
        lambda one: one if settings.capture_content else without_content(one),
        lambda one: redacted(one, settings.redact),
        lambda one: shortened(one, settings.record_max_bytes),
    )
    for step in steps:
        try:
            record = step(record)
        except Exception as fault:
            report("refining a record", fault)
            record = emptied(record, "it could not be refined")
    if record.prompt is not None:
        record = replace(record, prompt=_refined_link(record.prompt, settings))
    return record


def refined_annotation(annotation: Annotation, settings: Settings) -> Annotation:
    """`annotation` without what must not be told. Never raises."""
    content = annotation.content
    if isinstance(content, PromptLink):
        content = _refined_link(content, settings)
    elif isinstance(content, MetadataUpdate):
        metadata = _refined_values(content.metadata, settings)
        content = MetadataUpdate({key: str(value) for key, value in metadata.items()})
    else:
        return annotation
    return replace(annotation, content=content)


def _refined_link(link: PromptLink, settings: Settings) -> PromptLink:
    variables = _refined_values(link.variables, settings) if settings.capture_content else {}
    return replace(link, variables=variables)


def _refined_values(values: Mapping[str, Any], settings: Settings) -> Mapping[str, Any]:
    """What the rules for a request leave of `values`, under the same keys."""
    # A record of its own, since every rule is one for records.
    as_record = Record(id="", function_name="", request=dict(values))
    return refined(as_record, replace(settings, capture_content=True)).request
