"""What a stream amounts to, put together from the objects the application received.

Written without a look at how the SDK under test folds its bytes, so that the two can be compared.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from .cases import Exchange
from .playing import Account

_ENDS_OF_A_RESPONSE = ("response.completed", "response.incomplete", "response.failed")


def gist_of_stream(path: str, account: Account, exchange: Exchange) -> dict[str, Any]:
    """Text, tool calls, finish reasons and usage as the application saw them arrive."""
    items = [_dump(item) for item in account.items or ()]
    if "responses" in path:
        return _gist_of_events(items, exchange)
    if "threads" in path:
        return _gist_of_run_events(items)
    chunks = [item["chunk"] if item.get("type") == "chunk" else item for item in items if _is_chunk(item)]
    return _gist_of_chunks(chunks)


def gist_of_record(path: str, response: Mapping[str, Any]) -> dict[str, Any]:
    """The same of the object in a record."""
    if "responses" in path:
        return {"response": response, "text": _text_of_response(response), "usage": response.get("usage")}
    if "threads" in path:
        return _gist_of_run(response)
    return gist_of_choices(response)


def gist_of_choices(response: Mapping[str, Any]) -> dict[str, Any]:
    """The same of a whole completion, chat or not."""
    return {
        "id": response.get("id"),
        "model": response.get("model"),
        "usage": _without_unset(response.get("usage")),
        "choices": {choice["index"]: _gist_of_choice(choice) for choice in response["choices"]},
    }


def _gist_of_choice(choice: Mapping[str, Any]) -> dict[str, Any]:
    message = choice.get("message") or {}
    calls = [_gist_of_tool_call(call) for call in message.get("tool_calls") or ()]
    function = message.get("function_call")
    return {
        "text": choice.get("text") or message.get("content") or "",
        "refusal": message.get("refusal") or "",
        "reasoning": message.get("reasoning_content") or message.get("reasoning") or "",
        "tool calls": calls,
        "function call": function and (function.get("name"), function.get("arguments")),
        "finish reason": choice.get("finish_reason"),
        "logprobs": _logprobs(choice),
    }


def _gist_of_tool_call(call: Mapping[str, Any]) -> tuple[Any, ...]:
    function = call.get("function") or {}
    return (call.get("id"), call.get("type"), function.get("name"), function.get("arguments"))


def _gist_of_chunks(chunks: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    choices: dict[int, dict[str, Any]] = {}
    for chunk in chunks:
        for part in chunk.get("choices") or ():
            _add_to_choice(choices.setdefault(part["index"], {"index": part["index"], "message": {}}), part)
    for choice in choices.values():
        calls = choice["message"].get("tool_calls")
        if calls:
            choice["message"]["tool_calls"] = [calls[index] for index in sorted(calls)]
    usages = [chunk["usage"] for chunk in chunks if chunk.get("usage")]
    return gist_of_choices(
        {
            "id": next((chunk["id"] for chunk in chunks if chunk.get("id")), chunks[0].get("id")),
            "model": next((chunk["model"] for chunk in chunks if chunk.get("model")), None),
            "usage": usages[-1] if usages else None,
            "choices": list(choices.values()),
        }
    )


def _add_to_choice(choice: dict[str, Any], part: Mapping[str, Any]) -> None:
    choice["text"] = choice.get("text", "") + (part.get("text") or "")
    choice["finish_reason"] = part.get("finish_reason") or choice.get("finish_reason")
    choice.setdefault("logprobs", {"content": []})["content"] += _logprobs(part)
    message, delta = choice["message"], part.get("delta") or {}
    for name in ("content", "refusal", "reasoning_content", "reasoning"):
        message[name] = (message.get(name) or "") + (delta.get(name) or "")
    if delta.get("function_call"):
        _append(message.setdefault("function_call", {}), delta["function_call"], ("name", "arguments"))
    for piece in delta.get("tool_calls") or ():
        call = message.setdefault("tool_calls", {}).setdefault(piece["index"], {})
        call["id"] = piece.get("id") or call.get("id")
        call["type"] = piece.get("type") or call.get("type")
        _append(call.setdefault("function", {}), piece.get("function") or {}, ("name", "arguments"))


def _append(whole: dict[str, Any], piece: Mapping[str, Any], names: Sequence[str]) -> None:
    for name in names:
        if piece.get(name) is not None:
            whole[name] = (whole.get(name) or "") + piece[name]


def _logprobs(choice: Mapping[str, Any]) -> list[Any]:
    logprobs = choice.get("logprobs") or {}
    return list(logprobs.get("content") or logprobs.get("tokens") or ())


def _gist_of_events(events: Sequence[Mapping[str, Any]], exchange: Exchange) -> dict[str, Any]:
    deltas = [event["delta"] for event in events if event["type"] == "response.output_text.delta"]
    last = next(event for event in reversed(events) if event["type"] in _ENDS_OF_A_RESPONSE)
    usage = last["response"].get("usage")
    return {"response": _last_snapshot(exchange), "text": "".join(deltas), "usage": usage}


def _last_snapshot(exchange: Exchange) -> Any:
    """The response as the server sent it last: a model of the client may know fewer of its fields."""
    for line in reversed(exchange.body.splitlines()):
        if line.startswith(b"data:") and b'"response"' in line:
            return json.loads(line.removeprefix(b"data:"))["response"]
    raise AssertionError("a recording without a response")


def _text_of_response(response: Mapping[str, Any]) -> str:
    parts = [part for item in response["output"] for part in item.get("content") or ()]
    return "".join(part["text"] for part in parts if part["type"] == "output_text")


def _gist_of_run_events(events: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    runs = [event["data"] for event in events if event["data"].get("object") == "thread.run"]
    deltas = [event["data"]["delta"] for event in events if event["event"] == "thread.message.delta"]
    pieces = [part["text"]["value"] for delta in deltas for part in delta["content"]]
    return {**_gist_of_run(runs[-1]), "text": "".join(pieces)}


def _gist_of_run(run: Mapping[str, Any]) -> dict[str, Any]:
    parts = [part for message in run.get("messages", ()) for part in message["content"]]
    return {
        **{name: run.get(name) for name in ("id", "object", "status", "usage", "model", "thread_id")},
        "text": "".join(part["text"]["value"] for part in parts),
    }


def _is_chunk(item: Mapping[str, Any]) -> bool:
    # A stream helper hands over each chunk and, besides, events it derived from the chunks.
    return "choices" in item or item.get("type") == "chunk"


def _without_unset(value: Any) -> Any:
    """`value` without its nulls: a model has null for what the server left out."""
    if isinstance(value, Mapping):
        return {name: _without_unset(entry) for name, entry in value.items() if entry is not None}
    return value


def _dump(item: Any) -> Any:
    return item.model_dump(exclude_unset=True, by_alias=True, warnings=False)
