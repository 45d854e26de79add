"""A finished `Call` as a `Record`. On the worker's thread: here bytes are decoded, streams put together."""

from __future__ import annotations

import json
import mimetypes
import re
import sys
import zlib
from collections import deque
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from promptlayer_patch._bodies import Bodies, keep, outlined
from promptlayer_patch._capture.call import Call, header, is_text
from promptlayer_patch._folding import Folded, fold_stream, parse_events
from promptlayer_patch._parsing import parsed
from promptlayer_patch._vectors import has_vectors
from promptlayer_patch.records import Ending, Failure, Record

_KEYS = re.compile(r"\b(?:sk|pl|rk)[-_][A-Za-z0-9_*-]{12,}|(?<=Bearer )[A-Za-z0-9._-]{12,}")
"""API keys, as providers quote them in error messages."""

_LONG = 16_384
"""Bytes of a request that is not kept as data."""

_LEFT_OUT = frozenset({"NotGiven", "Omit"})
"""Types of the objects by which the client marks arguments that were left out."""


def record_of(call: Call) -> Record:
    """Everything `call` kept, decoded. What cannot be decoded is kept as text, so no data makes it fail."""
    content_type = call.content_type
    body = _body(call, content_type)
    streams = body is not None and _is_event_stream(content_type, body)
    folded = fold_stream(body) if body is not None and streams else None
    response, answered = (folded.response, None) if folded else _response(call, body)
    request, asked = _request(call)
    client, provider = _client(call.client_type)
    ending, failure = _verdict(call, folded, response)
    if ending is Ending.ABANDONED and body is not None and folded is not None and _ends_unreadable(body):
        # Before openai 2 nothing tells us that the client raised over an event it could not read.
        ending, failure = (
            Ending.PROVIDER_ERROR,
            Failure("JSONDecodeError", "an event of the stream is no JSON"),
        )
    record = Record(
        id=call.receipt.record_id,
        function_name=call.name,
        client=client,
        provider=provider,
        endpoint=_endpoint(call.url),
        request=request,
        response=response,
        streamed=folded is not None or (call.streaming and "event-stream" in content_type),
        started_at=call.started_at,
        ended_at=_wall_time(call, call.ended),
        first_token_at=_first_token_at(call, folded),
        ending=ending,
        error=failure,
        status=call.status,
        attempts=max(1, call.attempts),
        provider_request_id=header(call.headers, "x-request-id") or None,
        tags=call.tags,
        metadata=call.metadata,
        group_id=call.group_id,
        prompt=call.prompt,
        sdk_version=getattr(sys.modules.get("openai._version"), "__version__", None),
        shortened_from=call.left_out + call.size if call.left_out else None,
    )
    vectors = answered is not None and not call.keeps_base64 and has_vectors(response)
    outlines = {"response": outlined(response)} if vectors else {}
    if asked is not None and len(asked) >= _LONG:
        outlines["request"] = outlined(request)
    keep(record, Bodies(asked, answered, vectors, outlines))
    return record


def _body(call: Call, content_type: str) -> bytes | None:
    body = b"".join(call.chunks) if call.chunks else call.body
    if body is None or not is_text(content_type):
        return None
    if not call.raw_encoded:
        return body
    match header(call.headers, "content-encoding").lower():
        case "":
            return body
        case "gzip":
            return _inflated(body, zlib.MAX_WBITS | 16)
        case "deflate":
            return _inflated(body, zlib.MAX_WBITS)
    return None


def _inflated(body: bytes, window: int) -> bytes | None:
    try:
        return zlib.decompressobj(window).decompress(body)  # an object: the stream may have been cut
    except zlib.error:
        return None


def _is_event_stream(content_type: str, body: bytes) -> bool:
    # Some compatible servers stream events under another content type.
    return "event-stream" in content_type or body[:64].lstrip().startswith((b"data:", b"event:"))


def _response(call: Call, body: bytes | None) -> tuple[Any, bytes | None]:
    """The response and, where that is what it was decoded from, its JSON."""
    if call.result is not None:
        return _dumped(call.result), None
    if body is None:
        size = call.output_size or sum(map(len, call.chunks))
        if not size or call.left_out:
            return None, None
        return {"content_type": call.content_type, "bytes": size}, None
    return _decoded(body)


