"""The stand-in for OpenAI: good enough for the real client, whatever its version."""

from __future__ import annotations

import asyncio
import http.client
import json
import threading
import time
from collections.abc import Iterator
from typing import Any

import openai
import pytest

from promptlayer_patch.demo.standin import BUSY_MODEL, FAULTY_MODEL, UNKNOWN_MODEL, StandIn

MODEL = "gpt-4o-mini"
WEATHER: Any = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "The weather in a city",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string"}, "unit": {"enum": ["C", "F"]}},
            "required": ["city"],
        },
    },
}
needs_responses = pytest.mark.skipif(not hasattr(openai.OpenAI, "responses"), reason="this openai has none")


@pytest.fixture
def server() -> Iterator[StandIn]:
    with StandIn(chunk_delay_s=0.0) as running:
        yield running


@pytest.fixture
def client(server: StandIn) -> Iterator[openai.OpenAI]:
    with client_of(server) as opened:
        yield opened


def client_of(server: StandIn) -> openai.OpenAI:
    http_client = openai.DefaultHttpxClient(trust_env=False)
    return openai.OpenAI(api_key="any", base_url=server.base_url, http_client=http_client)


def ask(text: str) -> Any:
    return [{"role": "system", "content": "You work at a support desk."}, {"role": "user", "content": text}]


def chat(client: openai.OpenAI, text: str = "Where is my invoice?", **options: Any) -> Any:
    return client.chat.completions.create(**{"model": MODEL, "messages": ask(text), **options})


def post(server: StandIn, path: str, body: bytes, **headers: str) -> tuple[int, Any]:
    port = int(server.base_url.split(":")[2].split("/")[0])
    connection = http.client.HTTPConnection("127.0.0.1", port)
    try:
        connection.request("POST", path, body, {"authorization": "Bearer any", **headers})
        response = connection.getresponse()
        return response.status, json.loads(response.read())
    finally:
        connection.close()


def test_a_chat_is_answered_to_the_point_with_usage_counted_from_the_text(client: openai.OpenAI) -> None:
    answer = chat(client)
    text = answer.choices[0].message.content
    assert "Billing > Invoices" in text
    assert answer.choices[0].finish_reason == "stop"
    assert answer.model == MODEL
    assert answer.usage.completion_tokens == len(text) // 4
    assert answer.usage.prompt_tokens == len("You work at a support desk.Where is my invoice?") // 4
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens


def test_the_same_question_gets_the_same_bytes(client: openai.OpenAI) -> None:
    """Tests compare an instrumented run with a bare one."""
    first, second = (
        client.chat.completions.with_raw_response.create(model=MODEL, messages=ask("Hi")) for _ in "12"
    )
    assert first.http_response.content == second.http_response.content
    assert first.headers["x-request-id"] != second.headers["x-request-id"]


def test_n_choices_are_worded_differently(client: openai.OpenAI) -> None:
    choices = chat(client, n=3).choices
    assert [choice.index for choice in choices] == [0, 1, 2]
    assert len({choice.message.content for choice in choices}) == 3


def test_max_tokens_cuts_the_answer_and_says_so(client: openai.OpenAI) -> None:
    choice = chat(client, max_tokens=5).choices[0]
    assert choice.finish_reason == "length"
    assert len(choice.message.content) == 20


def test_a_stream_says_what_the_plain_call_says(client: openai.OpenAI) -> None:
    whole = chat(client, n=2)
    texts = ["", ""]
    finishes = {}
    for chunk in chat(client, n=2, stream=True):
        assert chunk.object == "chat.completion.chunk"
        for choice in chunk.choices:
            texts[choice.index] += choice.delta.content or ""
            if choice.finish_reason:
                finishes[choice.index] = choice.finish_reason
    assert texts == [choice.message.content for choice in whole.choices]
    assert finishes == {0: "stop", 1: "stop"}


def test_usage_ends_a_stream_only_where_it_was_asked_for(client: openai.OpenAI) -> None:
    without = list(chat(client, stream=True))
    wanted = list(chat(client, stream=True, stream_options={"include_usage": True}))
    assert all(chunk.usage is None for chunk in without + wanted[:-1])
    assert wanted[-1].choices == []
    assert wanted[-1].usage == chat(client).usage


