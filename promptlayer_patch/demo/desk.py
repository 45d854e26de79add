"""The support desk of Lantern, an invented bookkeeping app: what the stand-in says, and to what.

Everything here is a function of the request alone, so that equal questions get equal answers.
"""

from __future__ import annotations

import json
import random
import re
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from promptlayer_patch.demo.replies import stable_id

__all__ = [
    "Inquiry",
    "Tool",
    "ToolCall",
    "answer",
    "pieces",
    "schema_in",
    "shorten",
    "text_of",
    "tokens",
    "vector",
]

_ANSWERS = (
    ("password", "Choose 'Forgot password' on the sign-in page. The link we mail you is good for one hour."),
    (
        "refund",
        "A refund goes back to the card you paid with and takes three to five working days. "
        "You will get a mail as soon as it is on its way.",
    ),
    (
        "invoice",
        "Open Billing > Invoices and choose the month; the PDF downloads at once. "
        "New invoices are also mailed to the account owner on the first of every month.",
    ),
    (
        "export",
        "Go to Settings > Data > Export. A spreadsheet of all bookings is ready in a minute.",
    ),
    (
        "cancel",
        "You can cancel under Settings > Plan. Your books stay readable until the paid month ends.",
    ),
    (
        "team",
        "Under Settings > Team, enter their addresses and pick a role. Each gets an invitation.",
    ),
    (
        "start",
        "Welcome to Lantern! Connect your bank under Settings > Accounts, upload last month's receipts, "
        "and the first report is on your desk within the hour.",
    ),
    ("weather", "I cannot see the weather from here, but our couriers tell you when a delivery is late."),
)
_FALLBACK = "Thank you for writing to the Lantern support desk. A colleague will look into it before noon."
_OPENINGS = ("", "Certainly. ", "Happy to help. ", "Good question. ")
_DEFAULT_CITY = "Bergen"


@dataclass(frozen=True, slots=True)
class Tool:
    """A function the caller offers to the model."""

    name: str
    description: str = ""
    parameters: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class ToolCall:
    """The model's wish to have a function called; `arguments` is JSON text."""

    id: str
    name: str
    arguments: str


@dataclass(frozen=True, slots=True)
class Inquiry:
    """What matters of a request, whichever endpoint it came through."""

    question: str
    """The last thing the user said."""
    tool_results: tuple[str, ...] = ()
    """What tools returned since then."""
    called: tuple[str, ...] = ()
    """The tools that were called since then."""
    tools: tuple[Tool, ...] = ()
    forced_tool: str | None = None
    must_call: bool = False
    """Whether the answer has to be a call of some tool."""
    schema: Mapping[str, Any] | None = None
    """JSON schema the answer must follow, if one was asked for."""


def answer(inquiry: Inquiry, variant: int = 0) -> str | ToolCall:
    """What the desk replies. Different `variant`s word the same answer differently."""
    text = _OPENINGS[variant % len(_OPENINGS)] + _canned(inquiry.question)
    if inquiry.tool_results:
        known = "; ".join(map(_prose, inquiry.tool_results))
        text = f"I have just looked it up: {known}. The couriers are on the road as planned."
    tool = _tool_to_call(inquiry)
    if tool is not None:
        arguments = json.dumps(_arguments(tool, inquiry.question, text))
        return ToolCall(stable_id("call_", tool.name, arguments, variant), tool.name, arguments)
    if inquiry.schema is not None:
        return json.dumps(_example(inquiry.schema, inquiry.schema, text))
    return text


def _canned(question: str) -> str:
    lowered = question.lower()
    return next((text for word, text in _ANSWERS if word in lowered), _FALLBACK)


def _prose(result: str) -> str:
    """A tool's result in words, if it is a JSON object; else as it is."""
    try:
        fields = json.loads(result)
    except ValueError:
        return result
    return (
        ", ".join(f"{name} {value}" for name, value in fields.items()) if isinstance(fields, dict) else result
    )


