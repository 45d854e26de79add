"""Templates with variables put in: the blueprint, and the call that PromptLayer has made of it.

Each message names its format, `f-string` or `jinja2`. Only text is rendered, and a text that makes no sense
in its format stays as it is. A placeholder message is replaced by the messages in the variable of its name.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from promptlayer_patch._imports import importing
from promptlayer_patch._registry import fstrings
from promptlayer_patch._registry.blueprint import blueprint_message, is_openai, openai_messages
from promptlayer_patch._registry.budget import Budget, NoJinja, NotHere
from promptlayer_patch.errors import TemplateError

_SNIPPET = re.compile(r"@@@[^@\n]+(?:@(?:version_number|label):[^@\n]+)?@@@")
_TEXTS = ("text", "input_text")
_SPOKEN = ("messages", "input", "contents", "history", "system", "system_instruction", "prompt")
"""Where the providers' calls hold what is said."""


def rendered(
    wire: Mapping[str, Any], variables: Mapping[str, Any], *, snippets: bool = False
) -> dict[str, Any]:
    """`wire` with its variables put in; nothing in it is changed.

    With `snippets`, those have been put in before: what still looks like one is text. Raises `NotHere` for
    what only PromptLayer can do, `TemplateError` for what nobody shall or can.
    """
    rendering = _Rendering(variables, snippets)
    blueprint = wire.get("prompt_template")
    if not isinstance(blueprint, Mapping):
        raise TemplateError("there is no prompt template in PromptLayer's answer")
    made = rendering.blueprint(blueprint)
    return {**wire, "prompt_template": made, "llm_kwargs": rendering.kwargs(wire, made)}


class _Rendering:
    """One template with one set of variables."""

    def __init__(self, variables: Mapping[str, Any], snippets: bool) -> None:
        self._variables = variables
        self._snippets = snippets
        self._budget = Budget()
        self._known: dict[tuple[str, str], str] = {}
        """The same text stands in the blueprint and in the call."""

    def blueprint(self, blueprint: Mapping[str, Any]) -> dict[str, Any]:
        if any(
            isinstance(tool, Mapping) and tool.get("type") == "variable" for tool in _list(blueprint, "tools")
        ):
            raise NotHere("a tool that is a variable")
        made = dict(blueprint)
        if isinstance(blueprint.get("messages"), list):
            made["messages"] = [one for message in blueprint["messages"] for one in self._messages(message)]
        if isinstance(blueprint.get("content"), list):
            made["content"] = self._blocks(blueprint["content"], _format_of(blueprint))
        return made

    def kwargs(self, wire: Mapping[str, Any], made: Mapping[str, Any]) -> Any:
        """The provider's call: where it is known how its texts were written, in its own shape."""
        kwargs = wire.get("llm_kwargs")
        if not isinstance(kwargs, Mapping):
            return kwargs
        messages = _list(wire["prompt_template"], "messages")
        formats = {_format_of(one) for one in messages} or {_format_of(wire["prompt_template"])}
        if len(formats) > 1 or any(_is_placeholder(one) for one in messages):
            if not (is_openai(wire) and isinstance(kwargs.get("messages"), list)):
                raise NotHere("messages of several kinds, for a provider other than OpenAI")
            return {**kwargs, "messages": openai_messages(made["messages"])}
        text_format = formats.pop()
        spoken = {key: self._spoken(kwargs[key], text_format) for key in _SPOKEN if key in kwargs}
        configuration = kwargs.get("generation_config")
        if isinstance(configuration, Mapping) and "system_instruction" in configuration:
            instruction = self._spoken(configuration["system_instruction"], text_format)
            spoken["generation_config"] = {**configuration, "system_instruction": instruction}
        return {**kwargs, **spoken}

    def _messages(self, message: Any) -> list[Any]:
        if not isinstance(message, Mapping):
            return [message]
        if _is_placeholder(message):
            return self._in_place_of(message)
        content = message.get("content")
        if not isinstance(content, list):
            return [message]
        return [{**message, "content": self._blocks(content, _format_of(message))}]

    def _in_place_of(self, placeholder: Mapping[str, Any]) -> list[Any]:
        given = self._variables.get(str(placeholder.get("name")))
        if given is None:
            return []
        if not isinstance(given, list) or not all(isinstance(one, Mapping) for one in given):
            raise TemplateError(f"the variable {placeholder.get('name')!r} has to be a list of messages")
        self._budget.weigh(given)
        return [blueprint_message(one) for one in given]

    def _blocks(self, blocks: list[Any], text_format: str) -> list[Any]:
        return [self._block(block, text_format) for block in blocks]

    def _block(self, block: Any, text_format: str) -> Any:
        if not isinstance(block, Mapping):
            return block
        if block.get("type") == "media_variable" or block.get("image_variable"):
            raise NotHere("media that are a variable")
        if block.get("type") == "text" and isinstance(block.get("text"), str):
            return {**block, "text": self._text(block["text"], text_format)}
        return block

    def _spoken(self, value: Any, text_format: str) -> Any:
        """Texts, blocks, parts and messages, as deep as providers nest them."""
        if isinstance(value, str):
            return self._text(value, text_format)
        if isinstance(value, list):
            return [self._spoken(one, text_format) for one in value]
        if not isinstance(value, Mapping):
            return value
        made = dict(value)
        for key in ("content", "parts"):
            if key in value:
                made[key] = self._spoken(value[key], text_format)
        if isinstance(value.get("text"), str) and value.get("type", "text") in _TEXTS:
            made["text"] = self._text(value["text"], text_format)
        return made

    def _text(self, text: str, text_format: str) -> str:
        known = self._known.get((text, text_format))
        if known is None:
            known = self._known[text, text_format] = self._made(text, text_format)
        self._budget.put_out(len(known))
        return known

    def _made(self, text: str, text_format: str) -> str:
        if not self._snippets and _SNIPPET.search(text):
            raise NotHere("a snippet that is not resolved")
        try:
            if text_format == "jinja2":
                made: str = _jinja().render(text, self._variables, self._budget)
                return made
            return fstrings.render(text, self._variables, self._budget)
        except TemplateError:
            raise
        except Exception:  # whatever jinja2 and Python have against it
            return text


def _jinja() -> Any:
    try:
        with importing():
            from promptlayer_patch._registry import jinja
    except ImportError as missing:
        if missing.name is not None and missing.name.partition(".")[0] in ("jinja2", "markupsafe"):
            raise NoJinja from None
        raise
    return jinja


def _is_placeholder(message: Any) -> bool:
    return isinstance(message, Mapping) and message.get("role") == "placeholder"


def _format_of(part: Any) -> str:
    found = part.get("template_format") if isinstance(part, Mapping) else None
    return found if isinstance(found, str) else "f-string"


def _list(mapping: Mapping[str, Any], key: str) -> list[Any]:
    found = mapping.get(key)
    return found if isinstance(found, list) else []