def test_the_pieces_of_a_stream_come_one_after_the_other() -> None:
    """Otherwise nobody would see the demo stream, and no test the time to the first token."""
    with StandIn(chunk_delay_s=0.05) as server, client_of(server) as client:
        arrivals = [time.monotonic() for chunk in chat(client, stream=True, max_tokens=10)]
    assert len(arrivals) > 4
    assert arrivals[-1] - arrivals[0] > 0.05 * 2


@pytest.mark.parametrize("stream", [False, True])
def test_asked_about_the_weather_it_calls_the_tool_then_uses_the_result(
    client: openai.OpenAI, stream: bool
) -> None:
    question = "Will the weather in Oslo delay my parcel?"
    answer = chat(client, question, tools=[WEATHER], stream=stream)
    if stream:
        deltas = [c.choices[0].delta.tool_calls[0] for c in answer if c.choices[0].delta.tool_calls]
        call_id, name = deltas[0].id, deltas[0].function.name
        arguments = "".join(delta.function.arguments for delta in deltas)
    else:
        assert answer.choices[0].finish_reason == "tool_calls"
        call = answer.choices[0].message.tool_calls[0]
        call_id, name, arguments = call.id, call.function.name, call.function.arguments
    assert (name, json.loads(arguments)) == ("get_weather", {"city": "Oslo", "unit": "C"})
    function = {"name": name, "arguments": arguments}
    messages = [
        *ask(question),
        {"role": "assistant", "tool_calls": [{"id": call_id, "type": "function", "function": function}]},
        {"role": "tool", "tool_call_id": call_id, "content": "sunny, 21 C"},
    ]
    last = chat(client, messages=messages, tools=[WEATHER]).choices[0]
    assert "sunny, 21 C" in last.message.content
    assert last.finish_reason == "stop"


def test_tools_are_left_alone_when_they_do_not_matter(client: openai.OpenAI) -> None:
    assert chat(client, "A refund, please", tools=[WEATHER]).choices[0].finish_reason == "stop"
    assert (
        chat(client, "The weather?", tools=[WEATHER], tool_choice="none").choices[0].finish_reason == "stop"
    )
    forced = chat(
        client, tools=[WEATHER], tool_choice={"type": "function", "function": {"name": "get_weather"}}
    )
    assert forced.choices[0].finish_reason == "tool_calls"


def test_where_a_tool_must_be_called_the_last_one_takes_the_answer(client: openai.OpenAI) -> None:
    """Frameworks have an answer of a given shape brought to them as the arguments of such a tool."""
    form: Any = {
        "type": "function",
        "function": {"name": "reply", "parameters": {"properties": {"text": {"type": "string"}}}},
    }
    options: Any = {"tools": [WEATHER, form], "tool_choice": "required"}
    messages = ask("Will the weather in Oslo delay my parcel?")
    look_up = chat(client, messages=messages, **options).choices[0].message
    call = look_up.tool_calls[0]
    assert call.function.name == "get_weather"
    result = {"role": "tool", "tool_call_id": call.id, "content": "sunny, 21 C"}
    messages += [look_up.model_dump(exclude_none=True), result]
    last = chat(client, messages=messages, **options).choices[0].message.tool_calls[0].function
    assert last.name == "reply"
    assert "sunny, 21 C" in json.loads(last.arguments)["text"]


def test_a_tool_is_called_if_the_question_has_a_word_of_its_name(client: openai.OpenAI) -> None:
    """An agent hands over to another one by such a tool."""
    hand_over: Any = {"type": "function", "function": {"name": "hand_over_to_billing"}}
    answer = chat(client, "Billing, please", tools=[WEATHER, hand_over]).choices[0]
    assert answer.message.tool_calls[0].function.name == "hand_over_to_billing"
    assert answer.message.tool_calls[0].function.arguments == "{}"


