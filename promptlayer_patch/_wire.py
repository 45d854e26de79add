"""`Record` in PromptLayer's field names. The only module that spells them."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Any

from promptlayer_patch.annotations import Content, GroupLink, MetadataUpdate, PromptLink, Score
from promptlayer_patch.records import Ending, Failure, Record, new_record_id

TRACK_REQUEST = "/track-request"
SPANS_BULK = "/spans-bulk"

_PLAIN_METHODS = {
    f"{prefix}{resource}.{helper}": f"{resource}.create"
    for prefix in ("", "beta.")
    for resource in ("chat.completions", "responses")
    for helper in ("parse", "stream")
}

_MESSAGE_LIMIT = 1024
"""PromptLayer takes error messages of up to this many characters."""

_SURROGATE = re.compile("[\ud800-\udfff]")

_OURS = "promptlayer_patch."
"""Prefix of the metadata keys that carry what PromptLayer has no field for."""
RECORD_ID = _OURS + "record_id"
"""The metadata key by which a request says which record it is."""


def track_request(record: Record) -> dict[str, Any]:
    """The body of `POST /track-request` for `record`, without the API key.

    PromptLayer chooses its parser by `function_name`, which names the client class as its own SDK does, and
    shows `request_response` as the answer: `{}` where none came.
    """
    return {
        "provider_type": record.provider,
        "args": [],
        "kwargs": dict(record.request),
        "request_response": _response(record),
        "span_id": None,
        **common_fields(record),
        **_links(record),
    }


def common_fields(record: Record) -> dict[str, Any]:
    """What `/track-request` and `/log-request` have in common."""
    return {
        "function_name": _function_name(record),
        "tags": list(record.tags) or None,
        "request_start_time": record.started_at,
        "request_end_time": record.ended_at,
        "metadata": _metadata(record),
        **status_fields(record),
    }


def record_in(body: Mapping[str, Any]) -> Record:
    """The record in the body of a `/track-request`, times in seconds: what `track_request` was given.

    Of a body that another client wrote, as much as it says; the record then gets an id of its own.
    """
    facts, metadata = _facts_in(body.get("metadata") or {})
    library, client, method = _named(body.get("function_name") or "")
    started_at, ended_at = body["request_start_time"], body["request_end_time"]
    ending = _ending(body, facts)
    kwargs, args = body.get("kwargs") or {}, body.get("args") or ()
    sdk, _, version = facts.get("sdk", "").partition("/")
    return Record(
        id=facts.get("record_id") or new_record_id(),
        function_name=".".join(filter(None, (library, method))),
        client=client,
        provider=body.get("provider_type") or body.get("provider") or library,
        endpoint=facts.get("endpoint", ""),
        request={**kwargs, "args": args} if args else kwargs,
        response=body.get("request_response") or None,
        streamed=kwargs.get("stream") is True,
        started_at=started_at,
        ended_at=ended_at,
        first_token_at=started_at + facts["first_token_s"] if "first_token_s" in facts else None,
        ending=ending,
        error=_failure(body, ending),
        attempts=facts.get("attempts", 1),
        provider_request_id=facts.get("x_request_id"),
        tags=tuple(body.get("tags") or ()),
        metadata=metadata,
        group_id=body.get("group_id"),
        sdk=sdk,
        sdk_version=version or None,
        shortened_from=facts.get("shortened_from_bytes"),
    )


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
    """`body` as JSON that every reader takes.

    NaN and infinities become null, half a surrogate pair is spelled out: `\\ud800`.
    """
    try:
        text = json.dumps(body, default=str, allow_nan=False)
    except ValueError:
        body = json.loads(json.dumps(body, default=str), parse_constant=lambda _: None)
        text = json.dumps(body, allow_nan=False)
    if "\\ud" in text:  # half of one, or a whole one: an emoji
        plain = json.dumps(body, default=str, ensure_ascii=False)
        text = json.dumps(json.loads(_SURROGATE.sub(_spelled, plain)))
    return text.encode()


def _spelled(half: re.Match[str]) -> str:
    return f"\\\\u{ord(half[0]):04x}"


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


def status_fields(record: Record) -> dict[str, str]:
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


def _facts_in(metadata: Mapping[str, str]) -> tuple[dict[str, Any], dict[str, str]]:
    """What `_metadata` said of the record, each in its own type, and the metadata without it."""
    facts, rest = {}, {}
    for key, value in metadata.items():
        name = key.removeprefix(_OURS)
        if len(name) == len(key) or name not in _READ_BACK:
            rest[key] = value
            continue
        try:
            facts[name] = _READ_BACK[name](value)
        except ValueError:  # somebody else's, by the same name
            rest[key] = value
    return facts, rest


def _record_id(text: str) -> str:
    if len(text) != 32 or text.strip("0123456789abcdef"):
        raise ValueError("that is no record id")
    return text


def _attempts(text: str) -> int:
    if not 0 <= int(text) < 1_000_000:
        raise ValueError("that is no number of attempts")
    return int(text)


def _waited(text: str) -> float:
    if not 0 <= float(text) < 1e9:  # NaN is no less
        raise ValueError("that is no time")
    return float(text)


_READ_BACK: Mapping[str, Callable[[str], Any]] = {
    "record_id": _record_id,
    "ending": Ending,
    "attempts": _attempts,
    "sdk": str,
    "endpoint": str,
    "x_request_id": str,
    "first_token_s": _waited,
    "shortened_from_bytes": int,
}


def _named(function_name: str) -> tuple[str, str | None, str]:
    """Library, class of the client, and method: the class is the part that begins with a capital letter."""
    library, _, method = function_name.partition(".")
    client, _, rest = method.partition(".")
    return (library, client, rest) if rest and client[:1].isupper() else (library, None, method)


def _ending(body: Mapping[str, Any], facts: Mapping[str, Any]) -> Ending:
    status: str = body.get("status") or "SUCCESS"
    return facts.get("ending") or _ENDINGS[status]


_ENDINGS = {
    "SUCCESS": Ending.COMPLETE,
    "WARNING": Ending.COMPLETE,
    "ERROR": Ending.PROVIDER_ERROR,
}


def _failure(body: Mapping[str, Any], ending: Ending) -> Failure | None:
    message: str = body.get("error_message") or ""
    kind, found, rest = message.partition(": ")
    if found and kind.isidentifier():
        return Failure(kind, rest)
    if ending is Ending.PROVIDER_ERROR or message:
        return Failure(body.get("error_type") or "UNKNOWN_ERROR", message)
    return None
