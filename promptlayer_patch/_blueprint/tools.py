"""The tools a model was offered, and how it was to choose, as a template holds them."""

from __future__ import annotations

from typing import Any

from promptlayer_patch._blueprint.reading import Json, entries, mapping, string

__all__ = ["tools_beside"]

_KINDS = (
    ("web_search", "web_search"),
    ("file_search", "file_search"),
    ("code_", "code_interpreter"),
    ("image_generation", "image_generation"),
    ("mcp", "mcp"),
    ("bash", "bash"),
    ("local_shell", "shell"),
    ("shell", "shell"),
    ("apply_patch", "apply_patch"),
    ("text_editor", "text_editor"),
)
"""What the types of hosted tools begin with (a date may follow), and PromptLayer's types."""


def tools_beside(request: Json, provider: str) -> dict[str, Any]:
    """The parts of a chat template that `request` has: tools, functions, and how one of them is chosen."""
    found: dict[str, Any] = {}
    if offered := entries(request.get("tools")):
        found["tools"] = [_tool(tool, provider) for tool in offered if isinstance(tool, dict)]
    if functions := entries(request.get("functions")):
        found["functions"] = functions
    if request.get("function_call") is not None:
        found["function_call"] = request["function_call"]
    if request.get("tool_choice") is not None:
        found["tool_choice"] = _choice(request["tool_choice"])
    return found


def _tool(tool: Json, provider: str) -> dict[str, Any]:
    kind = string(tool.get("type")) or "function"
    if kind == "function" or "input_schema" in tool:
        return {"type": "function", "function": _function(tool)}
    config = mapping(tool.get(kind)) or {key: value for key, value in tool.items() if key != "type"}
    named = next((ours for prefix, ours in _KINDS if kind.startswith(prefix)), kind)
    name = string(config.get("name")) or string(config.get("server_label")) or named
    return {
        "type": named,
        "id": name,
        "name": name,
        "description": string(config.get("description")),
        "provider": provider,
        "config": dict(config),
    }


def _function(tool: Json) -> dict[str, Any]:
    """A function as chat completions nest it; elsewhere it is flat, and Anthropic says `input_schema`."""
    known = mapping(tool.get("function")) or tool
    rest = {key: known[key] for key in known if key not in ("type", "input_schema")}
    return {
        **rest,
        "name": string(known.get("name")),
        "description": string(known.get("description")),
        "strict": known.get("strict") is True,
        "parameters": known.get("parameters") or known.get("input_schema") or {},
    }


def _choice(given: Any) -> Any:
    if not isinstance(given, dict):
        return given
    kind, name = given.get("type"), given.get("name")
    if kind in ("auto", "none"):
        return kind
    if kind == "any":
        return "required"
    if kind in ("function", "tool") and isinstance(name, str):
        return {"type": "function", "function": {"name": name}}
    return given