def test_a_schema_is_followed_after_a_tool_was_asked_too(client: openai.OpenAI) -> None:
    schema = {"properties": {"reply": {"type": "string"}}}
    wanted = {"type": "json_schema", "json_schema": {"name": "answer", "schema": schema}}
    question = "Will the weather in Oslo delay my parcel?"
    call = chat(client, question, tools=[WEATHER]).choices[0].message
    result = {"role": "tool", "tool_call_id": call.tool_calls[0].id, "content": "sunny, 21 C"}
    messages = [*ask(question), call.model_dump(exclude_none=True), result]
    answer = chat(client, messages=messages, tools=[WEATHER], response_format=wanted)
    assert "sunny, 21 C" in json.loads(answer.choices[0].message.content)["reply"]


def test_a_schema_is_followed(client: openai.OpenAI) -> None:
    schema = {
        "type": "object",
        "properties": {
            "reply": {"type": "string"},
            "urgent": {"type": ["boolean", "null"]},
            "steps": {"type": "array", "items": {"$ref": "#/$defs/Step"}},
            "mood": {"anyOf": [{"const": "calm"}, {"type": "null"}]},
        },
        "$defs": {"Step": {"type": "object", "properties": {"n": {"type": "integer"}}}},
    }
    wanted = {"type": "json_schema", "json_schema": {"name": "answer", "schema": schema}}
    answer = json.loads(chat(client, response_format=wanted).choices[0].message.content)
    assert "Invoices" in answer.pop("reply")
    assert answer == {"urgent": True, "steps": [{"n": 1}], "mood": "calm"}


def test_a_json_object_follows_the_schema_that_the_prompt_holds(client: openai.OpenAI) -> None:
    written = 'Answer {in JSON} by this: {"properties": {"reply": {"type": "string"}}}, please'
    messages = [{"role": "system", "content": written}, *ask("Where is my invoice?")]
    as_told = chat(client, messages=messages, response_format={"type": "json_object"})
    assert list(json.loads(as_told.choices[0].message.content)) == ["reply"]
    without = chat(client, response_format={"type": "json_object"})
    assert "Invoices" in json.loads(without.choices[0].message.content)["answer"]


def test_concurrent_calls_of_an_async_client_are_answered_each_with_its_own(server: StandIn) -> None:
    async def gather() -> list[str]:
        http_client = openai.DefaultAsyncHttpxClient(trust_env=False)
        async with openai.AsyncOpenAI(
            api_key="any", base_url=server.base_url, http_client=http_client
        ) as client:
            questions = ["invoice", "refund", "password", "export"] * 10
            answers = await asyncio.gather(
                *(client.chat.completions.create(model=MODEL, messages=ask(text)) for text in questions)
            )
        return [str(answer.choices[0].message.content) for answer in answers]

    answers = asyncio.run(gather())
    assert len(server.requests) == 40
    assert len(set(answers)) == 4
    assert answers[:4] * 10 == answers


