"""A network made of memory for real openai clients, plausible answers, and plausible arguments for every row.

The wire writes down what was sent and, in one log with whatever the test adds to it, when each piece of an
answer was asked for. It works with httpx and with httpx2, whichever the installed openai speaks.
"""

from __future__ import annotations

import asyncio
import functools
import importlib
import inspect
import io
import json
import logging
import operator
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

import openai
import openai._base_client as base_client

import promptlayer_patch
from promptlayer_patch._patching import PatchPoint
from promptlayer_patch.exporters.memory import MemoryExporter
from promptlayer_patch.instrumentation.openai import OPENAI
from tests.replay.multipart import normalised
from tests.replay.playing import Account, drive, play

http: Any = getattr(base_client, "httpx2", None) or getattr(base_client, "httpx")  # noqa: B009

T = TypeVar("T")

BASE_URL = "http://api.test/v1"
MODEL = "gpt-4o-mini"
ASK = [{"role": "user", "content": "Wie spät ist es? 🕰"}]


@dataclass(frozen=True)
class Sent:
    """One request as it left the client, a form's random boundary replaced by a constant one."""

    method: str
    url: str
    headers: tuple[tuple[str, str], ...]
    body: bytes

    @property
    def path(self) -> str:
        return self.url.partition("?")[0].removeprefix(BASE_URL)

    @property
    def data(self) -> Any:
        """The body, if it is JSON."""
        return json.loads(self.body) if self.body.startswith(b"{") else {}


@dataclass(frozen=True)
class Reply:
    """What a request is answered with."""

    chunks: tuple[bytes, ...] = ()
    status: int = 200
    content_type: str = "application/json"
    headers: tuple[tuple[str, str], ...] = ()
    breaks: Callable[[], Exception] | None = None
    """Makes the exception with which the connection breaks after the last chunk."""


Answer = Callable[[Sent], "Reply | BaseException"]


def answer_json(data: Any, status: int = 200, **headers: str) -> Reply:
    pairs = tuple((name.replace("_", "-"), value) for name, value in headers.items())
    return Reply((json.dumps(data).encode(),), status, headers=(("x-request-id", "req_1"), *pairs))


def answer_events(*events: Any, done: bool = True, named: bool = False, **options: Any) -> Reply:
    """One chunk for each event."""
    chunks = [b"data: " + json.dumps(event).encode() + b"\n\n" for event in events]
    if named:
        pairs = zip(events, chunks, strict=True)
        chunks = [b"event: " + event["type"].encode() + b"\n" + chunk for event, chunk in pairs]
    if done:
        chunks.append(b"data: [DONE]\n\n")
    options.setdefault("headers", (("x-request-id", "req_1"),))
    return Reply(tuple(chunks), content_type="text/event-stream", **options)


def refusal(status: int, **headers: str) -> Reply:
    """An error as OpenAI reports it."""
    error = {"message": "The engine is tired.", "type": "tired_error", "code": "tired", "param": None}
    return answer_json({"error": error}, status, **headers)


class Wire:
    """Both ends of the line: makes clients whose requests end here, and answers them."""

    def __init__(self, answer: Answer | None = None, log: list[str] | None = None) -> None:
        self.answer = answer or plausible
        self.sent: list[Sent] = []
        self.log: list[str] = [] if log is None else log
        """`sent`, `chunk 0`, `chunk 1`, ..., `end`, `closed` as they happen; tests add lines of their own."""
        self.delivered = 0
        self.closed = 0

    def client(self, cls: type | None = None, **options: Any) -> Any:
        """A sync client of the installed openai, or of the class given."""
        return _client(cls or openai.OpenAI, self.http_client(), options)

    def async_client(self, cls: type | None = None, **options: Any) -> Any:
        return _client(cls or openai.AsyncOpenAI, self.async_http_client(), options)

    def http_client(self, library: Any = http) -> Any:
        return library.Client(transport=_transports(library)[0](self), trust_env=False)

    def async_http_client(self, library: Any = http) -> Any:
        return library.AsyncClient(transport=_transports(library)[1](self), trust_env=False)

    def respond(self, request: Any, body: bytes, library: Any) -> Any:
        content_type, body = normalised(request.headers.get("content-type", ""), body)
        headers = [
            (name.lower(), content_type if name.lower() == "content-type" else value)
            for name, value in request.headers.multi_items()
        ]
        sent = Sent(request.method, str(request.url), tuple(headers), body)
        self.sent.append(sent)
        self.log.append("sent")
        reply = self.answer(sent)
        if isinstance(reply, BaseException):
            raise reply
        content_type = ("content-type", reply.content_type)
        stream = _body_class(library)(self, reply)
        return library.Response(reply.status, headers=[content_type, *reply.headers], stream=stream)


