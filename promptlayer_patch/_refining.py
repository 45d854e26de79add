"""From the record that was decoded to the one that may leave: smaller, and without what must not be told."""

from __future__ import annotations

from collections.abc import Callable

from promptlayer_patch._content import without_content
from promptlayer_patch._guard import report
from promptlayer_patch._media import with_digests
from promptlayer_patch._redaction import redacted
from promptlayer_patch._rewriting import emptied
from promptlayer_patch._settings import Settings
from promptlayer_patch._shortening import shortened
from promptlayer_patch.records import Record


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
    return record
