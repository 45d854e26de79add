"""LiteLLM: its functions, router and retries, where they go to OpenAI by way of the openai library."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Iterator
from typing import Any, ClassVar

import pydantic
import pytest

import promptlayer_patch
from promptlayer_patch.demo.standin import BUSY_MODEL
from promptlayer_patch.records import Ending
from tests.frameworks.claims import INVOICE, MODEL, QUESTIONS, WEATHER, Claims, Way, called, run, said
from tests.frameworks.ledger import Ledger

# It would fetch a list of prices when it is imported.
os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"  # noqa: TID251
pytest.importorskip("litellm")

import litellm
from litellm import Router

TOOL = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
    },
}


class Reply(pydantic.BaseModel):
    text: str
    urgent: bool


def asked(question: str, model: str, **options: Any) -> dict[str, Any]:
    return {"model": f"openai/{model}", "messages": [{"role": "user", "content": question}], **options}


def completion(question: str, model: str) -> str:
    return str(litellm.completion(**asked(question, model)).choices[0].message.content)


async def acompletion(question: str, model: str) -> str:
    return str((await litellm.acompletion(**asked(question, model))).choices[0].message.content)


def stream(question: str, model: str) -> Iterator[str]:
    for chunk in litellm.completion(**asked(question, model), stream=True):
        yield chunk.choices[0].delta.content or ""


async def astream(question: str, model: str) -> AsyncIterator[str]:
    async for chunk in await litellm.acompletion(**asked(question, model), stream=True):
        yield chunk.choices[0].delta.content or ""


def router() -> Router:
    models = [MODEL, "gpt-faulty-once", BUSY_MODEL, "no-such-model"]
    rows = [{"model_name": name, "litellm_params": {"model": f"openai/{name}"}} for name in models]
    return Router(model_list=rows, num_retries=0)


def routed(question: str, model: str) -> str:
    answer = router().completion(model=model, messages=asked(question, model)["messages"])
    return str(answer.choices[0].message.content)


async def arouted(question: str, model: str) -> str:
    answer = await router().acompletion(model=model, messages=asked(question, model)["messages"])
    return str(answer.choices[0].message.content)


class TestLiteLLM(Claims):
    EXAMPLE = "with_litellm.py"
    WAYS: ClassVar = {
        "completion": Way(completion),
        "acompletion": Way(acompletion),
        "stream": Way(stream),
        "astream": Way(astream),
        "routed": Way(routed, retries=False),
        "arouted": Way(arouted, retries=False),
    }


def test_a_tool_call_and_its_result_are_two_records(ledger: Ledger) -> None:
    with promptlayer_patch.scope(tags=["agent"]) as calls:
        messages: list[Any] = [{"role": "user", "content": WEATHER}]
        options = {"model": f"openai/{MODEL}", "tools": [TOOL]}
        message = litellm.completion(messages=messages, **options).choices[0].message
        result = {"role": "tool", "tool_call_id": message.tool_calls[0].id, "content": "light rain"}
        last = litellm.completion(messages=[*messages, message, result], **options)
    assert calls.request_ids() == [1, 2]
    assert list(map(called, ledger.records)) == [["get_weather"], []]
    assert said(ledger.records[1]) == last.choices[0].message.content


def test_a_typed_answer_is_one_record(ledger: Ledger) -> None:
    answer = litellm.completion(**asked(INVOICE, MODEL), response_format=Reply)
    [record] = ledger.records
    assert answer.choices[0].message.content == said(record)
    assert Reply.model_validate_json(said(record)).urgent is True


def test_its_retries_are_those_of_the_client(ledger: Ledger) -> None:
    """`num_retries` is handed down to openai's client: attempts of one call."""
    with promptlayer_patch.scope(tags=["patient"]) as calls:
        answer = litellm.completion(**asked(INVOICE, BUSY_MODEL), num_retries=2)
    assert calls.request_ids() == [1]
    [record] = ledger.records
    assert (record.attempts, record.ending) == (2, Ending.COMPLETE)
    assert said(record) == answer.choices[0].message.content


def test_retries_of_the_router_are_calls(ledger: Ledger) -> None:
    rows = [{"model_name": BUSY_MODEL, "litellm_params": {"model": f"openai/{BUSY_MODEL}"}}]
    patient = Router(model_list=rows, num_retries=2, retry_after=0, disable_cooldowns=True)
    with promptlayer_patch.scope(tags=["patient"]) as calls:
        answer = patient.completion(model=BUSY_MODEL, messages=[{"role": "user", "content": INVOICE}])
    endings = [(record.ending, record.status) for record in ledger.records]
    assert endings == [(Ending.PROVIDER_ERROR, 429), (Ending.COMPLETE, 200)]
    assert calls.request_ids() == [1, 2]
    assert {record.tags for record in ledger.records} == {("suite", "patient")}
    assert said(ledger.records[1]) == answer.choices[0].message.content


def test_a_fallback_of_the_router_is_a_call_of_its_own(ledger: Ledger) -> None:
    rows = [
        {"model_name": "first", "litellm_params": {"model": "openai/no-such-model"}},
        {"model_name": "second", "litellm_params": {"model": f"openai/{MODEL}"}},
    ]
    both = Router(model_list=rows, fallbacks=[{"first": ["second"]}], num_retries=0)
    with promptlayer_patch.scope(tags=["routed"]) as calls:
        answer = run(both.acompletion(model="first", messages=[{"role": "user", "content": INVOICE}]))
    assert calls.request_ids() == [1, 2]
    assert [record.status for record in ledger.records] == [404, 200]
    assert said(ledger.records[1]) == answer.choices[0].message.content


def test_batch_completion_does_not_take_the_scope_into_its_threads(ledger: Ledger) -> None:
    """LiteLLM starts them without the context of its caller: the tags of the process are there, no others."""
    messages = [[{"role": "user", "content": question}] for question in QUESTIONS]
    with promptlayer_patch.scope(tags=["batch"]) as calls:
        answers = litellm.batch_completion(model=f"openai/{MODEL}", messages=messages)
    assert len(answers) == len(ledger.records) == len(QUESTIONS)
    assert {record.tags for record in ledger.records} == {("suite",)}
    assert calls.receipts == []


def test_the_older_completions_and_embeddings_are_recorded(ledger: Ledger) -> None:
    with promptlayer_patch.scope(tags=["others"]) as calls:
        litellm.text_completion(model="text-completion-openai/davinci-002", prompt=INVOICE)
        litellm.embedding(model="openai/text-embedding-3-small", input=["one"])
        run(litellm.aembedding(model="openai/text-embedding-3-small", input=["two"]))
    assert ledger.names == [
        "openai.completions.create",
        "openai.embeddings.create",
        "openai.embeddings.create",
    ]
    assert calls.request_ids() == [1, 2, 3]


def test_its_responses_pass_by_openai_and_leave_no_record(ledger: Ledger) -> None:
    """LiteLLM posts them with an HTTP client of its own."""
    answer: Any = litellm.responses(model=f"openai/{MODEL}", input=INVOICE)
    assert "Billing > Invoices" in answer.output[0].content[0].text
    assert [path for path, _ in ledger.server.requests] == ["/v1/responses"]
    ledger.suppressed = 1
    assert ledger.records == []


def test_responses_over_chat_completions_are_recorded(ledger: Ledger) -> None:
    """The way LiteLLM takes for providers without a Responses API."""
    litellm.responses(model=f"openai/chat_completions/{MODEL}", input=INVOICE)
    assert ledger.names == ["openai.chat.completions.create"]
