"""Raw calls of providers as PromptLayer's prompt blueprint, and what is searched of them.

Pure: nothing is read or written, nothing is changed, and whatever JSON a record holds, nothing is raised.
What is returned shares its parts with the record and must not be changed either.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from promptlayer_patch._blueprint.answered import template_answered
from promptlayer_patch._blueprint.apis import Api, api_of
from promptlayer_patch._blueprint.asked import template_asked
from promptlayer_patch._blueprint.facts import (
    OUTPUT_PATHS,
    OUTPUT_VALUES,
    VALUE_CHARS,
    Facts,
    facts_from,
    output_text_of,
)
from promptlayer_patch._blueprint.models import api_type_of, model_of, parameters_of
from promptlayer_patch._blueprint.plain import plain_exchange
from promptlayer_patch._blueprint.reading import Json
from promptlayer_patch._blueprint.templates import is_completion, joined
from promptlayer_patch._blueprint.texts import TEXT_CHARS
from promptlayer_patch._blueprint.usage import Usage, usage_of
from promptlayer_patch.records import Record

__all__ = [
    "OUTPUT_PATHS",
    "OUTPUT_VALUES",
    "TEXT_CHARS",
    "VALUE_CHARS",
    "Facts",
    "Logged",
    "Usage",
    "blueprint_and_text_of",
    "blueprint_of",
    "facts_of",
    "input_of",
    "logged_of",
    "output_of",
]


def blueprint_of(record: Record) -> dict[str, Any]:
    """PromptLayer's blueprint of `record`: what was sent followed by what came back, and the model."""
    return _blueprint(_read(record), record)


def blueprint_and_text_of(record: Record) -> tuple[dict[str, Any], str]:
    """The blueprint, and the answer as plain text."""
    reading = _read(record)
    return _blueprint(reading, record), output_text_of(reading.answered)


def _blueprint(reading: _Reading, record: Record) -> dict[str, Any]:
    model = model_of(reading.api, reading.request, record.response, record.provider)
    return {
        "prompt_template": joined(reading.asked, reading.answered),
        "commit_message": None,
        "metadata": {"model": model},
        "provider_base_url_name": None,
        "report_id": None,
        "inference_client_name": None,
        "provider_id": None,
    }


def input_of(record: Record) -> dict[str, Any]:
    """The template of what was sent."""
    return _read(record).asked


def output_of(record: Record) -> dict[str, Any]:
    """The template of what came back; a chat without messages where nothing did."""
    return _read(record).answered


def facts_of(record: Record) -> Facts:
    """What search and the charts know of `record`."""
    return _plain_facts(record) or _facts(record)


def _plain_facts(record: Record) -> Facts | None:
    request = record.request
    if type(request) is not dict or api_of(record.function_name, request, record.response) is not Api.CHAT:
        return None
    said = plain_exchange(request, record.response)
    if said is None:
        return None
    return Facts(
        input_text=said.input_text,
        output_text=said.output_text,
        shape="plain_text",
        output_values={},
        tool_names=(),
        turn_count=said.turn_count,
        tool_call_count=0,
        api_type=api_type_of(Api.CHAT, request),
        parameters=parameters_of(Api.CHAT, request),
        usage=usage_of(record.response),
    )


def _facts(record: Record) -> Facts:
    reading = _read(record)
    return facts_from(
        reading.asked,
        reading.answered,
        api_type_of(reading.api, reading.request),
        parameters_of(reading.api, reading.request),
        usage_of(record.response),
    )


class Logged(NamedTuple):
    """A call in PromptLayer's form, as `/log-request` takes it."""

    model: str
    input: dict[str, Any]
    output: dict[str, Any]
    parameters: dict[str, Any]
    api_type: str | None


def logged_of(record: Record) -> Logged | None:
    """`record` in PromptLayer's form; `None` where that form would leave out some of what was said."""
    reading = _read(record)
    if reading.api not in _SAID_WHOLE:
        return None
    model = model_of(reading.api, reading.request, record.response, record.provider)
    if not model["name"]:
        return None
    return Logged(model["name"], reading.asked, reading.answered, model["parameters"], model["api_type"])


_SAID_WHOLE = frozenset({Api.CHAT, Api.RESPONSES, Api.COMPLETIONS, Api.EMBEDDINGS})


class _Reading(NamedTuple):
    api: Api
    request: Json
    asked: dict[str, Any]
    answered: dict[str, Any]


def _read(record: Record) -> _Reading:
    request = record.request if isinstance(record.request, dict) else dict(record.request)
    api = api_of(record.function_name, request, record.response)
    asked = template_asked(api, request, record.provider)
    answered = template_answered(record.response, as_completion=is_completion(asked))
    return _Reading(api, request, asked, answered)
