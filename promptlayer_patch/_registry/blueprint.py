"""Between PromptLayer's blueprint, in which templates are kept, and the form of OpenAI's chat completions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import deepcopy
from typing import Any

from promptlayer_patch._registry import fstrings
from promptlayer_patch.errors import InvalidArgument, TemplateError

_ROLES = ("system", "user", "developer", "assistant", "tool", "function", "placeholder")
_OURS = ("input_variables", "template_format", "raw_request_display_role", "dataset_examples")
"""What a blueprint says of a message beyond what OpenAI takes."""


def blueprint_of(messages: Sequence[Any], template_format: str) -> dict[str, Any]:
    """A chat template of messages, in OpenAI's form or in PromptLayer's own."""
    made = [_template_message(message, template_format) for message in messages]
    variables = dict.fromkeys(name for message in made for name in message["input_variables"])
    return {"type": "chat", "messages": made, "input_variables": list(variables)}


def blueprint_message(message: Mapping[str, Any]) -> dict[str, Any]:
    """One message: its content as blocks."""
    made = dict(message)
    content = message.get("content")
    if isinstance(content, str):
        made["content"] = [{"type": "text", "text": content}]
    elif content is None and message.get("role") == "assistant":
        # PromptLayer's dashboard stumbles over an assistant message whose content is null or missing.
        made["content"] = []
    return made


def openai_messages(messages: Sequence[Any]) -> list[Any]:
    """As OpenAI takes them: one text is a string, but for users, whose content PromptLayer sends as parts."""
    return [_openai_message(one) for one in messages if _is_said(one)]


def openai_call(wire: Mapping[str, Any], model: str | None) -> dict[str, Any]:
    """The arguments of `client.chat.completions.create` for a template that PromptLayer made no call of.

    The parameters kept with the model go over everything else, as they do in PromptLayer's own calls.
    """
    if not is_openai(wire):
        raise TemplateError(
            "its model is not OpenAI's: pass provider='openai' and model=... to templates.get"
        )
    known = _model(wire)
    chosen = model or known.get("name")
    blueprint = wire.get("prompt_template")
    if not chosen:
        raise TemplateError("no model is known for it: pass model=... to templates.get")
    if not isinstance(blueprint, Mapping):
        raise TemplateError("there is no prompt template in PromptLayer's answer")
    parameters = known.get("parameters")
    overrides = dict(parameters) if isinstance(parameters, Mapping) else {}
    if model:
        overrides.pop("model", None)
    return deepcopy({"model": chosen, **_said(blueprint), **_tools(blueprint), **overrides})


def is_openai(wire: Mapping[str, Any]) -> bool:
    """Whether a call made of the template is OpenAI's; where nothing is said, it is."""
    provider = _model(wire).get("provider")
    return not isinstance(provider, str) or provider.partition(".")[0] == "openai"


def variables_of(wire: Mapping[str, Any]) -> list[str]:
    """What a template says it wants to be given."""
    blueprint = wire.get("prompt_template")
    if not isinstance(blueprint, Mapping):
        return []
    parts = [blueprint, *(one for one in blueprint.get("messages") or () if isinstance(one, Mapping))]
    names = (name for part in parts for name in part.get("input_variables") or ())
    return list(dict.fromkeys(str(name) for name in names))


def _is_said(message: Any) -> bool:
    """A placeholder that nothing was put into says nothing."""
    return isinstance(message, Mapping) and message.get("role") != "placeholder"


def _said(blueprint: Mapping[str, Any]) -> dict[str, Any]:
    if isinstance(blueprint.get("messages"), list):
        return {"messages": openai_messages(blueprint["messages"])}
    texts = [block.get("text", "") for block in blueprint.get("content") or () if isinstance(block, Mapping)]
    return {"prompt": "".join(texts)}


def _tools(blueprint: Mapping[str, Any]) -> dict[str, Any]:
    """A choice without anything to choose from is left out: OpenAI refuses it."""
    made: dict[str, Any] = {}
    for things, choice in (("tools", "tool_choice"), ("functions", "function_call")):
        if blueprint.get(things):
            made[things] = blueprint[things]
            if blueprint.get(choice) is not None:
                made[choice] = blueprint[choice]
    return made


def _openai_message(message: Mapping[str, Any]) -> dict[str, Any]:
    made = {key: value for key, value in message.items() if key not in _OURS and value is not None}
    content = message.get("content")
    if isinstance(content, list):
        parts = [_openai_part(one) for one in content]
        texts = [part["text"] for part in parts if isinstance(part, Mapping) and part.get("type") == "text"]
        if message.get("role") == "user" or len(texts) != len(parts):
            made["content"] = parts
        elif texts or not (message.get("tool_calls") or message.get("function_call")):
            made["content"] = "".join(texts)
        else:
            made["content"] = None
    return made


def _openai_part(block: Any) -> Any:
    """A block without what PromptLayer adds to it and OpenAI refuses."""
    if isinstance(block, Mapping) and block.get("type") in ("text", "image_url"):
        kept = ("type", block["type"])
        return {key: value for key, value in block.items() if key in kept}
    return block


def _template_message(message: Any, template_format: str) -> dict[str, Any]:
    if not isinstance(message, Mapping):
        raise InvalidArgument("prompt_template", f"expected messages, one is a {type(message).__name__}")
    if message.get("role") not in _ROLES:
        raise InvalidArgument("prompt_template", f"the role of a message is one of {', '.join(_ROLES)}")
    made = blueprint_message(message)
    made.setdefault("template_format", template_format)
    if "input_variables" not in made:
        made["input_variables"] = _names_in(made)
    return made


def _names_in(message: Mapping[str, Any]) -> list[str]:
    if message.get("role") == "placeholder":
        return [str(message["name"])] if message.get("name") else []
    texts = [
        block["text"]
        for block in message.get("content") or ()
        if isinstance(block, Mapping) and isinstance(block.get("text"), str)
    ]
    find = fstrings.names_in if message["template_format"] == "f-string" else names_in_jinja
    return list(dict.fromkeys(name for text in texts for name in find(text)))


def names_in_jinja(text: str) -> list[str]:
    """Without jinja2 none: PromptLayer finds them for itself."""
    try:
        from promptlayer_patch._registry import jinja
    except ImportError:
        return []
    return jinja.names_in(text)


def _model(wire: Mapping[str, Any]) -> Mapping[str, Any]:
    metadata = wire.get("metadata")
    model = metadata.get("model") if isinstance(metadata, Mapping) else None
    return model if isinstance(model, Mapping) else {}
