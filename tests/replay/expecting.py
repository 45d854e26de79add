"""What the record of a call must hold, told from what was sent, what was answered and what was returned."""

from __future__ import annotations

import json
import re
from itertools import pairwise
from typing import Any

import openai

from promptlayer_patch.records import Ending, Record

from .assembling import gist_of_choices, gist_of_record, gist_of_stream
from .cases import Case
from .comparing import first_difference
from .multipart import Part, parts_of
from .playing import Account
from .runs import Played

RECORDED = frozenset(
    {
        "audio.speech.create",
        "audio.transcriptions.create",
        "audio.translations.create",
        "batches.create",
        "beta.threads.runs.create",
        "beta.threads.runs.stream",
        "beta.threads.runs.submit_tool_outputs",
        "chat.completions.create",
        "chat.completions.parse",
        "chat.completions.stream",
        "completions.create",
        "embeddings.create",
        "images.create_variation",
        "images.edit",
        "images.generate",
        "moderations.create",
        "responses.create",
        "responses.parse",
        "responses.stream",
    }
)
NOT_RECORDED = frozenset(
    {
        "beta.assistants.create",
        "beta.assistants.retrieve",
        "beta.threads.create",
        "beta.threads.messages.create",
        "beta.threads.messages.list",
        "beta.threads.runs.retrieve",
        "files.content",
        "files.create",
        "files.delete",
        "files.list",
        "files.retrieve",
        "models.delete",
        "models.list",
        "models.retrieve",
        "responses.input_tokens.count",
    }
)


def expected_records(played: Played) -> int:
    """One for a call of a model, none for the keeping of books."""
    method = played.call.method
    assert method in RECORDED or method in NOT_RECORDED, f"decide whether {method} is recorded"
    return int(method in RECORDED and bool(played.account.sent))


def problems_of(record: Record, played: Played, case: Case, *, is_async: bool) -> list[str]:
    """Everything about `record` that is not as it must be."""
    expected = {**_facts(played, case, is_async=is_async), **_outcome(played)}
    got = {name: _plain(getattr(record, name)) for name in expected}
    found = [first_difference(expected[name], got[name], f"record.{name}") for name in expected]
    found += [
        first_difference(_request(played), _request_in(record, played), "record.request"),
        _response_problem(record, played),
        _time_problem(record, played),
    ]
    return [problem for problem in found if problem is not None]


def _facts(played: Played, case: Case, *, is_async: bool) -> dict[str, Any]:
    azure = case.client.get("type") == "azure"
    last = played.account.sent[-1]
    headers = {name.lower(): value for name, value in played.call.exchanges[-1].headers}
    return {
        "function_name": f"openai.{played.path}",
        "client": f"{'Async' if is_async else ''}{'Azure' if azure else ''}OpenAI",
        "provider": "openai.azure" if azure else "openai",
        "endpoint": last.url.partition("?")[0],
        "streamed": played.account.items is not None,
        "status": played.call.exchanges[-1].status,
        "attempts": len(played.account.sent),
        "provider_request_id": headers.get("x-request-id"),
        "sdk": "openai-python",
        "sdk_version": openai.__version__,
        "tags": (),
        "metadata": {},
    }


def _outcome(played: Played) -> dict[str, Any]:
    error = played.account.error
    if error is None:
        return {"ending": Ending.COMPLETE, "error": None}
    failure = (type(error).__name__, _without_keys(str(error)), getattr(error, "status_code", None))
    return {"ending": Ending.PROVIDER_ERROR, "error": failure}


def _plain(value: Any) -> Any:
    """A failure as a tuple; everything else as it is."""
    is_failure = hasattr(value, "message") and hasattr(value, "status")
    return (value.type, _without_keys(value.message), value.status) if is_failure else value


def _without_keys(message: str) -> str:
    """A provider's message may quote the API key it refused; a record may not."""
    return re.sub(r"sk-\S+|\*{3,}", "***", message)


def _binary(played: Played) -> bool:
    return isinstance(played.account.value, bytes)


def _request(played: Played) -> Any:
    sent = played.account.sent[-1]
    if not sent.content_type.startswith("multipart/"):
        return json.loads(sent.body)
    return {part.name: _field(part) for part in parts_of(sent.content_type, sent.body)}


def _field(part: Part) -> Any:
    if part.filename is None:
        return part.content.decode()
    return {"name": part.filename, "type": part.content_type, "bytes": len(part.content)}


def _request_in(record: Record, played: Played) -> Any:
    if not played.account.sent[-1].content_type.startswith("multipart/"):
        return record.request
    # A form has no numbers: what the caller gave as 0.7 is sent as text.
    entries = record.request.items()
    return {name: value if isinstance(value, dict) else str(value) for name, value in entries}


def _response_problem(record: Record, played: Played) -> str | None:
    account, exchange = played.account, played.call.exchanges[-1]
    if account.items is not None:
        expected: Any = gist_of_stream(played.path, account, exchange)
        got: Any = gist_of_record(played.path, record.response)
        difference = first_difference(expected, got, "record.response")
        return difference or _assembly_problem(record, played)
    if _binary(played):
        headers = dict(exchange.headers)
        expected = {"content_type": headers["content-type"], "bytes": len(exchange.body)}
    else:
        expected = _decoded(exchange.body, account)
    return first_difference(expected, record.response, "record.response")


def _decoded(body: bytes, account: Account) -> Any:
    try:
        decoded = json.loads(body)
    except ValueError:
        return body.decode()
    if isinstance(account.value, openai.types.CreateEmbeddingResponse):
        for wire, returned in zip(decoded["data"], account.value.data, strict=True):
            wire["embedding"] = returned.embedding
    return decoded


def _assembly_problem(record: Record, played: Played) -> str | None:
    """Whether the stream helper of the client made the same of it."""
    final = played.account.final
    if final is None or "chat" not in played.path:
        return None
    expected = gist_of_choices(final.model_dump(exclude_unset=True, warnings=False))
    got = gist_of_choices(record.response)
    # Not the id and the model: old helpers take them from the first chunk, where Azure leaves them empty.
    for gist in (expected, got):
        del gist["id"], gist["model"]
    return first_difference(expected, got, "record.response (helper)")


def _time_problem(record: Record, played: Played) -> str | None:
    moments = [played.began, record.started_at, record.first_token_at, record.ended_at, played.ended]
    known = [moment for moment in moments if moment is not None]
    # The two clocks a record is made from agree to well under this.
    if any(later < earlier - 0.005 for earlier, later in pairwise(known)):
        return f"record: times out of order: {moments}"
    if record.first_token_at is not None and not record.streamed and not _binary(played):
        return "record.first_token_at: set without a stream"
    return None