def test_embeddings_are_the_same_numbers_in_both_encodings(client: openai.OpenAI) -> None:
    given = ["Where is my invoice?", "A refund, please"]
    as_base64 = client.embeddings.create(model="text-embedding-3-small", input=given)
    as_floats = client.embeddings.create(model="text-embedding-3-small", input=given, encoding_format="float")
    assert len(as_base64.data[0].embedding) == 1536
    assert [item.embedding for item in as_base64.data] == [item.embedding for item in as_floats.data]
    assert as_base64.data[0].embedding != as_base64.data[1].embedding
    assert sum(x * x for x in as_base64.data[0].embedding) == pytest.approx(1.0, abs=1e-3)
    assert as_base64.usage.total_tokens == sum(len(text) // 4 for text in given)


def test_embeddings_take_tokens_and_other_dimensions(client: openai.OpenAI) -> None:
    one = client.embeddings.create(model="text-embedding-3-small", input=[1, 2, 3], dimensions=8)
    two = client.embeddings.create(model="text-embedding-3-small", input=[[1, 2, 3], [4]], dimensions=8)
    assert [len(item.embedding) for item in one.data] == [8]
    assert len(two.data) == 2
    assert one.data[0].embedding == two.data[0].embedding


@needs_responses
@pytest.mark.parametrize("limit", [None, 5])
def test_a_response_streams_to_the_same_end_as_the_plain_one(
    client: openai.OpenAI, limit: int | None
) -> None:
    options: Any = {"model": MODEL, "input": "Where is my invoice?", "max_output_tokens": limit}
    whole: Any = client.responses.create(**options)
    assert whole.status == ("completed" if limit is None else "incomplete")
    events: list[Any] = list(client.responses.create(**options, stream=True))
    assert [event.sequence_number for event in events] == list(range(len(events)))
    assert events[0].type == "response.created"
    assert events[-1].type == f"response.{whole.status}"
    text = "".join(event.delta for event in events if event.type == "response.output_text.delta")
    assert text == whole.output_text == events[-1].response.output_text
    assert events[-1].response.usage == whole.usage
    assert whole.usage.output_tokens == len(text) // 4


@needs_responses
@pytest.mark.parametrize("stream", [False, True])
def test_a_response_calls_the_tool_too(client: openai.OpenAI, stream: bool) -> None:
    options: Any = {"model": MODEL, "tools": [{"type": "function", **WEATHER["function"]}]}
    question: Any = {"role": "user", "content": "Will the weather in Oslo delay my parcel?"}
    answer: Any = client.responses.create(**options, input=[question], stream=stream)
    if stream:
        events = list(answer)
        answer = events[-1].response
        deltas = [e.delta for e in events if e.type == "response.function_call_arguments.delta"]
        assert "".join(deltas) == answer.output[0].arguments
    call = answer.output[0]
    assert (call.type, call.name, json.loads(call.arguments)["city"]) == (
        "function_call",
        "get_weather",
        "Oslo",
    )
    result: Any = {"type": "function_call_output", "call_id": call.call_id, "output": "sunny, 21 C"}
    last: Any = client.responses.create(**options, input=[question, call.model_dump(), result])
    assert "sunny, 21 C" in last.output_text


def test_a_completion_answers_every_prompt(client: openai.OpenAI) -> None:
    options: Any = {"model": "gpt-3.5-turbo-instruct", "prompt": ["An invoice", "A refund"], "n": 2}
    whole = client.completions.create(**options)
    assert [choice.index for choice in whole.choices] == [0, 1, 2, 3]
    texts = [""] * 4
    chunks: Any = client.completions.create(**options, stream=True, stream_options={"include_usage": True})
    for chunk in chunks:
        for choice in chunk.choices:
            texts[choice.index] += choice.text
        usage = chunk.usage
    assert texts == [choice.text for choice in whole.choices]
    assert usage == whole.usage


def test_speech_is_mp3_longer_for_longer_texts(client: openai.OpenAI) -> None:
    short = client.audio.speech.create(model="tts-1", voice="alloy", input="Hello there")
    long = client.audio.speech.create(model="tts-1", voice="alloy", input="Hello there " * 5)
    assert short.response.headers["content-type"] == "audio/mpeg"
    assert short.content.startswith(b"\xff\xfb")
    assert len(long.content) > len(short.content) > 0
    with client.audio.speech.with_streaming_response.create(
        model="tts-1", voice="alloy", input="Hello there"
    ) as r:
        assert b"".join(r.iter_bytes(500)) == short.content


def test_an_unknown_model_is_not_found(client: openai.OpenAI, server: StandIn) -> None:
    with pytest.raises(openai.NotFoundError) as caught:
        chat(client, model=UNKNOWN_MODEL)
    assert caught.value.code == "model_not_found"
    assert caught.value.request_id
    assert UNKNOWN_MODEL in caught.value.message
    assert len(server.requests) == 1


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("model", "error"), [(BUSY_MODEL, openai.RateLimitError), (FAULTY_MODEL, openai.InternalServerError)]
)
def test_the_busy_and_the_faulty_model_are_reached_at_the_second_attempt_every_time(
    client: openai.OpenAI, server: StandIn, model: str, error: type[Exception], stream: bool
) -> None:
    for calls in (1, 2):
        answer = chat(client, model=model, stream=stream)
        assert list(answer)
        assert len(server.requests) == 2 * calls
    with pytest.raises(error):
        chat(client.with_options(max_retries=0), model=model, stream=stream)


