"""`Record` in PromptLayer's field names. The only module that spells them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from promptlayer_patch.annotations import Content, GroupLink, MetadataUpdate, PromptLink, Score
from promptlayer_patch.records import Ending, Record

TRACK_REQUEST = "/track-request"

_PLAIN_METHODS = {
    f"{prefix}{resource}.{helper}": f"{resource}.create"
    for prefix in ("", "beta.")
    for resource in ("chat.completions", "responses")
    for helper in ("parse", "stream")
}

_MESSAGE_LIMIT = 1024
"""PromptLayer takes error messages of up to this many characters."""

_OURS = "promptlayer_patch."
"""Prefix of the metadata keys that carry what PromptLayer has no field for."""


def track_request(record: Record) -> dict[str, Any]:
    """The body of `POST /track-request` for `record`, without the API key.

    PromptLayer chooses its parser by `function_name`, which names the client class as its own SDK does, and
    shows `request_response` as the answer: `{}` where none came.
    """
    return {
        "function_name": _function_name(record),
        "provider_type": record.provider,
        "args": [],
        "kwargs": dict(record.request),
        "tags": list(record.tags) or None,
        "request_response": _response(record),
        "request_start_time": record.started_at,
        "request_end_time": record.ended_at,
        "metadata": _metadata(record),
        "span_id": None,
        **_links(record),
        **_status(record),
    }


def annotation_request(content: Content, request_id: int) -> tuple[str, dict[str, Any]]:
    """The path and the body, without the API key, of the POST that says `content` about a request."""
    match content:
        case Score(value, name):
            named = {} if name is None else {"name": name}
            return "/library-track-score", {"request_id": request_id, "score": value, **named}
        case MetadataUpdate(metadata):
            return "/library-track-metadata", {"request_id": request_id, "metadata": dict(metadata)}
        case PromptLink(name, version, label, variables):
            return "/library-track-prompt", {
                "request_id": request_id,
                "prompt_name": name,
                "prompt_input_variables": dict(variables),
                "version": version,
                "label": label,
            }
        case GroupLink(group_id):
            return "/track-group", {"request_id": request_id, "group_id": group_id}


def encoded(body: dict[str, Any]) -> bytes:
    """`body` as JSON; NaN and infinities, which JSON does not know, become null."""
    try:
        return json.dumps(body, default=str, allow_nan=False).encode()
    except ValueError:
        finite = json.loads(json.dumps(body, default=str), parse_constant=lambda _: None)
        return json.dumps(finite, allow_nan=False).encode()


def request_id_in(answer: Any) -> int | None:
    """PromptLayer's id in the answer to a logged request; ids are integers, some servers quote them."""
    if not isinstance(answer, Mapping):
        return None
    found = answer.get("request_id", answer.get("id"))
    if isinstance(found, str) and found.isascii() and found.isdigit() and len(found) < 20:
        return int(found)
    return found if isinstance(found, int) and not isinstance(found, bool) else None


def accepts(answer: Any) -> bool:
    """Whether the server says it has the request, be it without telling its id."""
    return isinstance(answer, Mapping) and answer.get("success") is True


def message_in(answer: Any) -> str:
    """The server's own words about a failure, wherever its endpoints put them."""
    if isinstance(answer, Mapping):
        for key in ("message", "error", "detail"):
            if answer.get(key):
                return _readable(answer[key])
    return ""


def _links(record: Record) -> dict[str, Any]:
    """The group and the prompt of a request; a prompt that is known by name only is tracked afterwards."""
    links: dict[str, Any] = {} if record.group_id is None else {"group_id": record.group_id}
    if record.prompt is not None and record.prompt.is_exact:
        links |= {
            "prompt_id": record.prompt.id,
            "prompt_version": record.prompt.version,
            "prompt_input_variables": dict(record.prompt.variables),
        }
    return links


def _readable(words: Any) -> str:
    """The validating layer gives a list of findings, each with the place it is about and the value it found.

    The value is left out: it is the caller's own content.
    """
    if not isinstance(words, list):
        return str(words)
    return "; ".join(_finding(one) for one in words)


def _finding(one: Any) -> str:
    if not isinstance(one, Mapping):
        return str(one)
    where = one.get("loc")
    place = ".".join(str(step) for step in where) if isinstance(where, (list, tuple)) else ""
    return ": ".join(filter(None, (place, str(one.get("msg") or one.get("type") or "is refused"))))


def _function_name(record: Record) -> str:
    """The name PromptLayer parses by: of the plain method behind a helper, on the class of the client."""
    library, _, method = record.function_name.partition(".")
    method = _PLAIN_METHODS.get(method, method)
    return ".".join(filter(None, (library, record.client, method)))


def _response(record: Record) -> Any:
    failed = record.ending is Ending.PROVIDER_ERROR and not record.streamed
    return {} if failed or record.response is None else record.response


def _status(record: Record) -> dict[str, str]:
    """`status`, `error_type` and `error_message`; PromptLayer takes their absence for success."""
    match record.ending:
        case Ending.PROVIDER_ERROR:
            status, kind = "ERROR", _error_type(record)
        case Ending.CONSUMER_ERROR | Ending.CANCELLED:
            status, kind = "WARNING", "UNKNOWN_ERROR"
        case _:
            return {}
    message = f"{record.error.type}: {record.error.message}" if record.error else record.ending.value
    return {"status": status, "error_type": kind, "error_message": message[:_MESSAGE_LIMIT]}


def _error_type(record: Record) -> str:
    error = record.error
    if error is None:
        return "PROVIDER_ERROR"
    text = f"{error.type} {error.message}".lower()
    if error.status == 402 or "quota" in text:
        return "PROVIDER_QUOTA_LIMIT"
    if error.status == 429 or "ratelimit" in text:
        return "PROVIDER_RATE_LIMIT"
    if error.status == 401 or "authenticationerror" in text:
        return "PROVIDER_AUTH_ERROR"
    if "timeout" in error.type.lower():
        return "PROVIDER_TIMEOUT"
    return "PROVIDER_ERROR"


def _metadata(record: Record) -> dict[str, str]:
    facts = {
        "record_id": record.id,
        "ending": record.ending.value,
        "attempts": str(record.attempts),
        "sdk": f"{record.sdk}/{record.sdk_version}" if record.sdk_version else record.sdk,
        "endpoint": record.endpoint,
        "x_request_id": record.provider_request_id,
        "first_token_s": _seconds(record),
        "shortened_from_bytes": record.shortened_from and str(record.shortened_from),
    }
    return {**record.metadata, **{_OURS + key: value for key, value in facts.items() if value}}


def _seconds(record: Record) -> str | None:
    if record.first_token_at is None:
        return None
    return f"{record.first_token_at - record.started_at:.3f}"
