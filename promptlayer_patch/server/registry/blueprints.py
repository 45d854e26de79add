"""Prompt templates as they are published, checked and brought into the form in which they are kept."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    Tag,
    TypeAdapter,
    model_validator,
)
from typing_extensions import Self

from promptlayer_patch._registry import fstrings
from promptlayer_patch._registry.blueprint import names_in_jinja
from promptlayer_patch.server.registry.snippets import REFERENCE

__all__ = ["ChatTemplate", "CompletionTemplate", "Template", "messages_in", "normalised", "with_variables"]

_SEARCHED_CHARACTERS = 100_000
"""Of all texts of a template; one that is longer has to name its variables itself."""

Format: TypeAlias = Literal["f-string", "jinja2"]


def _blocks(value: Any) -> Any:
    return [{"type": "text", "text": value}] if isinstance(value, str) else value


def _list(value: Any) -> Any:
    return [] if value is None else value


class Block(BaseModel):
    """A piece of content: `text`, `image_url`, `media`, ..."""

    model_config = ConfigDict(extra="allow")

    type: str = Field(min_length=1, max_length=100)

    @model_validator(mode="after")
    def _text(self) -> Self:
        if self.type == "text" and not isinstance((self.model_extra or {}).get("text"), str):
            raise ValueError("a block of text needs a text")
        return self


Blocks = Annotated[list[Block], BeforeValidator(_blocks, json_schema_input_type=list[Block] | str)]
BlocksOrNone = Annotated[
    list[Block],
    BeforeValidator(lambda value: _list(_blocks(value)), json_schema_input_type=list[Block] | str | None),
]
Names = Annotated[list[str], BeforeValidator(_list, json_schema_input_type=list[str] | None)]
Anything = Annotated[list[Any], BeforeValidator(_list, json_schema_input_type=list[Any] | None)]


class _Message(BaseModel):
    # What the newest clients send and we do not know is kept for them.
    model_config = ConfigDict(extra="allow")

    input_variables: Names = []
    template_format: Format = "f-string"
    raw_request_display_role: str = ""
    dataset_examples: Anything = []


class SaidMessage(_Message):
    role: Literal["system", "user", "developer"]
    content: Blocks
    name: str | None = None


class CalledFunction(BaseModel):
    model_config = ConfigDict(extra="allow")

    name: str
    arguments: str


class ToolCall(BaseModel):
    model_config = ConfigDict(extra="allow")

    id: str
    type: str = "function"
    function: CalledFunction


class AssistantMessage(_Message):
    role: Literal["assistant"]
    # PromptLayer's dashboard stumbles over content that is null.
    content: BlocksOrNone = []
    name: str | None = None
    function_call: CalledFunction | None = None
    tool_calls: list[ToolCall] | None = None


class ToolMessage(_Message):
    role: Literal["tool"]
    content: Blocks
    tool_call_id: str
    name: str | None = None


class FunctionMessage(_Message):
    role: Literal["function"]
    content: BlocksOrNone = []
    name: str


class PlaceholderMessage(_Message):
    """Replaced by the messages in the variable of its name."""

    role: Literal["placeholder"]
    content: list[Block] | None = None
    name: str


Message = Annotated[
    SaidMessage | AssistantMessage | ToolMessage | FunctionMessage | PlaceholderMessage,
    Field(discriminator="role"),
]


class ChatTemplate(BaseModel):
    messages: list[Message]
    functions: list[dict[str, Any]] | None = None
    tools: list[dict[str, Any]] | None = None
    function_call: str | dict[str, Any] | None = None
    tool_choice: str | dict[str, Any] | None = None
    type: Literal["chat"] = "chat"
    input_variables: Names = []
    dataset_examples: Anything = []


class CompletionTemplate(BaseModel):
    model_config = ConfigDict(extra="allow")

    content: Blocks
    type: Literal["completion"] = "completion"
    input_variables: Names = []
    template_format: Format = "f-string"


def _kind(value: Any) -> str | None:
    if isinstance(value, BaseModel):
        return str(value.type)  # type: ignore[attr-defined]
    if not isinstance(value, dict):
        return None
    return str(value.get("type", "chat" if "messages" in value else "completion"))


Template: TypeAlias = Annotated[
    Annotated[ChatTemplate, Tag("chat")] | Annotated[CompletionTemplate, Tag("completion")],
    Discriminator(_kind),
]


_MESSAGES: TypeAdapter[list[Any]] = TypeAdapter(list[Message])


def messages_in(value: Any) -> list[dict[str, Any]]:
    """A list of messages, as it is kept; raises pydantic's `ValidationError`."""
    return [message.model_dump() for message in _MESSAGES.validate_python(value)]


def normalised(template: ChatTemplate | CompletionTemplate) -> dict[str, Any]:
    """As it is kept, and given back: with every field, and with the variables that its texts name."""
    return with_variables(template.model_dump())


def with_variables(template: Mapping[str, Any]) -> dict[str, Any]:
    """The same template; it and its messages name, beside the variables they did, those in their texts."""
    search = _Search()
    made = dict(template)
    if isinstance(template.get("messages"), list):
        made["messages"] = [search.message(message) for message in template["messages"]]
        found = [name for message in made["messages"] for name in message["input_variables"]]
    else:
        found = list(search.names(template))
    made["input_variables"] = _distinct(template["input_variables"], found)
    return made


class _Search:
    """For the variables in one template's texts, of which it reads so many and no more."""

    def __init__(self) -> None:
        self._left = _SEARCHED_CHARACTERS

    def message(self, message: Mapping[str, Any]) -> dict[str, Any]:
        names = [message["name"]] if message["role"] == "placeholder" else self.names(message)
        return {**message, "input_variables": _distinct(message["input_variables"], names)}

    def names(self, part: Mapping[str, Any]) -> Iterator[str]:
        find = names_in_jinja if part["template_format"] == "jinja2" else fstrings.names_in
        for block in part["content"] or ():
            if block["type"] == "text":
                self._left -= len(block["text"])
                if self._left >= 0:
                    # A snippet's name may look like a variable.
                    yield from find(REFERENCE.sub("", block["text"]))
            elif block["type"] == "media_variable" and isinstance(block.get("name"), str):
                yield block["name"]
            elif isinstance(block.get("image_variable"), str):
                yield block["image_variable"]


def _distinct(*names: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(name for some in names for name in some))