def _client(cls: type, http_client: Any, options: dict[str, Any]) -> Any:
    defaults: dict[str, Any] = {"api_key": "sk-test", "max_retries": 0, "http_client": http_client}
    if issubclass(cls, (openai.AzureOpenAI, openai.AsyncAzureOpenAI)):
        defaults.update(azure_endpoint="http://azure.test", api_version="2024-06-01")
    else:
        defaults["base_url"] = BASE_URL
    return cls(**{**defaults, **options})


@functools.cache
def _transports(library: Any) -> tuple[type, type]:
    """The sync and the async transport that end in a wire, for one of the HTTP libraries."""

    class Transport(library.BaseTransport):  # type: ignore[misc, name-defined]
        def __init__(self, wire: Wire) -> None:
            self.wire = wire

        def handle_request(self, request: Any) -> Any:
            # Not `request.read()`, which would leave the body in the request; a socket does not either.
            return self.wire.respond(request, b"".join(request.stream), library)

    class AsyncTransport(library.AsyncBaseTransport):  # type: ignore[misc, name-defined]
        def __init__(self, wire: Wire) -> None:
            self.wire = wire

        async def handle_async_request(self, request: Any) -> Any:
            body = b"".join([piece async for piece in request.stream])
            await asyncio.sleep(0)
            return self.wire.respond(request, body, library)

    return Transport, AsyncTransport


class _Body:
    def __init__(self, wire: Wire, reply: Reply) -> None:
        self._wire = wire
        self._reply = reply

    def __iter__(self) -> Iterator[bytes]:
        for at, chunk in enumerate(self._reply.chunks):
            self._wire.log.append(f"chunk {at}")
            self._wire.delivered += 1
            yield chunk
        if self._reply.breaks is not None:
            self._wire.log.append("broken")
            raise self._reply.breaks()
        self._wire.log.append("end")

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for chunk in self:
            await asyncio.sleep(0)
            yield chunk

    def close(self) -> None:
        self._wire.closed += 1
        self._wire.log.append("closed")

    async def aclose(self) -> None:
        self.close()


@functools.cache
def _body_class(library: Any) -> type:
    return type("Body", (_Body, library.SyncByteStream, library.AsyncByteStream), {})


# Answers


def plausible(sent: Sent) -> Reply:
    """A fitting answer for every route that openai's methods use."""
    path = sent.path.partition("/deployments/")[2].partition("/")[2] or sent.path.lstrip("/")
    streamed = sent.data.get("stream") is True or b'name="stream"\r\n\r\ntrue' in sent.body
    for ending, plain, events in _ROUTES:
        if path.endswith(ending):
            return events() if streamed else plain()
    if path.endswith("/events") and sent.method == "GET":
        return _turn_events()
    if path.endswith("embeddings"):
        return _embedding(sent.data.get("encoding_format"))
    return answer_json({"id": "thing_1", "object": "thing", "status": "idle"})


def chat(content: str = '{"hour": 7}') -> Reply:
    message = {"role": "assistant", "content": content, "refusal": None}
    choices = [{"index": 0, "message": message, "finish_reason": "stop", "logprobs": None}]
    usage = {"prompt_tokens": 9, "completion_tokens": 3, "total_tokens": 12}
    return answer_json({**_chat("chat.completion"), "choices": choices, "usage": usage})


