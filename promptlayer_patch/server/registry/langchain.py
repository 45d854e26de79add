"""Prompt templates in the form in which LangChain wrote them in 2023, and clients of that time still do."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from promptlayer_patch.server.refusals import Invalid
from promptlayer_patch.server.registry.parts import text_in

__all__ = ["from_langchain", "to_langchain"]

_CHAT = "chat_promptlayer_langchain"
_CHATS = (_CHAT, "chat")
_ROLES = {"human": "user", "ai": "assistant"}
_PLACE = ("body", "prompt_template")


def from_langchain(serialised: Mapping[str, Any]) -> dict[str, Any]:
    """In PromptLayer's form of today, not checked yet; what is in that form already stays as it is."""
    kind = serialised.get("_type")
    if kind in _CHATS:
        return {
            "type": "chat",
            "messages": [_message(one) for one in _list(serialised.get("messages"), "messages")],
            "functions": serialised.get("functions"),
            "function_call": serialised.get("function_call"),
            "input_variables": serialised.get("input_variables"),
        }
    if kind == "prompt" or (kind is None and "template" in serialised):
        return {"type": "completion", **_prompt(serialised)}
    if kind is None and serialised.get("type") in ("chat", "completion"):
        return dict(serialised)
    raise Invalid([((*_PLACE, "_type"), f"expected 'prompt' or '{_CHAT}'", "value_error")])


def to_langchain(template: Mapping[str, Any]) -> dict[str, Any]:
    """As clients of that time read it. Of a content that is more than text, the texts."""
    if template["type"] == "completion":
        return _serialised(template)
    return {
        "_type": _CHAT,
        "messages": [_serialised_message(message) for message in template["messages"]],
        "input_variables": template["input_variables"],
        "functions": template["functions"],
        "function_call": template["function_call"] or "none",
    }


def _message(message: Any) -> Any:
    if not isinstance(message, Mapping) or not isinstance(message.get("prompt"), Mapping):
        return message
    said = {key: value for key, value in message.items() if key not in ("prompt", "_type")}
    role = said.get("role")
    return {
        **said,
        "role": _ROLES.get(role, role) if isinstance(role, str) else role,
        **_prompt(message["prompt"]),
    }


def _prompt(prompt: Mapping[str, Any]) -> dict[str, Any]:
    text_format = prompt.get("template_format", "f-string")
    return {
        "content": prompt.get("template"),
        "input_variables": prompt.get("input_variables"),
        "template_format": "jinja2" if text_format == "jinja" else text_format,
    }


def _serialised_message(message: Mapping[str, Any]) -> dict[str, Any]:
    named = {} if message.get("name") is None else {"name": message["name"]}
    if message.get("function_call"):
        return {
            "role": message["role"],
            "content": text_in(message["content"]),
            "function_call": message["function_call"],
            **named,
        }
    return {"role": message["role"], "prompt": _serialised(message), **named}


def _serialised(part: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "_type": "prompt",
        "template": text_in(part["content"]),
        "input_variables": part["input_variables"],
        "template_format": part["template_format"],
    }


def _list(value: Any, name: str) -> list[Any]:
    if not isinstance(value, list):
        raise Invalid([((*_PLACE, name), "expected a list", "list_type")])
    return value