def _decoded(body: bytes) -> tuple[Any, bytes | None]:
    if not body:
        return None, None
    try:
        return parsed(body), body
    except (ValueError, RecursionError):
        pass
    try:
        return json.loads(body), None  # in another encoding
    except (ValueError, RecursionError):
        return body.decode("utf-8", "replace"), None


def _dumped(result: Any) -> Any:
    """A result as data, where only the object is at hand."""
    for method in ("to_dict", "model_dump"):
        dump = getattr(result, method, None)
        if callable(dump):
            try:
                return dump()
            except Exception:
                continue
    return result if isinstance(result, (str, dict, list)) else None


def _request(call: Call) -> tuple[dict[str, Any], bytes | None]:
    """The request and, where that is what it was decoded from, its JSON."""
    if call.request_body is not None:
        data, as_json = _decoded(call.request_body)
        return (data, as_json) if isinstance(data, dict) else ({"body": data}, None)
    fields = call.fields if isinstance(call.fields, Mapping) else {}
    request = {key: value for key, value in fields.items() if type(value).__name__ not in _LEFT_OUT}
    for field, name, kind, size in call.files:
        file = {"name": name, "type": kind or mimetypes.guess_type(name or "")[0], "bytes": size}
        plain = field.removesuffix("[]")
        request[plain] = [*request[plain], file] if isinstance(request.get(plain), list) else file
    return request, None


def _verdict(call: Call, folded: Folded | None, response: Any) -> tuple[Ending, Failure | None]:
    """How the call ended, now that the body has been read: a provider may report its failure there."""
    ending, failure = call.ending, call.failure
    reported = folded.error if folded else None
    if reported is None and isinstance(response, Mapping) and response.get("status") == "failed":
        found = response.get("error")
        reported = found if isinstance(found, Mapping) else {"message": "the response failed"}
    if reported is not None and ending is not Ending.CANCELLED:
        if ending is not Ending.PROVIDER_ERROR or failure is None:
            failure = _reported(reported)
        ending = Ending.PROVIDER_ERROR
    if failure is not None:
        failure = Failure(failure.type, _KEYS.sub("***", failure.message), failure.status)
    return ending, failure


def _ends_unreadable(body: bytes) -> bool:
    """Whether the last event of a body is whole, and yet not JSON."""
    if not body.endswith((b"\n\n", b"\r\n\r\n")):
        return False
    events = deque(parse_events(body), maxlen=1)
    if not events or events[0].data.startswith("[DONE]"):
        return False
    try:
        json.loads(events[0].data)
    except (ValueError, RecursionError):
        return True
    return False


def _reported(error: Mapping[str, Any]) -> Failure:
    kind = error.get("type") or error.get("code") or "error"
    return Failure(str(kind), str(error.get("message") or ""), None)


def _first_token_at(call: Call, folded: Folded | None) -> float | None:
    """When the network handed over the chunk in which the first output stands."""
    if not call.stamps:
        return None
    if folded is None:
        return None if call.chunks else _wall_time(call, call.stamps[0])
    if folded.first_output_at is None:
        return None
    seen = 0
    for chunk, stamp in zip(call.chunks, call.stamps, strict=False):
        seen += len(chunk)
        if seen >= folded.first_output_at:
            return _wall_time(call, stamp)
    return None


def _wall_time(call: Call, stamp: float) -> float:
    return call.started_at + (stamp - call.started)


@lru_cache(16)
def _client(client_type: type | None) -> tuple[str | None, str]:
    """The class to name and the provider, of a client that may be a subclass of the user's."""
    names = [base.__name__ for base in (client_type.__mro__ if client_type else ())]
    provider = "openai.azure" if any("Azure" in name for name in names) else "openai"
    if any("ModuleClient" in name for name in names):
        return None, provider
    known = ("AsyncAzureOpenAI", "AzureOpenAI", "AsyncOpenAI", "OpenAI")
    return next((name for name in names if name in known), None), provider


def _endpoint(url: Any) -> str:
    if url is None:
        return ""
    if isinstance(url, str):
        return url.partition("?")[0]
    return f"{url.scheme}://{url.netloc.decode('ascii', 'replace')}{url.path}"
