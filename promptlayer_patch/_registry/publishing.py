"""What is sent when a template is published or changed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import EllipsisType
from typing import Any

from promptlayer_patch._registry.arguments import checked_choice, checked_mapping, checked_whole, plain_data
from promptlayer_patch._registry.blueprint import blueprint_message, blueprint_of
from promptlayer_patch._registry.template import PromptTemplate
from promptlayer_patch.errors import InvalidArgument

FORMATS = ("f-string", "jinja2")


def checked_blueprint(prompt_template: object, template_format: str) -> dict[str, Any]:
    """What to publish, in PromptLayer's form. Raises `InvalidArgument`."""
    checked_choice("template_format", template_format, FORMATS)
    if isinstance(prompt_template, PromptTemplate):
        source = prompt_template._source
        if source is None:
            raise InvalidArgument(
                "prompt_template", "PromptLayer has filled it in already: get it without input_variables"
            )
        prompt_template = source.get("prompt_template")
    if isinstance(prompt_template, (list, tuple)):
        if not prompt_template:
            raise InvalidArgument("prompt_template", "there is no message in it")
        return blueprint_of(plain_data("prompt_template", prompt_template), template_format)
    blueprint = checked_mapping("prompt_template", prompt_template)
    if not isinstance(blueprint.get("messages", blueprint.get("content")), list):
        raise InvalidArgument(
            "prompt_template", "expected a list of messages, or a template with 'messages' or 'content'"
        )
    return blueprint


def version_fields(prompt_template: object, blueprint: dict[str, Any], **given: Any) -> dict[str, Any]:
    """The fields of a version: what is given, else what goes with a template that is published again."""
    fields = {"prompt_template": blueprint, **without_none(**given)}
    if isinstance(prompt_template, PromptTemplate):
        server = prompt_template.get("provider_base_url")
        inherited = without_none(
            metadata=prompt_template.get("metadata"),
            provider_base_url_name=server.get("name") if isinstance(server, Mapping) else None,
        )
        return {**inherited, **fields}
    return fields


def without_none(**fields: Any) -> dict[str, Any]:
    """What is not given is left to PromptLayer."""
    return {name: value for name, value in fields.items() if value is not None}


def query_of(**fields: Any) -> list[tuple[str, str]]:
    """The fields of an address; a list becomes a field that is repeated."""
    return [
        (name, str(one).lower() if isinstance(one, bool) else str(one))
        for name, value in without_none(**fields).items()
        for one in (value if isinstance(value, list) else [value])
    ]


def changes(**fields: object) -> dict[str, Any]:
    """The fields of a patch; `...` stands for one that stays, `None` for one that goes.

    A mapping changes the entries it names by their place, a list replaces all of them.
    """
    return {
        name: _change(name, value) for name, value in fields.items() if not isinstance(value, EllipsisType)
    }


def _change(name: str, value: object) -> Any:
    if isinstance(value, Mapping) and name in ("messages", "tools", "functions", "content"):
        return {_place(name, key): _entry(name, plain_data(name, one)) for key, one in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_entry(name, plain_data(name, one)) for one in value]
    return plain_data(name, value)


def _place(name: str, key: object) -> str:
    if isinstance(key, str) and key.isascii() and key.isdigit():
        return key
    if isinstance(key, int) and not isinstance(key, bool) and key >= 0:
        return str(int(key))
    raise InvalidArgument(name, "a mapping names what it changes by its place: 0, 1, ...")


def _entry(name: str, value: Any) -> Any:
    return blueprint_message(value) if name == "messages" and isinstance(value, Mapping) else value


def checked_folder(folder_id: object) -> int | None:
    return None if folder_id is None else checked_whole("folder_id", folder_id)
