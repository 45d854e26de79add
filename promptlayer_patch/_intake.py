"""Whether a finished call is taken, and the way of one that is into the pipeline."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from promptlayer_patch import _scope
from promptlayer_patch._delivery.parcels import FinishedCall
from promptlayer_patch._guard import quietly
from promptlayer_patch._refining.shortening import content_size
from promptlayer_patch._sampling import takes
from promptlayer_patch.records import Ending, Receipt, Record, Rejected

if TYPE_CHECKING:
    from promptlayer_patch._capture.call import Call
    from promptlayer_patch._delivery.pipeline import Pipeline
    from promptlayer_patch._installation import Installation

_SUPPRESSED = "recording was suppressed"
_NOT_SAMPLED = "the call was not sampled"


def put(began_in: Installation, call: Call) -> None:
    """Hand a finished call to what was installed when it began, if there was no `uninstall()` since."""
    pipeline = began_in.pipeline
    if pipeline is None:
        call.receipt.settle(Rejected(began_in.over))
    elif not call.sampled and not _is_kept_error(call, began_in.settings.sample_errors):
        call.receipt.settle(Rejected(_NOT_SAMPLED))
    else:
        pipeline.put(call)
        if call.prompt is not None:
            _link(pipeline, call)


def urge(installation: Installation) -> None:
    """Somebody waits for an id."""
    pipeline = installation.pipeline
    if pipeline is not None:
        pipeline.urge()


def submit(installation: Installation, record: Record, receipt: Receipt) -> None:
    """Hand a record that others have made to what is installed."""
    pipeline, settings = installation.pipeline, installation.settings
    if pipeline is None:
        receipt.settle(Rejected(installation.over))
    elif _scope.suppressed():
        receipt.settle(Rejected(_SUPPRESSED))
    elif not takes(settings.sample_rate, record.function_name, record.request):
        receipt.settle(Rejected(_NOT_SAMPLED))
    else:
        tags, metadata = _scope.merged(settings.tags, settings.metadata, record.tags)
        _scope.hand_out(receipt)
        record = replace(record, tags=tags, metadata={**metadata, **record.metadata})
        group, prompt = _scope.linked()
        record = replace(record, group_id=record.group_id or group, prompt=record.prompt or prompt)
        finished = FinishedCall(record, receipt, size=1024 + content_size(record))
        pipeline.put(finished)
        _link(pipeline, finished)


def _link(pipeline: Pipeline, call: Call | FinishedCall) -> None:
    if call.prompt is not None and not call.prompt.is_exact:
        # The call has been handed over: a fault here must not say of it that it is lost.
        link = partial(pipeline.annotate, may_start=not call.in_finalizer)
        quietly("sending an annotation", link, call.receipt, call.prompt)


def _is_kept_error(call: Call, part: float) -> bool:
    """Whether an unsampled call has failed, or reports a failure in its last words, and is kept for that."""
    failed = call.ending is Ending.PROVIDER_ERROR or any(b'"error"' in chunk for chunk in call.chunks[-2:])
    return failed and takes(part, call.name, {})
