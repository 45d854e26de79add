"""Many records in one request: each as a span of `POST /spans-bulk` that has its request in it.

That is the one endpoint of PromptLayer's that takes several requests at once and tells their ids.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from promptlayer_patch._blueprint import Logged, logged_of
from promptlayer_patch._version import __version__
from promptlayer_patch._wire import common_fields, encoded, request_id_in
from promptlayer_patch.records import Ending, Record

__all__ = ["RESPONSE", "Packed", "body_of", "packed", "request_ids_in"]

RESPONSE = "promptlayer_patch.response"
"""The attribute that has, as JSON, what an answer says beside its content: the form has tokens alone."""

_SPAN_ID_CHARS, _TRACE_ID_CHARS = 16, 32
_BESIDE_THE_CONTENT = (
    "id",
    "object",
    "created",
    "created_at",
    "model",
    "status",
    "incomplete_details",
    "service_tier",
    "system_fingerprint",
    "usage",
)
_TOKENS = (("input_tokens", "prompt_tokens"), ("output_tokens", "completion_tokens"))


@dataclass(frozen=True, slots=True)
class Packed:
    """A record as one span."""

    span_id: str
    """The same one however often the record is sent, so that it replaces itself."""
    span: bytes


def packed(record: Record) -> Packed | None:
    """`record` as a span; `None` if it has to go alone, since the form would leave something out.

    Raises what the objects in it do while they are written.
    """
    if record.group_id is not None:
        return None
    logged = logged_of(record)
    if logged is None:
        return None
    digest = hashlib.blake2b(record.id.encode("utf-8", "surrogatepass"), digest_size=24).hexdigest()
    span_id = digest[:_SPAN_ID_CHARS]
    failed = record.ending is Ending.PROVIDER_ERROR
    span: dict[str, Any] = {
        "name": record.function_name,
        "context": {
            "trace_id": digest[-_TRACE_ID_CHARS:],
            "span_id": span_id,
            "trace_state": "",
        },
        "kind": "SpanKind.CLIENT",
        "parent_id": None,
        "start_time": _nanoseconds(record.started_at),
        "end_time": _nanoseconds(record.ended_at),
        "status": {"status_code": "StatusCode.ERROR" if failed else "StatusCode.UNSET", "description": None},
        "attributes": _attributes(record),
        "events": [],
        "links": [],
        "resource": _RESOURCE,
        "log_request": _request(record, logged),
    }
    return Packed(span_id, encoded(span))


def body_of(spans: Sequence[Packed]) -> bytes:
    return b'{"spans": [%b]}' % b", ".join(one.span for one in spans)


def request_ids_in(answer: Any) -> dict[str, int] | None:
    """The id that each request was given, by its span; `None` if that is not what the answer says."""
    told = answer.get("request_logs") if isinstance(answer, Mapping) else None
    if not isinstance(told, list):
        return None
    found: dict[str, int] = {}
    for one in told:
        request_id = request_id_in(one)
        if request_id is not None and isinstance(span_id := one.get("span_id"), str):
            found[span_id] = request_id
    return found


_RESOURCE = {
    "attributes": {"telemetry.sdk.name": "promptlayer_patch", "telemetry.sdk.version": __version__},
    "schema_url": "",
}


def _request(record: Record, logged: Logged) -> dict[str, Any]:
    usage = _mapping(_mapping(record.response).get("usage"))
    request = {
        **common_fields(record),
        "provider": record.provider,
        "model": logged.model,
        "input": logged.input,
        "output": logged.output,
        "parameters": logged.parameters,
        "api_type": logged.api_type,
        **{name: _tokens(usage, name, older) for name, older in _TOKENS},
    }
    request["tags"] = list(record.tags)
    if record.prompt is not None and record.prompt.is_exact:
        request["prompt_id"] = record.prompt.id
        request["prompt_version_number"] = record.prompt.version
        request["prompt_input_variables"] = dict(record.prompt.variables)
    return request


def _attributes(record: Record) -> dict[str, Any]:
    response = _mapping(record.response)
    beside = {name: response[name] for name in _BESIDE_THE_CONTENT if response.get(name) is not None}
    choices = response.get("choices")
    if isinstance(choices, list):
        reasons = [_mapping(choice).get("finish_reason") for choice in choices]
        beside["finish_reasons"] = [reason for reason in reasons if reason is not None]
    return {RESPONSE: json.dumps(beside, default=str)} if beside else {}


def _tokens(usage: Mapping[str, Any], *names: str) -> int:
    """0 is what PromptLayer's clients send for what they do not know."""
    counts = (usage.get(name) for name in names)
    return next((count for count in counts if type(count) is int and count >= 0), 0)


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _nanoseconds(moment: float) -> int:
    return max(1, round(moment * 1e9))