def chat_events(*pieces: str, **options: Any) -> Reply:
    """One chunk for each piece of text, then one with the finish reason, then `[DONE]`."""
    deltas = [{"content": piece} for piece in pieces or ('{"hou', 'r": ', "7}")]
    deltas[0]["role"] = "assistant"
    choices = [{"index": 0, "delta": delta, "finish_reason": None, "logprobs": None} for delta in deltas]
    choices.append({"index": 0, "delta": {}, "finish_reason": "stop", "logprobs": None})
    chunks = [{**_chat("chat.completion.chunk"), "choices": [choice]} for choice in choices]
    return answer_events(*chunks, **options)


def _chat(kind: str) -> dict[str, Any]:
    return {"id": "chatcmpl-1", "object": kind, "created": 1700000000, "model": MODEL}


def _response(status: str, content: list[Any] | None = None) -> dict[str, Any]:
    message = {"type": "message", "id": "msg_1", "role": "assistant", "status": status}
    return {
        "id": "resp_1",
        "object": "response",
        "created_at": 1700000000.0,
        "status": status,
        "model": MODEL,
        "output": [] if content is None else [{**message, "content": content}],
        "parallel_tool_calls": True,
        "tool_choice": "auto",
        "tools": [],
        "usage": None if content is None else {"input_tokens": 9, "output_tokens": 3, "total_tokens": 12},
    }


def responses() -> Reply:
    return answer_json(_response("completed", [_text('{"hour": 7}')]))


def responses_events() -> Reply:
    place = {"output_index": 0, "item_id": "msg_1", "content_index": 0}
    item = {"type": "message", "id": "msg_1", "role": "assistant", "status": "in_progress", "content": []}
    done = {**item, "status": "completed", "content": [_text('{"hour": 7}')]}
    events: list[dict[str, Any]] = [
        {"type": "response.created", "response": _response("in_progress")},
        {"type": "response.output_item.added", "output_index": 0, "item": item},
        {"type": "response.content_part.added", **place, "part": _text("")},
        *({"type": "response.output_text.delta", **place, "delta": part} for part in ('{"hour"', ": 7}")),
        {"type": "response.output_text.done", **place, "text": '{"hour": 7}'},
        {"type": "response.content_part.done", **place, "part": _text('{"hour": 7}')},
        {"type": "response.output_item.done", "output_index": 0, "item": done},
        {"type": "response.completed", "response": _response("completed", [_text('{"hour": 7}')])},
    ]
    numbered = [{**event, "sequence_number": at, "logprobs": []} for at, event in enumerate(events)]
    return answer_events(*numbered, done=False, named=True)


def _text(text: str) -> dict[str, Any]:
    return {"type": "output_text", "text": text, "annotations": []}


def _texts() -> Reply:
    return answer_json(_completion("It is seven."))


def _text_events() -> Reply:
    return answer_events(*(_completion(part) for part in ("It is", " seven.")))


def _completion(text: str) -> dict[str, Any]:
    choice = {"index": 0, "text": text, "finish_reason": "stop", "logprobs": None}
    return {"id": "cmpl-1", "object": "text_completion", "created": 1, "model": MODEL, "choices": [choice]}


def _embedding(encoding: str | None) -> Reply:
    usage = {"prompt_tokens": 2, "total_tokens": 2}
    vector = "AACAPwAAAEA=" if encoding == "base64" else [1.0, 2.0]
    item = {"object": "embedding", "index": 0, "embedding": vector}
    return answer_json({"object": "list", "data": [item], "model": MODEL, "usage": usage})


def _moderation() -> Reply:
    result = {"flagged": False, "categories": {}, "category_scores": {}, "category_applied_input_types": {}}
    return answer_json({"id": "modr-1", "model": MODEL, "results": [result]})


def _images() -> Reply:
    return answer_json({"created": 1, "data": [{"b64_json": "aGk="}]})


