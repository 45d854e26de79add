"""The stand-in's `/chat/completions`."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from itertools import zip_longest
from typing import Any

from promptlayer_patch.demo import desk
from promptlayer_patch.demo.replies import (
    CREATED,
    ApiError,
    Body,
    Events,
    Json,
    Reply,
    choice_count,
    required,
    stable_id,
)

__all__ = ["FINGERPRINT", "chat_completions", "usage_of", "wants_usage"]

FINGERPRINT = "fp_lantern"


def chat_completions(body: Body) -> Reply:
    """Answer a chat, whole or as a stream."""
    messages = required(body, "messages")
    if not isinstance(messages, list) or not all(isinstance(message, Mapping) for message in messages):
        raise ApiError(
            "Invalid 'messages': expected an array of objects.", param="messages", code="invalid_type"
        )
    inquiry = _inquiry(body, messages)
    choices = [_choice(body, inquiry, index) for index in range(choice_count(body))]
    usage = usage_of(_prompt_text(body, messages), [_said(choice["message"]) for choice in choices])
    envelope = {
        "id": stable_id("chatcmpl-", body),
        "created": CREATED,
        "model": body["model"],
        "service_tier": "default",
        "system_fingerprint": FINGERPRINT,
    }
    if body.get("stream"):
        return Events(_chat_chunks(envelope, choices, usage if wants_usage(body) else None))
    return Json({**envelope, "object": "chat.completion", "choices": choices, "usage": usage})


def _inquiry(body: Body, messages: list[Any]) -> desk.Inquiry:
    asked = max((i for i, m in enumerate(messages) if m.get("role") == "user"), default=-1)
    since = messages[asked + 1 :]
    results = (desk.text_of(message.get("content")) for message in since if message.get("role") == "tool")
    calls = (call for message in since for call in message.get("tool_calls") or ())
    choice = body.get("tool_choice")
    forced = choice.get("function") if isinstance(choice, Mapping) else None
    return desk.Inquiry(
        question=desk.text_of(messages[asked].get("content")) if asked >= 0 else "",
        tool_results=tuple(results),
        called=tuple(call["function"]["name"] for call in calls if call.get("function")),
        tools=() if choice == "none" else tuple(_tools(body)),
        forced_tool=forced["name"] if forced else None,
        must_call=choice == "required",
        schema=_schema(body.get("response_format"), _prompt_text(body, messages)),
    )


def _tools(body: Body) -> Iterator[desk.Tool]:
    for tool in body.get("tools") or ():
        function = tool.get("function") or {}
        if tool.get("type") == "function" and function.get("name"):
            yield desk.Tool(function["name"], function.get("description") or "", function.get("parameters"))


def _schema(response_format: Any, prompt: str) -> Mapping[str, Any] | None:
    match response_format:
        case {"type": "json_schema", "json_schema": {"schema": Mapping() as schema}}:
            return schema
        case {"type": "json_object"}:
            return desk.schema_in(prompt)
    return None


def _choice(body: Body, inquiry: desk.Inquiry, index: int) -> dict[str, Any]:
    reply = desk.answer(inquiry, index)
    message: dict[str, Any] = {"role": "assistant", "content": None, "refusal": None, "annotations": []}
    if isinstance(reply, desk.ToolCall):
        function = {"name": reply.name, "arguments": reply.arguments}
        message["tool_calls"] = [{"id": reply.id, "type": "function", "function": function}]
        finish = "tool_calls"
    else:
        limit = body.get("max_completion_tokens") or body.get("max_tokens")
        message["content"], cut = desk.shorten(reply, limit)
        finish = "length" if cut else "stop"
    return {"index": index, "message": message, "logprobs": None, "finish_reason": finish}


def _prompt_text(body: Body, messages: list[Any]) -> str:
    said = "".join(desk.text_of(message.get("content")) for message in messages)
    return said + (json.dumps(body["tools"]) if body.get("tools") else "")


def _said(message: Mapping[str, Any]) -> str:
    functions = (call["function"] for call in message.get("tool_calls", ()))
    calls = "".join(function["name"] + function["arguments"] for function in functions)
    return (message["content"] or "") + calls


def usage_of(prompt: str, answers: list[str]) -> dict[str, Any]:
    """The `usage` object for a prompt and everything said in answer to it."""
    asked, told = desk.tokens(prompt), sum(map(desk.tokens, answers))
    return {
        "prompt_tokens": asked,
        "completion_tokens": told,
        "total_tokens": asked + told,
        "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
        "completion_tokens_details": {
            "reasoning_tokens": 0,
            "audio_tokens": 0,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    }


def wants_usage(body: Body) -> bool:
    """Whether the caller of a stream asked for its usage."""
    return bool((body.get("stream_options") or {}).get("include_usage"))


def _chat_chunks(envelope: Body, choices: list[dict[str, Any]], usage: Body | None) -> Iterator[Body]:
    frame = {**envelope, "object": "chat.completion.chunk"}
    if usage is not None:
        frame["usage"] = None
    # Several choices arrive interleaved, as they are written at the same time.
    for deltas in zip_longest(*(_deltas(choice["message"]) for choice in choices)):
        for index, delta in enumerate(deltas):
            if delta is not None:
                yield {**frame, "choices": [_chunk_choice(index, delta)]}
    for choice in choices:
        yield {**frame, "choices": [_chunk_choice(choice["index"], {}, choice["finish_reason"])]}
    if usage is not None:
        yield {**frame, "choices": [], "usage": usage}


def _chunk_choice(index: int, delta: Body, finish_reason: str | None = None) -> Body:
    return {"index": index, "delta": delta, "logprobs": None, "finish_reason": finish_reason}


def _deltas(message: Body) -> Iterator[Body]:
    if message["content"] is not None:
        yield {"role": "assistant", "content": "", "refusal": None}
        for piece in desk.pieces(message["content"]):
            yield {"content": piece}
        return
    call = message["tool_calls"][0]
    start = {**call, "index": 0, "function": {"name": call["function"]["name"], "arguments": ""}}
    yield {"role": "assistant", "content": None, "tool_calls": [start]}
    for piece in desk.pieces(call["function"]["arguments"]):
        yield {"tool_calls": [{"index": 0, "function": {"arguments": piece}}]}
