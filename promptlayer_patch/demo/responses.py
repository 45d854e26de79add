"""The stand-in's `/responses`: the same desk, in the items and named events of the Responses API."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from itertools import count
from typing import Any

from promptlayer_patch.demo import desk
from promptlayer_patch.demo.replies import CREATED, Body, Events, Json, Reply, required, stable_id

__all__ = ["responses"]


def responses(body: Body) -> Reply:
    """Answer one response, whole or as a stream."""
    asked = required(body, "input")
    items = [{"role": "user", "content": asked}] if isinstance(asked, str) else list(asked)
    item, said = _item(body, desk.answer(_inquiry(body, items)))
    asked_tokens, told_tokens = desk.tokens(_prompt_text(body, items)), desk.tokens(said)
    usage = {
        "input_tokens": asked_tokens,
        "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
        "output_tokens": told_tokens,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": asked_tokens + told_tokens,
    }
    begun = _envelope(body)
    cut = item["status"] == "incomplete"
    whole = {
        **begun,
        "status": item["status"],
        "incomplete_details": {"reason": "max_output_tokens"} if cut else None,
        "output": [item],
        "usage": usage,
    }
    if body.get("stream"):
        return Events(_events(begun, item, whole), named=True)
    return Json(whole)


def _envelope(body: Body) -> dict[str, Any]:
    return {
        "id": stable_id("resp_", body),
        "object": "response",
        "created_at": CREATED,
        "status": "in_progress",
        "background": False,
        "error": None,
        "incomplete_details": None,
        "instructions": body.get("instructions"),
        "max_output_tokens": body.get("max_output_tokens"),
        "metadata": body.get("metadata") or {},
        "model": body["model"],
        "output": [],
        "parallel_tool_calls": True,
        "previous_response_id": body.get("previous_response_id"),
        "reasoning": {"effort": None, "summary": None},
        "service_tier": "default",
        "store": body.get("store", True),
        "temperature": body.get("temperature", 1.0),
        "text": body.get("text") or {"format": {"type": "text"}},
        "tool_choice": body.get("tool_choice") or "auto",
        "tools": body.get("tools") or [],
        "top_p": body.get("top_p", 1.0),
        "truncation": "disabled",
        "usage": None,
    }


def _inquiry(body: Body, items: list[Any]) -> desk.Inquiry:
    asked = max((i for i, item in enumerate(items) if item.get("role") == "user"), default=-1)
    since = items[asked + 1 :]
    outputs = (item for item in since if item.get("type") == "function_call_output")
    calls = (item for item in since if item.get("type") == "function_call")
    choice = body.get("tool_choice")
    return desk.Inquiry(
        question=desk.text_of(items[asked].get("content")) if asked >= 0 else "",
        tool_results=tuple(desk.text_of(item.get("output")) for item in outputs),
        called=tuple(call["name"] for call in calls),
        tools=() if choice == "none" else tuple(_tools(body)),
        forced_tool=choice.get("name") if isinstance(choice, Mapping) else None,
        must_call=choice == "required",
        schema=_schema((body.get("text") or {}).get("format"), _prompt_text(body, items)),
    )


def _tools(body: Body) -> Iterator[desk.Tool]:
    for tool in body.get("tools") or ():
        if tool.get("type") == "function":
            yield desk.Tool(tool["name"], tool.get("description") or "", tool.get("parameters"))


def _schema(text_format: Any, prompt: str) -> Mapping[str, Any] | None:
    match text_format:
        case {"type": "json_schema", "schema": Mapping() as schema}:
            return schema
        case {"type": "json_object"}:
            return desk.schema_in(prompt)
    return None


def _item(body: Body, reply: str | desk.ToolCall) -> tuple[dict[str, Any], str]:
    """The output item, and what of it counts as said."""
    if isinstance(reply, desk.ToolCall):
        call = {
            "id": stable_id("fc_", body),
            "type": "function_call",
            "status": "completed",
            "arguments": reply.arguments,
            "call_id": reply.id,
            "name": reply.name,
        }
        return call, reply.name + reply.arguments
    text, cut = desk.shorten(reply, body.get("max_output_tokens"))
    message = {
        "id": stable_id("msg_", body),
        "type": "message",
        "status": "incomplete" if cut else "completed",
        "content": [_part(text)],
        "role": "assistant",
    }
    return message, text


def _part(text: str) -> dict[str, Any]:
    return {"type": "output_text", "annotations": [], "logprobs": [], "text": text}


def _prompt_text(body: Body, items: list[Any]) -> str:
    said = "".join(desk.text_of(item.get("content")) + desk.text_of(item.get("output")) for item in items)
    tools = json.dumps(body["tools"]) if body.get("tools") else ""
    return (body.get("instructions") or "") + said + tools


def _events(begun: Body, item: Body, whole: Body) -> Iterator[Body]:
    sequence = count()

    def event(type: str, **fields: Any) -> Body:
        return {"type": type, "sequence_number": next(sequence), **fields}

    yield event("response.created", response=begun)
    yield event("response.in_progress", response=begun)
    empty: Body = {"arguments": ""} if item["type"] == "function_call" else {"content": []}
    yield event("response.output_item.added", output_index=0, item={**item, "status": "in_progress", **empty})
    at = {"item_id": item["id"], "output_index": 0}
    if item["type"] == "function_call":
        for piece in desk.pieces(item["arguments"]):
            yield event("response.function_call_arguments.delta", **at, delta=piece)
        yield event(
            "response.function_call_arguments.done", **at, name=item["name"], arguments=item["arguments"]
        )
    else:
        at["content_index"] = 0
        part = item["content"][0]
        yield event("response.content_part.added", **at, part=_part(""))
        for piece in desk.pieces(part["text"]):
            yield event("response.output_text.delta", **at, delta=piece, logprobs=[])
        yield event("response.output_text.done", **at, text=part["text"], logprobs=[])
        yield event("response.content_part.done", **at, part=part)
    yield event("response.output_item.done", output_index=0, item=item)
    yield event(f"response.{whole['status']}", response=whole)