def _image_events() -> Reply:
    kind = "image_generation.partial_image"
    return answer_events({"type": kind, "b64_json": "aGk=", "partial_image_index": 0}, done=False, named=True)


def _speech() -> Reply:
    return Reply((b"\xff\xf3speech", b"\x00more"), content_type="audio/mpeg")


def _transcript() -> Reply:
    return answer_json({"text": "It is seven."})


def _transcript_events() -> Reply:
    delta = {"type": "transcript.text.delta", "delta": "It is seven."}
    done = {"type": "transcript.text.done", "text": "It is seven."}
    return answer_events(delta, done, done=False, named=True)


_A_RUN = {"id": "run_1", "object": "thread.run", "thread_id": "thread_1"}


def _run() -> Reply:
    return answer_json({**_A_RUN, "status": "completed"})


def _run_events() -> Reply:
    names = {"queued": "thread.run.created", "completed": "thread.run.completed"}
    runs = {name: json.dumps({**_A_RUN, "status": status}) for status, name in names.items()}
    chunks = [f"event: {name}\ndata: {data}\n\n".encode() for name, data in runs.items()]
    return Reply((*chunks, b"event: done\ndata: [DONE]\n\n"), content_type="text/event-stream")


def _turn_events() -> Reply:
    turn = {"turn_id": "turn_1", "turn": {"id": "turn_1", "subagent_id": None}}
    kinds = {"turn.created": turn, "turn.completed": turn, "idle": {"session": {"id": "sess_1"}}}
    events = [{"type": f"agent.session.{kind}", "event_id": kind, **data} for kind, data in kinds.items()]
    return answer_events(*events, done=False, named=True)


_ROUTES: tuple[tuple[str, Callable[[], Reply], Callable[[], Reply]], ...] = (
    ("chat/completions", chat, chat_events),
    ("completions", _texts, _text_events),
    ("responses", responses, responses_events),
    ("moderations", _moderation, _moderation),
    ("images/generations", _images, _image_events),
    ("images/edits", _images, _image_events),
    ("images/variations", _images, _images),
    ("audio/speech", _speech, _speech),
    ("audio/transcriptions", _transcript, _transcript_events),
    ("audio/translations", _transcript, _transcript),
    ("runs", _run, _run_events),
    ("submit_tool_outputs", _run, _run_events),
)


# Rows


@dataclass(frozen=True)
class Row:
    """A row of the table as the installed openai has it."""

    point: PatchPoint
    sync_class: type
    async_class: type

    @property
    def name(self) -> str:
        return self.point.name

    @property
    def method(self) -> str:
        return self.point.method.rpartition(".")[2]

    @property
    def parameters(self) -> Mapping[str, inspect.Parameter]:
        return inspect.signature(vars(self.sync_class)[self.method]).parameters

    @property
    def async_parameters(self) -> Mapping[str, inspect.Parameter]:
        return inspect.signature(vars(self.async_class)[self.method]).parameters

    @property
    def positional(self) -> list[str]:
        """The parameters that need not be named; ids that stand in the path."""
        kinds = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.POSITIONAL_ONLY)
        return [name for name, each in self.parameters.items() if each.kind in kinds and name != "self"]

    @property
    def streams(self) -> bool:
        """Whether it takes `stream=True`."""
        return "stream" in self.parameters

    def has(self, style: str) -> bool:
        """Whether the method can also be called in this style."""
        with Wire().client() as client:
            return hasattr(getattr(self._resource(client), style, None), self.method)

    def on(self, client: Any, style: str | None = None) -> Any:
        """The bound method of `client`; `style` may be `with_raw_response` or `with_streaming_response`."""
        resource = self._resource(client)
        return getattr(getattr(resource, style) if style else resource, self.method)

    def _resource(self, client: Any) -> Any:
        return operator.attrgetter(self.point.resource)(client)


