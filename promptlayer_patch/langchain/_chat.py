"""What the recorded chat models have in common."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import TYPE_CHECKING, Any

from langchain_core.messages import AIMessageChunk, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult

from promptlayer_patch._guard import report
from promptlayer_patch.langchain._requests import (
    KEY,
    AsyncOutside,
    Outside,
    alast_id,
    astepwise,
    gathered_for,
    gathering,
    last_id,
    outside,
    own_requests,
    stepwise,
)

if TYPE_CHECKING:
    from langchain_openai.chat_models.base import BaseChatOpenAI

    from promptlayer_patch._scope import scope
    from promptlayer_patch.records import Receipt
else:
    # Beside LangChain's class and not beneath it: see `_models`.
    BaseChatOpenAI = object


class RecordedChat(BaseChatOpenAI):
    """Makes a chat model's requests in a scope, and hands out their ids.

    One call of `_generate_with_cache` is at most one request, made by `_generate`, or by `_stream` where the
    answer is streamed to callbacks. The ids are added after LangChain has put the answer into its cache: what
    is found there later, was asked by nobody then.
    """

    if TYPE_CHECKING:
        pl_tags: list[str] | None
        return_pl_id: bool | None

    def _generate_with_cache(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: Any = None,
        **kwargs: Any,
    ) -> ChatResult:
        if not self.return_pl_id:
            return super()._generate_with_cache(messages, stop=stop, run_manager=run_manager, **kwargs)
        with gathering(self) as receipts:
            result = super()._generate_with_cache(messages, stop=stop, run_manager=run_manager, **kwargs)
        return _with_id(result, last_id(receipts))

    async def _agenerate_with_cache(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: Any = None,
        **kwargs: Any,
    ) -> ChatResult:
        if not self.return_pl_id:
            return await super()._agenerate_with_cache(messages, stop=stop, run_manager=run_manager, **kwargs)
        with gathering(self) as receipts:
            result = await super()._agenerate_with_cache(
                messages, stop=stop, run_manager=run_manager, **kwargs
            )
        return _with_id(result, await alast_id(receipts))

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: Any = None,
        **kwargs: Any,
    ) -> ChatResult:
        gathered = gathered_for(self)
        with own_requests(self.pl_tags) as calls:
            result = super()._generate(messages, stop, run_manager, **kwargs)
        if self._leaves(calls, gathered):
            return result
        return _with_id(result, last_id(calls.receipts))

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: Any = None,
        **kwargs: Any,
    ) -> ChatResult:
        gathered = gathered_for(self)
        with own_requests(self.pl_tags) as calls:
            result = await super()._agenerate(messages, stop, run_manager, **kwargs)
        if self._leaves(calls, gathered):
            return result
        return _with_id(result, await alast_id(calls.receipts))

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: Any = None,
        **kwargs: Any,
    ) -> Iterator[ChatGenerationChunk]:
        gathered, calls = gathered_for(self), own_requests(self.pl_tags)
        run_manager = outside(Outside, run_manager, calls)
        steps = super()._stream(messages, stop=stop, run_manager=run_manager, **kwargs)

        def ending() -> list[ChatGenerationChunk]:
            return [] if self._leaves(calls, gathered) else [_one_more(last_id(calls.receipts))]

        return stepwise(calls, steps, ending)

    def _astream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: Any = None,
        **kwargs: Any,
    ) -> AsyncIterator[ChatGenerationChunk]:
        gathered, calls = gathered_for(self), own_requests(self.pl_tags)
        run_manager = outside(AsyncOutside, run_manager, calls)
        steps = super()._astream(messages, stop=stop, run_manager=run_manager, **kwargs)

        async def ending() -> list[ChatGenerationChunk]:
            return [] if self._leaves(calls, gathered) else [_one_more(await alast_id(calls.receipts))]

        return astepwise(calls, steps, ending)

    def _leaves(self, calls: scope, gathered: list[Receipt] | None) -> bool:
        """Whether the id is not handed out here: nobody wants it, or the caller does it."""
        if gathered is not None:
            gathered += calls.receipts
        return gathered is not None or not self.return_pl_id


def _with_id(result: ChatResult, request_id: int | None) -> ChatResult:
    """`result` with the id, in generations of its own: those that it has may be in a cache."""
    try:
        result.generations = [_generation_with_id(one, request_id) for one in result.generations]
    except Exception as fault:
        report("adding a request id", fault)
    return result


def _generation_with_id(generation: ChatGeneration, request_id: int | None) -> ChatGeneration:
    message = generation.message
    metadata = {**message.response_metadata, KEY: request_id}
    return generation.model_copy(
        update={
            "generation_info": {**(generation.generation_info or {}), KEY: request_id},
            "message": message.model_copy(update={"response_metadata": metadata}),
        }
    )


def _one_more(request_id: int | None) -> ChatGenerationChunk:
    """An empty chunk with the id."""
    # Marked as the last one, or LangChain would add an empty one of its own after it.
    message = AIMessageChunk(content="", chunk_position="last")
    return ChatGenerationChunk(message=message, generation_info={KEY: request_id})
