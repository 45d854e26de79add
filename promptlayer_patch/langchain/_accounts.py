"""A `Record` of a run, from what LangChain tells its callbacks, where the request is not openai's."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from typing import Any

import langchain_core
from langchain_core.messages import AIMessage, BaseMessage, ChatMessage
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, Generation, GenerationChunk, LLMResult
from pydantic import BaseModel, SecretStr

from promptlayer_patch._capture.call import ending_of, failure_of
from promptlayer_patch.langchain._runs import Run
from promptlayer_patch.records import Ending, Record

_ROLES = {"human": "user", "ai": "assistant", "AIMessageChunk": "assistant"}
_SECRET_WORDS = ("api_key", "apikey", "secret", "password", "authorization", "credential", "headers")
_DEPTH = 64


def name_of(serialized: Any, invocation: Mapping[str, Any]) -> str:
    """LangChain's name of the model's class, for example `langchain.chat_models.anthropic.ChatAnthropic`."""
    path = serialized.get("id") if isinstance(serialized, Mapping) else None
    if path:
        return ".".join(map(str, path))
    return f"langchain.{invocation.get('_type', 'model')}"


def chat_request(messages: Sequence[BaseMessage], invocation: Mapping[str, Any]) -> dict[str, Any]:
    """What a chat model was asked, and with which parameters."""
    return {"messages": [message_dict(message) for message in messages], **_parameters(invocation)}


def text_request(prompts: Sequence[str], invocation: Mapping[str, Any]) -> dict[str, Any]:
    """What a model for texts was asked, and with which parameters."""
    return {"prompts": list(prompts), **_parameters(invocation)}


def message_dict(message: BaseMessage) -> dict[str, Any]:
    """A message as chat APIs write it."""
    extra = message.additional_kwargs
    fields = {
        "role": message.role if isinstance(message, ChatMessage) else _ROLES.get(message.type, message.type),
        "content": _plain(message.content),
        "name": message.name or extra.get("name"),
        "tool_calls": _tool_calls(message),
        "tool_call_id": getattr(message, "tool_call_id", None),
        "function_call": _plain(extra.get("function_call")),
        "usage_metadata": _plain(getattr(message, "usage_metadata", None)),
        "response_metadata": _plain(message.response_metadata),
    }
    return {key: value for key, value in fields.items() if value or key in ("role", "content")}


def record_of(
    run: Run,
    record_id: str,
    tags: tuple[str, ...],
    metadata: Mapping[str, str],
    result: LLMResult | None,
    error: BaseException | None = None,
) -> Record:
    """The record of a run that has ended with `result`, or with `error` and what had arrived until then."""
    return Record(
        id=record_id,
        function_name=run.name,
        provider="langchain",
        request=run.request,
        response=_partial(result) if error is not None else _response(result),
        streamed=run.first_token_at is not None,
        started_at=run.started_at,
        ended_at=time.time(),
        first_token_at=run.first_token_at,
        ending=_ending(error),
        error=failure_of(error) if error is not None else None,
        tags=tags,
        metadata=metadata,
        sdk="langchain-core",
        sdk_version=langchain_core.__version__,
    )


def _ending(error: BaseException | None) -> Ending:
    if error is None:
        return Ending.COMPLETE
    # LangChain's stream was closed before its end.
    return Ending.CLOSED_EARLY if isinstance(error, GeneratorExit) else ending_of(error)


def _response(result: LLMResult | None) -> Any:
    if result is None or not result.generations:
        return None
    return _answer(result.generations[0], result.llm_output)


def _partial(result: LLMResult | None) -> Any:
    """What was streamed before the error. LangChain may hand over more: an account of the error."""
    if result is None or not result.generations:
        return None
    chunks = (GenerationChunk, ChatGenerationChunk)
    arrived = [one for one in result.generations[0] if isinstance(one, chunks)]
    return _answer(arrived, result.llm_output) if arrived else None


def _answer(generations: Sequence[Any], llm_output: Any) -> Any:
    """Of a chat model its messages, of one for texts its text and what it told beside it."""
    messages = [message_dict(one.message) for one in generations if isinstance(one, ChatGeneration)]
    if messages:
        return messages
    texts = [one.text for one in generations if isinstance(one, Generation)]
    return {"text": texts[0] if len(texts) == 1 else texts, "llm_output": _plain(llm_output)}


def _tool_calls(message: BaseMessage) -> list[dict[str, Any]]:
    if not isinstance(message, AIMessage):
        return []
    return [
        {
            "id": call.get("id"),
            "type": "function",
            "function": {"name": call["name"], "arguments": json.dumps(call["args"], default=str)},
        }
        for call in message.tool_calls
    ]


def _parameters(invocation: Mapping[str, Any]) -> dict[str, Any]:
    parameters = _plain(invocation)
    return {key: value for key, value in parameters.items() if value is not None}


def _plain(value: Any, depth: int = 0) -> Any:
    """`value` as JSON knows it, without what is named like a secret; objects are their type's name."""
    if value is None or isinstance(value, (str, bool, int, float)):
        return value
    if depth > _DEPTH or isinstance(value, SecretStr):
        return "***" if isinstance(value, SecretStr) else "[nested too deeply]"
    if isinstance(value, BaseModel):
        return _plain(value.model_dump(), depth + 1)
    if isinstance(value, Mapping):
        named = ((str(key), item) for key, item in value.items())
        return {key: _plain(item, depth + 1) for key, item in named if not _is_secret(key)}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_plain(item, depth + 1) for item in value]
    if isinstance(value, (bytes, bytearray)):
        return {"bytes": len(value)}
    return f"<{value.__qualname__ if isinstance(value, type) else type(value).__qualname__}>"


def _is_secret(key: str) -> bool:
    return any(word in key.lower() for word in _SECRET_WORDS)