def rows() -> list[Row]:
    """The rows of our table that the installed openai has."""
    found = []
    for point in OPENAI.points:
        class_name, _, method = point.method.partition(".")
        for name in OPENAI.modules(point):
            try:
                module = importlib.import_module(name)
            except ImportError:
                continue
            cls = vars(module).get(class_name)
            if isinstance(cls, type) and cls.__module__ == name and method in vars(cls):
                found.append(Row(point, cls, vars(module)[f"Async{class_name}"]))
    return found


ROWS = rows()
ARGUMENTS: dict[str, Callable[[], dict[str, Any]]] = {
    "chat.completions.create": lambda: {"model": MODEL, "messages": list(ASK), "metadata": {"a": "b"}},
    "chat.completions.parse": lambda: {"model": MODEL, "messages": list(ASK)},
    "chat.completions.stream": lambda: {"model": MODEL, "messages": list(ASK)},
    "responses.create": lambda: {"model": MODEL, "input": "What time is it?", "metadata": {"a": "b"}},
    "responses.parse": lambda: {"model": MODEL, "input": "What time is it?"},
    "responses.stream": lambda: {"model": MODEL, "input": "What time is it?"},
    "responses.compact": lambda: {"model": MODEL, "input": "What time is it?"},
    "completions.create": lambda: {"model": MODEL, "prompt": ["What time", "is it?"]},
    "embeddings.create": lambda: {"model": MODEL, "input": ["clock", "watch"]},
    "moderations.create": lambda: {"input": ["You clock!"]},
    "decisions.create": lambda: {"model": MODEL, "input": "It is seven.", "questions": [{"type": "boolean"}]},
    "images.generate": lambda: {"prompt": "a clock"},
    "images.edit": lambda: {"image": ("a.png", b"\x89PNG"), "prompt": "a clock", "n": 2},
    "images.create_variation": lambda: {"image": ("a.png", b"\x89PNG", "image/png"), "n": 2},
    "audio.speech.create": lambda: {"model": "tts-1", "voice": "alloy", "input": "It is seven."},
    "audio.transcriptions.create": lambda: {"model": "whisper-1", "file": named_file("a.mp3")},
    "audio.translations.create": lambda: {"model": "whisper-1", "file": ("a.mp3", b"RIFF")},
    "videos.create": lambda: {"prompt": "a clock", "input_reference": ("a.png", b"\x89PNG")},
    "videos.edit": lambda: {"prompt": "a clock", "video": ("a.mp4", b"ftyp")},
    "videos.extend": lambda: {"prompt": "a clock", "seconds": "4", "video": ("a.mp4", b"ftyp")},
    "videos.remix": lambda: {"video_id": "video_1", "prompt": "a clock"},
    "batches.create": lambda: {
        "completion_window": "24h",
        "endpoint": "/v1/chat/completions",
        "input_file_id": "file_1",
    },
    "fine_tuning.jobs.create": lambda: {"model": MODEL, "training_file": "file_1"},
    "evals.runs.create": lambda: {"eval_id": "eval_1", "data_source": {"type": "jsonl"}},
    "beta.threads.create_and_run": lambda: {"assistant_id": "asst_1", "thread": {"messages": list(ASK)}},
    "beta.threads.create_and_run_stream": lambda: {"assistant_id": "asst_1"},
    "beta.threads.runs.create": lambda: {"thread_id": "thread_1", "assistant_id": "asst_1"},
    "beta.threads.runs.create_and_stream": lambda: {"thread_id": "thread_1", "assistant_id": "asst_1"},
    "beta.threads.runs.stream": lambda: {"thread_id": "thread_1", "assistant_id": "asst_1"},
    "beta.threads.runs.submit_tool_outputs": lambda: {**_RUN, "tool_outputs": [{"output": "7"}]},
    "beta.threads.runs.submit_tool_outputs_stream": lambda: {**_RUN, "tool_outputs": [{"output": "7"}]},
    "beta.agents.sessions.create": lambda: {"environment": {"type": "remote"}},
    "beta.agents.sessions.stream": lambda: {**_SESSION, "input": "What time is it?", "idempotency_key": "k"},
    "beta.agents.sessions.events.create": lambda: {**_SESSION, "events": [{"type": "x"}]},
    "beta.agents.sessions.events.stream": lambda: {**_SESSION},
}
"""Arguments that each row can be called with, made anew for every call; `beta.` twins share a row's."""
_RUN = {"thread_id": "thread_1", "run_id": "run_1"}
_SESSION = {"session_id": "sess_1"}


