"""`capture_content=False`: a record tells names, sizes, usage and timing, and nothing that was said."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptlayer_patch._refining.content import without_content
from promptlayer_patch._refining.redaction import rules_of
from promptlayer_patch._refining.refining import refined
from promptlayer_patch._settings import Settings
from promptlayer_patch.records import Ending, Failure, Record

SAID = "what was said"


def a_record(**fields: Any) -> Record:
    return Record(**{"id": "01a2", "function_name": "openai.chat.completions.create", **fields})


def asked(**request: Any) -> Any:
    return dict(without_content(a_record(request=request)).request)


def answered(response: Any) -> Any:
    return without_content(a_record(response=response)).response


def test_numbers_and_the_names_of_choices_are_kept() -> None:
    plain = {
        "model": "ft:gpt-4o:org::id",
        "temperature": 0.5,
        "stream": True,
        "seed": 7,
        "stop": None,
        "service_tier": "auto",
        "encoding_format": "base64",
        "reasoning_effort": "low",
        "size": "1024x1024",
        "tool_choice": "auto",
        "voice": "alloy",
        "language": "en",
        "purpose": "batch",
        "quality": "hd",
    }
    assert asked(**plain) == plain
    assert asked(response_format={"type": "json_schema", "json_schema": {"description": SAID}}) == {
        "response_format": {"type": "json_schema"}
    }
    assert asked(reasoning={"effort": "high", "summary": SAID}) == {"reasoning": {"effort": "high"}}


def test_texts_and_data_become_sizes() -> None:
    messages = [
        {"role": "user", "content": SAID},
        {"role": "user", "content": [{"type": "text", "text": SAID}]},
    ]
    assert asked(messages=messages, prompt=SAID, user="ada", tools=[], logit_bias={"50256": -100}) == {
        "messages": {"items": 2, "characters": 2 * len(SAID)},
        "prompt": {"characters": len(SAID)},
        "user": {"characters": 3},
        "tools": {"items": 0, "characters": 0},
        "logit_bias": {"items": 1, "characters": 0},
    }
    assert asked(tool_choice={"type": "function"})["tool_choice"] == {"items": 1, "characters": 0}
    assert asked(voice=SAID)["voice"] == {"characters": len(SAID)}


def test_of_a_file_type_and_size_are_kept_and_its_name_is_not() -> None:
    file = {"name": "salaries.csv", "type": "text/csv", "bytes": 12}
    assert asked(file=file, image=[file, file]) == {
        "file": {"type": "text/csv", "bytes": 12},
        "image": [{"type": "text/csv", "bytes": 12}] * 2,
    }


def test_of_a_chat_answer_the_facts_are_kept() -> None:
    usage = {"prompt_tokens": 3, "completion_tokens_details": {"reasoning_tokens": 0}}
    facts = {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1,
        "model": "gpt-4o",
        "usage": usage,
        "service_tier": "default",
        "system_fingerprint": "fp_1",
    }
    choice = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": SAID}}
    assert answered({**facts, "choices": [choice]}) == {
        **facts,
        "choices": [{"index": 0, "finish_reason": "stop", "characters": len(SAID)}],
    }


@pytest.mark.parametrize(
    ("response", "left"),
    [
        (None, None),
        (SAID, {"characters": len(SAID)}),
        ([SAID], {"items": 1, "characters": len(SAID)}),
        ({"content_type": "audio/mpeg", "bytes": 9}, {"content_type": "audio/mpeg", "bytes": 9}),
        ({"data": [{"embedding": [0.1]}]}, {"data": {"items": 1, "characters": 0}}),
        ({"text": SAID, "duration": 1.5}, {"text": {"characters": len(SAID)}, "duration": 1.5}),
        (
            {
                "status": "failed",
                "output": [{"text": SAID}],
                "error": {"code": "server_error", "message": SAID},
            },
            {
                "status": "failed",
                "output": {"items": 1, "characters": len(SAID)},
                "error": {"code": "server_error"},
            },
        ),
        ({"status": SAID, "choices": SAID}, {"status": {"characters": 13}, "choices": {"characters": 13}}),
        ({"choices": [SAID], "usage": SAID}, {"choices": [{"characters": 13}], "usage": {"characters": 13}}),
    ],
)
def test_of_any_other_answer_sizes_are_left(response: Any, left: Any) -> None:
    assert answered(response) == left


def test_labels_and_facts_are_kept_and_the_message_of_an_error_is_not() -> None:
    record = a_record(
        tags=("t",),
        metadata={"user": "ada"},
        ending=Ending.PROVIDER_ERROR,
        error=Failure("RateLimitError", SAID, 429),
    )
    new = without_content(record)
    assert (new.tags, new.metadata, new.ending) == (("t",), {"user": "ada"}, Ending.PROVIDER_ERROR)
    assert new.error == Failure("RateLimitError", "", 429)


LEAVES = st.just(SAID) | st.integers() | st.none()
KEYS = st.sampled_from(
    [
        *("model", "messages", "input", "text", "choices", "usage", "error", "status", "id", "tools"),
        *("response_format", "reasoning", "message", "content", "type", "finish_reason", "output", "data"),
        *("name", "bytes"),
    ]
)
DATA = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=15,
)


@given(st.dictionaries(KEYS, DATA, max_size=5), DATA)
def test_nothing_that_was_said_is_left(request: dict[str, Any], response: Any) -> None:
    if isinstance(response, dict):
        response.pop("usage", None)  # kept whole
    record = a_record(request=request, response=response, error=Failure("E", SAID))
    told = copy.deepcopy(record)
    new = without_content(record)
    assert SAID not in json.dumps([new.request, new.response]) + str(new.error)
    assert record == told


def test_cycles_and_depth_do_no_harm() -> None:
    knot: list[Any] = [SAID]
    knot.append(knot)
    deep: Any = SAID
    for _ in range(5000):
        deep = [deep]
    assert asked(messages=knot, input=deep) == {
        "messages": {"items": 2, "characters": len(SAID)},
        "input": {"items": 1, "characters": len(SAID)},
    }


# All steps together


def test_the_steps_are_taken_in_order() -> None:
    image = "data:image/png;base64," + "AAAA" * 1000
    record = a_record(
        request={"model": "m", "messages": [{"content": image}, {"content": SAID * 1000, "ssn": "078"}]},
        response={"text": "sk-0123456789abcdef0123"},
    )
    settings = Settings(media_max_bytes=100, redact=rules_of("redact", "ssn"), record_max_bytes=2000)
    new = refined(record, settings)
    assert new.request["messages"][0]["content"].startswith("data:image/png;bytes=3000;sha256=")
    assert new.request["messages"][1]["content"].endswith("[shortened: 13000 characters]")
    assert new.request["messages"][1]["ssn"] == "[redacted]"
    assert new.response == {"text": "***"}
    assert new.shortened_from is not None
    bare = refined(record, Settings(capture_content=False))
    assert bare.response == {"text": {"characters": 23}}
    assert refined(a_record(request={"model": "m"}), Settings()) == a_record(request={"model": "m"})


class Unreadable:
    def __str__(self) -> str:
        raise ValueError("not to be read")


def test_a_step_that_fails_costs_the_content_only() -> None:
    record = a_record(request={"m": SAID, "odd": Unreadable()}, tags=("sk-0123456789abcdef0123",))
    new = refined(record, Settings())
    assert (new.id, new.tags, new.request, new.response) == ("01a2", ("***",), {}, None)
    assert new.metadata == {"promptlayer_patch.content": "dropped: it could not be refined"}