def _tool_to_call(inquiry: Inquiry) -> Tool | None:
    if inquiry.forced_tool is not None:
        return next((tool for tool in inquiry.tools if tool.name == inquiry.forced_tool), None)
    if (inquiry.called or inquiry.tool_results) and not inquiry.must_call:
        return None
    left = [tool for tool in inquiry.tools if tool.name not in inquiry.called]
    about_it = next((tool for tool in left if _is_about(tool, inquiry.question)), None)
    if about_it is not None or not inquiry.must_call:
        return about_it
    # Where a tool stands for the form of the answer, it is offered after those that look things up.
    return left[-1] if left else None


def _is_about(tool: Tool, question: str) -> bool:
    """Whether the question has a telling word of the tool's name."""
    asked = set(re.findall(r"[a-z]+", question.lower()))
    return not asked.isdisjoint(re.findall(r"[a-z]{6,}", tool.name.lower()))


def _arguments(tool: Tool, question: str, text: str) -> Any:
    """What fits the tool's parameters: the city that is asked about, or the desk's answer."""
    schema = tool.parameters or {"type": "object"}
    named = re.search(r"\bin ([A-Z]\w+)", question)
    city = named[1] if named else _DEFAULT_CITY
    return _example(schema, schema, city if "city" in (schema.get("properties") or {}) else text)


def _example(schema: Any, root: Mapping[str, Any], text: str, depth: int = 0) -> Any:
    """A value that fits a JSON schema, with `text` wherever a free string is wanted."""
    if not isinstance(schema, Mapping) or depth > 8:
        return None
    if "const" in schema:
        return schema["const"]
    if schema.get("enum"):
        return schema["enum"][0]
    inner = _resolve(str(schema["$ref"]), root) if "$ref" in schema else _first_of(schema)
    if inner is not None:
        return _example(inner, root, text, depth + 1)
    kind = schema.get("type", "object")
    match kind[0] if isinstance(kind, list) else kind:
        case "object":
            properties = schema.get("properties") or {}
            return {name: _example(inner, root, text, depth + 1) for name, inner in properties.items()}
        case "array":
            return [_example(schema.get("items"), root, text, depth + 1)]
        case simple:
            return {"string": text, "integer": 1, "number": 1.0, "boolean": True}.get(simple)


def _first_of(schema: Mapping[str, Any]) -> Any:
    alternatives = schema.get("anyOf") or schema.get("oneOf")
    return alternatives[0] if alternatives else None


def _resolve(reference: str, root: Mapping[str, Any]) -> Any:
    found: Any = root
    for step in reference.lstrip("#/").split("/"):
        found = found.get(step) if isinstance(found, Mapping) else None
    return found


def schema_in(prompt: str) -> Mapping[str, Any]:
    """The JSON schema written out in a prompt; without one, that of an object with an answer."""
    for brace in re.finditer("{", prompt):
        try:
            found: dict[str, Any] = json.JSONDecoder().raw_decode(prompt, brace.start())[0]
        except ValueError:
            continue
        if "properties" in found:
            return found
    return {"type": "object", "properties": {"answer": {"type": "string"}}}


def tokens(text: str) -> int:
    """Tokens in `text`, by the rule of thumb of four characters to the token."""
    return max(1, len(text) // 4) if text else 0


def shorten(text: str, limit: int | None) -> tuple[str, bool]:
    """`text` cut to `limit` tokens, and whether that was necessary."""
    if limit is None or tokens(text) <= limit:
        return text, False
    return text[: limit * 4], True


def pieces(text: str) -> list[str]:
    """`text` in the pieces in which a stream sends it: words, with the blank before them."""
    return re.findall(r"\s*\S+|\s+$", text)


def text_of(content: Any) -> str:
    """The text of a message's content, be it a string or a list of parts."""
    if isinstance(content, str):
        return content
    if not isinstance(content, list):
        return ""
    texts = (part.get("text") for part in content if isinstance(part, Mapping))
    return " ".join(text for text in texts if isinstance(text, str))


def vector(text: str, dimensions: int) -> tuple[float, ...]:
    """A unit vector that depends on `text` alone, in single precision as the base64 form has it."""
    source = random.Random(text)
    raw = [source.uniform(-1.0, 1.0) for _ in range(dimensions)]
    length = sum(x * x for x in raw) ** 0.5
    form = f"<{dimensions}f"
    return struct.unpack(form, struct.pack(form, *(x / length for x in raw)))