@pytest.mark.parametrize(
    ("path", "body", "status", "words"),
    [
        ("/v1/chat/completions", b"{}", 400, "model"),
        ("/v1/chat/completions", b'{"model": "gpt-4o"}', 400, "'messages'"),
        ("/v1/chat/completions", b'{"model": "gpt-4o", "messages": []}', 400, "'messages'"),
        ("/v1/chat/completions", b'{"model": "gpt-4o", "messages": ["hi"]}', 400, "'messages'"),
        ("/v1/chat/completions", b'{"model": "gpt-4o", "messages": [{}], "n": 0}', 400, "'n'"),
        ("/v1/chat/completions", b'{"model": "gpt-4o", "messages": [{}], "tools": [1]}', 400, "understood"),
        ("/v1/chat/completions", b"no json", 400, "JSON"),
        ("/v1/chat/completions", b"[]", 400, "JSON"),
        ("/v1/completions", b'{"model": "davinci-002"}', 400, "'prompt'"),
        ("/v1/embeddings", b'{"model": "text-embedding-3-small"}', 400, "'input'"),
        ("/v1/responses", b'{"model": "gpt-4o"}', 400, "'input'"),
        ("/v1/audio/speech", b'{"model": "tts-1", "input": "hi"}', 400, "'voice'"),
        ("/v1/nowhere", b"{}", 404, "Invalid URL"),
        ("/v2/embeddings", b"{}", 404, "Invalid URL"),
    ],
)
def test_what_openai_would_refuse_is_refused(
    server: StandIn, path: str, body: bytes, status: int, words: str
) -> None:
    answered, error = post(server, path, body)
    assert answered == status
    assert set(error["error"]) == {"message", "type", "param", "code"}
    assert words in error["error"]["message"]
    assert server.requests == [(path, body)]


def test_a_missing_key_is_refused(server: StandIn) -> None:
    status, error = post(server, "/v1/embeddings", b'{"model": "gpt-4o"}', authorization="")
    assert (status, error["error"]["code"]) == (401, "invalid_api_key")


def test_azure_addresses_work_with_any_deployment_name(server: StandIn) -> None:
    azure = openai.AzureOpenAI(
        api_key="any",
        api_version="2024-06-01",
        azure_endpoint=server.base_url.removesuffix("/v1"),
        http_client=openai.DefaultHttpxClient(trust_env=False),
    )
    with azure as client:
        answer = client.chat.completions.create(model="our-desk", messages=ask("An invoice?"))
    assert answer.model == "our-desk"
    assert server.requests[0][0] == "/openai/deployments/our-desk/chat/completions"


def test_one_connection_serves_many_requests(server: StandIn) -> None:
    """Also after an error: a body left unread would be taken for the next request."""
    connection = http.client.HTTPConnection("127.0.0.1", int(server.base_url.split(":")[2].split("/")[0]))
    sockets = set()
    for path in ("/v1/nowhere", "/v1/embeddings", "/v1/chat/completions"):
        connection.request("POST", path, b'{"model": "gpt-4o"}', {"authorization": "Bearer any"})
        connection.getresponse().read()
        sockets.add(connection.sock)
    connection.close()
    assert len(sockets) == 1
    assert None not in sockets


def test_a_client_that_hangs_up_in_a_stream_leaves_the_server_well(
    client: openai.OpenAI, server: StandIn, capfd: pytest.CaptureFixture[str]
) -> None:
    for _ in range(3):
        with chat(client, stream=True, n=100) as stream:
            next(iter(stream))
    assert chat(client).choices
    assert capfd.readouterr() == ("", "")


def test_closing_frees_the_port_and_drops_open_connections() -> None:
    with StandIn() as server, client_of(server) as client:
        stream = chat(client, stream=True)
        next(stream)
        before = time.monotonic()
        server.close()
        assert time.monotonic() - before < 1.0
        with pytest.raises(Exception, match=r"(?i)peer|connection|closed|incomplete"):
            list(stream)
        with pytest.raises(openai.APIConnectionError):
            chat(client.with_options(max_retries=0))
    assert not [thread for thread in threading.enumerate() if thread.name == "openai-stand-in"]
