"""Items of the Responses API, sent or received, as messages.

What the assistant did in one turn (thoughts, calls, a message) is several items there, and one message here.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from promptlayer_patch._blueprint import blocks
from promptlayer_patch._blueprint.blocks import Block
from promptlayer_patch._blueprint.messages import Message, answer, message, said, tool_result
from promptlayer_patch._blueprint.parts import call, content_of
from promptlayer_patch._blueprint.reading import Json, as_json, entries, mapping, mappings, string

__all__ = ["image_of", "messages_of_items"]


def messages_of_items(given: Any, role: str = "user") -> list[Message]:
    """The messages that the items in the list `given` make; those that do not say whose, are of `role`."""
    turns = _Turns(role)
    for item in entries(given):
        if isinstance(item, dict):
            turns.add(item)
        elif isinstance(item, str):
            turns.made.append(message("placeholder", [blocks.text(item)], "shortened"))
    return turns.made


class _Turns:
    """The messages so far; the last one grows while what comes is of the same turn of the assistant's."""

    def __init__(self, role: str) -> None:
        self.made: list[Message] = []
        self._role = role
        self._spoken = False
        """The assistant's turn has a message of its own: another one begins the next turn."""

    def add(self, item: Json) -> None:
        kind = item.get("type")
        if not isinstance(kind, str) or kind == "message":
            self._say(item)
        elif kind in _CALLS:
            self._call(_CALLS[kind](item))
        elif kind.endswith("_output"):
            self.made.append(tool_result(item.get("call_id"), _result(kind, item)))
        elif kind == "mcp_approval_response":
            self.made.append(message("user", [blocks.passed(item, "approval_request_id", "approve")]))
        else:
            self._do(kind, item)

    def _do(self, kind: str, item: Json) -> None:
        if kind == "reasoning" and self._spoken:
            self.made.append(answer([]))  # whoever thinks after having spoken begins anew
            self._spoken = False
        self._turn()["content"] += _ITEMS.get(kind, _other)(item)

    def _call(self, made: dict[str, Any]) -> None:
        turn = self._turn()
        if turn["tool_calls"] is None:
            turn["tool_calls"] = []
        turn["tool_calls"].append(made)

    def _say(self, item: Json) -> None:
        for made in said(item, self._role):
            if made["role"] == "assistant" and self._goes_on() and not self._spoken:
                # What was thought and called before it is of the same turn.
                made["content"] = [*self.made[-1]["content"], *made["content"]]
                made["tool_calls"] = [
                    *(self.made.pop()["tool_calls"] or ()),
                    *(made["tool_calls"] or ()),
                ] or None
            self.made.append(made)
            self._spoken = made["role"] == "assistant"

    def _goes_on(self) -> bool:
        return bool(self.made) and self.made[-1]["role"] == "assistant"

    def _turn(self) -> Message:
        if not self._goes_on():
            self.made.append(answer([]))
            self._spoken = False
        return self.made[-1]


def image_of(item: Json, data: Any, about: Json) -> list[Block]:
    """A generated image: a URL, or its data in base64."""
    mime_type = f"image/{string(about.get('output_format')) or 'png'}"
    url = string(item.get("url")) or (
        blocks.data_url(mime_type, data) if isinstance(data, str) and data else ""
    )
    told = {key: about[key] for key in ("revised_prompt", "size", "quality", "background") if about.get(key)}
    return [blocks.output_media(url, mime_type, "image", item.get("id"), told)] if url else []


def _function_call(item: Json) -> dict[str, Any]:
    return call(item.get("call_id"), item.get("name"), item.get("arguments"), tool_id=item.get("id"))


def _custom_call(item: Json) -> dict[str, Any]:
    return call(item.get("call_id"), item.get("name"), item.get("input"), "custom", item.get("id"))


def _computer_call(item: Json) -> dict[str, Any]:
    done = item.get("action") or item.get("actions")
    return call(item.get("call_id"), "computer", done, "computer_call", item.get("id"))


def _result(kind: str, item: Json) -> list[Block]:
    given = item.get("output")
    if kind in ("shell_call_output", "apply_patch_call_output"):
        return [blocks.passed(item, "id", "call_id", "output", "status")]
    return content_of(given if isinstance(given, (str, list, dict)) else []).blocks


def _reasoning(item: Json) -> list[Block]:
    thoughts = [*mappings(item.get("summary")), *mappings(item.get("content"))]
    thought = "\n\n".join(filter(None, (string(one.get("text")) for one in thoughts)))
    signature = item.get("encrypted_content")
    return [blocks.thinking(thought, signature, item.get("id"))] if thought or signature else []


def _server_tool(item: Json) -> list[Block]:
    """A tool that the provider ran: what it was told is in `action`, or beside the id."""
    told = mapping(item.get("action")) or {
        key: value for key, value in item.items() if key not in _NOT_TOLD and value is not None
    }
    name = string(item.get("type")).removesuffix("_call")
    return [blocks.server_tool_use(item.get("id"), name, told)]


_NOT_TOLD = frozenset({"id", "type", "status"})


def _code(item: Json) -> list[Block]:
    made = [blocks.passed(item, "id", "container_id", type="code", code=string(item.get("code")))]
    for output in mappings(item.get("outputs")):
        if output.get("type") == "logs":
            made.append(_execution(string(output.get("logs"))))
        elif url := string(output.get("url")):
            made.append(blocks.output_media(url, "image/png", "image"))
    return made


def _execution(output: str) -> Block:
    return {"type": "code_execution_result", "output": output, "outcome": "OUTCOME_OK"}


def _image_generation(item: Json) -> list[Block]:
    return image_of(item, item.get("result"), item)


def _local_shell(item: Json) -> list[Block]:
    return [blocks.passed(item, "id", "call_id", "action", "status", type="shell_call")]


def _fields(*names: str) -> Callable[[Json], list[Block]]:
    return lambda item: [blocks.passed(item, *names)]


def _other(item: Json) -> list[Block]:
    if string(item.get("type")).endswith("_call"):
        return _server_tool(item)
    return [blocks.text(as_json(item))]


_CALLS: dict[str, Callable[[Json], dict[str, Any]]] = {
    "function_call": _function_call,
    "custom_tool_call": _custom_call,
    "computer_call": _computer_call,
}
_ITEMS: dict[str, Callable[[Json], list[Block]]] = {
    "reasoning": _reasoning,
    "code_interpreter_call": _code,
    "image_generation_call": _image_generation,
    "local_shell_call": _local_shell,
    "shell_call": _fields("id", "call_id", "action", "status"),
    "apply_patch_call": _fields("id", "call_id", "operation", "status"),
    "mcp_list_tools": _fields("id", "server_label", "tools", "error"),
    "mcp_call": _fields("id", "name", "server_label", "arguments", "output", "error", "approval_request_id"),
    "mcp_approval_request": _fields("id", "name", "arguments", "server_label"),
}