def arguments(row: Row) -> dict[str, Any]:
    """Fresh arguments for a call of `row`, those that the installed openai knows."""
    factory = ARGUMENTS.get(row.name) or ARGUMENTS[row.name.removeprefix("beta.")]
    return {name: value for name, value in factory().items() if name in row.parameters}


def named_file(name: str, content: bytes = b"RIFF") -> io.BytesIO:
    file = io.BytesIO(content)
    file.name = name
    return file


def replies(*answers: Reply | BaseException) -> Answer:
    """Answers the first request with the first answer, and so on; the last one stays."""
    left: list[Reply | BaseException] = list(answers)
    return lambda _: left.pop(0) if len(left) > 1 else left[0]


# Runs


def make(
    row: Row,
    kwargs: dict[str, Any],
    *,
    is_async: bool,
    style: str | None = None,
    positional: Sequence[str] = (),
    answer: Answer | None = None,
    log: list[str] | None = None,
    **client: Any,
) -> tuple[Account, Wire]:
    """Call `row`, read what it returns to the end, and account for everything that could be noticed."""
    wire = Wire(answer, log)
    opened = wire.async_client(**client) if is_async else wire.client(**client)
    method = row.on(opened, style)
    if positional:
        method = functools.partial(method, *(kwargs[name] for name in positional))
        kwargs = {name: value for name, value in kwargs.items() if name not in positional}
    coroutine = play(method, kwargs, wire)  # type: ignore[arg-type]
    return run(coroutine, is_async=is_async), wire


def run(coroutine: Coroutine[Any, Any, T], *, is_async: bool) -> T:
    """The result of a coroutine; one that uses a sync client never waits and needs no loop."""
    return asyncio.run(coroutine) if is_async else drive(coroutine)


async def settled(returned: Any) -> Any:
    """What a call of either kind of client returned."""
    return await returned if inspect.isawaitable(returned) else returned


async def each(many: Any) -> AsyncIterator[Any]:
    if hasattr(many, "__aiter__"):
        async for item in many:
            yield item
    else:
        for item in many:
            yield item


@asynccontextmanager
async def entered(manager: Any) -> AsyncIterator[Any]:
    if hasattr(manager, "__aenter__"):
        async with manager as inside:
            yield inside
    else:
        with manager as inside:
            yield inside


def helper_of_chat(client: Any) -> Any:
    """The resource with `parse()` and `stream()`, which were under `beta` at first."""
    found = client.chat.completions
    return found if hasattr(found, "stream") else client.beta.chat.completions


@contextmanager
def installed(**options: Any) -> Iterator[MemoryExporter]:
    """With us installed, and in the end the assurance that no fault of ours was swallowed on the way."""
    sink = MemoryExporter()
    with faults() as found:
        promptlayer_patch.install(to=sink, **options)
        try:
            yield sink
        finally:
            promptlayer_patch.uninstall()
    assert found == []


@contextmanager
def faults() -> Iterator[list[str]]:
    """The faults of ours that are reported in the block."""
    found: list[str] = []
    handler = logging.Handler()
    handler.emit = lambda record: found.append(record.getMessage())  # type: ignore[method-assign]
    handler.addFilter(lambda record: "your call was not affected" in record.getMessage())
    logger = logging.getLogger("promptlayer_patch")
    logger.addHandler(handler)
    try:
        yield found
    finally:
        logger.removeHandler(handler)


def recorded(sink: MemoryExporter) -> list[str]:
    """The names of all records made so far, in order of delivery."""
    assert promptlayer_patch.flush()
    return [record.function_name for record in sink.records]
