"""LangChain's models on a network made of memory; a PromptLayer that remembers what each id stands for."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar
from uuid import UUID

import pytest
from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.messages import BaseMessage
from langchain_core.outputs import LLMResult

from promptlayer_patch.demo.chat import chat_completions
from promptlayer_patch.demo.completions import completions
from promptlayer_patch.demo.replies import Events, Json
from promptlayer_patch.demo.responses import responses
from promptlayer_patch.langchain import PromptLayerChatOpenAI, PromptLayerOpenAI
from tests.support.fake_promptlayer import ACCEPTED, Answer, FakePromptLayer, Post
from tests.support.wire import BASE_URL, Reply, Sent, Wire, answer_events, answer_json

KEY = "pl_request_id"
ABSENT = "absent"
API_KEY = "pl_0123456789abcdef"

T = TypeVar("T")

_ROUTES = {"/chat/completions": chat_completions, "/completions": completions, "/responses": responses}


def desk(sent: Sent) -> Reply:
    """The answers of the stand-in, without its socket."""
    route = next(route for path, route in _ROUTES.items() if sent.path.endswith(path))
    match route(sent.data):
        case Json(body=body):
            return answer_json(body)
        case Events(events=events, named=named):
            return answer_events(*events, done=not named, named=named)
        case other:
            raise AssertionError(other)


class Numbering(FakePromptLayer):
    """A PromptLayer that knows what was posted under each id it has given."""

    def __init__(self) -> None:
        super().__init__()
        self.by_id: dict[int, dict[str, Any]] = {}

    def take(self, post: Post) -> Answer:
        answer = super().take(post)
        if answer is not ACCEPTED:
            return answer
        with self.changed:
            request_id = next(self.ids)
            self.by_id[request_id] = post.body
        return Answer(200, {"success": True, "request_id": request_id, "prompt_blueprint": None})

    def asked(self, request_id: int) -> list[str]:
        """The prompts, or the last message, of the request with this id."""
        return prompts_in(self.by_id[request_id]["kwargs"])


def prompts_in(body: dict[str, Any]) -> list[str]:
    if "prompt" in body:
        return [body["prompt"]] if isinstance(body["prompt"], str) else list(body["prompt"])
    messages = body["input"] if "input" in body else body["messages"]
    return [messages[-1]["content"]]


@contextmanager
def in_the_environment(monkeypatch: pytest.MonkeyPatch) -> Iterator[Numbering]:
    """PromptLayer as a program finds it that calls no `install()`."""
    with Numbering() as promptlayer:
        monkeypatch.setenv("PROMPTLAYER_API_KEY", API_KEY)
        monkeypatch.setenv("PROMPTLAYER_BASE_URL", promptlayer.base_url)
        monkeypatch.setenv("PROMPTLAYER_OUTBOX", "false")
        yield promptlayer


class Models:
    """Makes models whose requests end in `wire`."""

    def __init__(self, answer: Callable[[Sent], Any] = desk) -> None:
        self.wire = Wire(answer)

    @property
    def options(self) -> dict[str, Any]:
        return {
            "api_key": "sk-test",
            "base_url": BASE_URL,
            "max_retries": 0,
            "http_client": self.wire.http_client(),
            "http_async_client": self.wire.async_http_client(),
        }

    def llm(self, cls: type[Any] = PromptLayerOpenAI, **options: Any) -> Any:
        return cls(**{**self.options, **options})

    def chat(self, cls: type[Any] = PromptLayerChatOpenAI, **options: Any) -> Any:
        return cls(**{"model": "gpt-4o-mini", **self.options, **options})


class Ids(BaseCallbackHandler):
    """The ids that callbacks see, by the prompt of the run."""

    def __init__(self) -> None:
        self.found: dict[str, list[Any]] = {}
        self._prompts: dict[UUID, str] = {}

    def on_llm_start(self, serialized: Any, prompts: list[str], *, run_id: UUID, **kwargs: Any) -> None:
        self._prompts[run_id] = prompts[0]

    def on_chat_model_start(
        self, serialized: Any, messages: list[list[BaseMessage]], *, run_id: UUID, **kwargs: Any
    ) -> None:
        self._prompts[run_id] = str(messages[0][-1].content)

    def on_llm_end(self, response: LLMResult, *, run_id: UUID, **kwargs: Any) -> None:
        self.found[self._prompts[run_id]] = ids_in(response)[0]


def ids_in(result: LLMResult) -> list[list[Any]]:
    """The ids of a result; those of messages must be the same."""
    for generations in result.generations:
        for generation in generations:
            message = getattr(generation, "message", None)
            assert message is None or id_of(message) == _id_in(generation.generation_info)
    return [[_id_in(one.generation_info) for one in generations] for generations in result.generations]


def id_of(message: BaseMessage) -> Any:
    return _id_in(message.response_metadata)


def _id_in(fields: dict[str, Any] | None) -> Any:
    return (fields or {}).get(KEY, ABSENT)


def added(chunks: Sequence[Any]) -> Any:
    """A stream's chunks put together, as LangChain does it."""
    whole = chunks[0]
    for chunk in chunks[1:]:
        whole += chunk
    return whole


def on_a_loop(work: Coroutine[Any, Any, T]) -> T:
    return asyncio.run(work)
