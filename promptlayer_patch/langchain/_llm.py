"""What the recorded completion models have in common."""

from __future__ import annotations

import functools
from collections.abc import AsyncIterator, Callable, Iterator
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar, cast

from langchain_core.language_models import BaseLLM
from langchain_core.outputs import Generation, GenerationChunk, LLMResult

from promptlayer_patch._guard import report
from promptlayer_patch.langchain._requests import (
    KEY,
    AsyncOutside,
    Outside,
    aids_of,
    alast_id,
    astepwise,
    ids_of,
    last_id,
    outside,
    own_requests,
    stepwise,
)

if TYPE_CHECKING:
    from langchain_openai.llms.base import BaseOpenAI

    from promptlayer_patch._scope import scope
    from promptlayer_patch.records import Receipt
else:
    # Beside LangChain's class and not beneath it: see `_models`.
    BaseOpenAI = object

F = TypeVar("F", bound=Callable[..., Any])
Ids: TypeAlias = dict[int, tuple[Generation, "int | None"]]

_GATHERED = "_promptlayer_receipts"
"""By this name `_generate` of a streaming model gives `_stream` a list for the receipts. LangChain hands it
on like any argument, and `_stream` takes it out."""

_ids: ContextVar[Ids | None] = ContextVar("promptlayer_patch_langchain_ids", default=None)
"""By `id()`, with the object, the new generations of the `generate` that is under way, and their ids."""


def _like(original: F) -> Callable[[Callable[..., Any]], F]:
    """Take name, documentation and signature from `original`."""
    return cast("Callable[[Callable[..., Any]], F]", functools.wraps(original))


class RecordedLLM(BaseOpenAI):
    """Makes a completion model's requests in a scope, and hands out their ids.

    Prompts go out in requests of `batch_size`, so prompt i is in request i // batch_size. LangChain puts the
    result of `_generate_helper`, which has told the callbacks, into its cache, and what is found there later
    was asked by nobody then: so the ids are taken out of that result, and come back in `generate`.
    """

    if TYPE_CHECKING:
        pl_tags: list[str] | None
        return_pl_id: bool | None

    @_like(BaseLLM.generate)
    def generate(self, *args: Any, **kwargs: Any) -> LLMResult:
        if not self.return_pl_id:
            return super().generate(*args, **kwargs)
        before, ids = _ids.get(), dict[int, Any]()
        _ids.set(ids)
        try:
            result = super().generate(*args, **kwargs)
        finally:
            _ids.set(before)
        return _each(result, lambda one: _with_id(one, ids[id(one)][1] if id(one) in ids else None))

    @_like(BaseLLM.agenerate)
    async def agenerate(self, *args: Any, **kwargs: Any) -> LLMResult:
        if not self.return_pl_id:
            return await super().agenerate(*args, **kwargs)
        before, ids = _ids.get(), dict[int, Any]()
        _ids.set(ids)
        try:
            result = await super().agenerate(*args, **kwargs)
        finally:
            _ids.set(before)
        return _each(result, lambda one: _with_id(one, ids[id(one)][1] if id(one) in ids else None))

    def _generate_helper(self, *args: Any, **kwargs: Any) -> LLMResult:
        return _set_aside(super()._generate_helper(*args, **kwargs))

    async def _agenerate_helper(self, *args: Any, **kwargs: Any) -> LLMResult:
        return _set_aside(await super()._agenerate_helper(*args, **kwargs))

    def _generate(
        self, prompts: list[str], stop: list[str] | None = None, run_manager: Any = None, **kwargs: Any
    ) -> LLMResult:
        if self.streaming:
            receipts: list[Receipt] = []
            result = super()._generate(prompts, stop, run_manager, **kwargs, **{_GATHERED: receipts})
        else:
            with own_requests(self.pl_tags) as calls:
                result = super()._generate(prompts, stop, run_manager, **kwargs)
            receipts = calls.receipts
        return self._with_ids(result, ids_of(receipts)) if self.return_pl_id else result

    async def _agenerate(
        self, prompts: list[str], stop: list[str] | None = None, run_manager: Any = None, **kwargs: Any
    ) -> LLMResult:
        if self.streaming:
            receipts: list[Receipt] = []
            result = await super()._agenerate(prompts, stop, run_manager, **kwargs, **{_GATHERED: receipts})
        else:
            with own_requests(self.pl_tags) as calls:
                result = await super()._agenerate(prompts, stop, run_manager, **kwargs)
            receipts = calls.receipts
        return self._with_ids(result, await aids_of(receipts)) if self.return_pl_id else result

    def _stream(
        self, prompt: str, stop: list[str] | None = None, run_manager: Any = None, **kwargs: Any
    ) -> Iterator[GenerationChunk]:
        gathered, calls = kwargs.pop(_GATHERED, None), own_requests(self.pl_tags)
        steps = super()._stream(prompt, stop, outside(Outside, run_manager, calls), **kwargs)

        def ending() -> list[GenerationChunk]:
            return [] if self._leaves(calls, gathered) else [_one_more(last_id(calls.receipts))]

        return stepwise(calls, steps, ending)

    def _astream(
        self, prompt: str, stop: list[str] | None = None, run_manager: Any = None, **kwargs: Any
    ) -> AsyncIterator[GenerationChunk]:
        gathered, calls = kwargs.pop(_GATHERED, None), own_requests(self.pl_tags)
        steps = super()._astream(prompt, stop, outside(AsyncOutside, run_manager, calls), **kwargs)

        async def ending() -> list[GenerationChunk]:
            return [] if self._leaves(calls, gathered) else [_one_more(await alast_id(calls.receipts))]

        return astepwise(calls, steps, ending)

    def _leaves(self, calls: scope, gathered: list[Receipt] | None) -> bool:
        """Whether the id is not handed out here: nobody wants it, or `_generate` does it."""
        if gathered is not None:
            gathered += calls.receipts
        return gathered is not None or not self.return_pl_id

    def _with_ids(self, result: LLMResult, ids: list[int | None]) -> LLMResult:
        try:
            for number, generations in enumerate(result.generations):
                request = number // self.batch_size
                request_id = ids[request] if request < len(ids) else None
                for generation in generations:
                    generation.generation_info = {**(generation.generation_info or {}), KEY: request_id}
        except Exception as fault:
            report("adding request ids", fault)
        return result


def _set_aside(result: LLMResult) -> LLMResult:
    """`result` with generations without ids, which `generate` finds in `_ids`."""
    ids = _ids.get()
    if ids is None:
        return result

    def without_id(generation: Any) -> Any:
        info = dict(generation.generation_info or {})
        request_id = info.pop(KEY, None)
        bare = generation.model_copy(update={"generation_info": info})
        ids[id(bare)] = bare, request_id
        return bare

    return _each(result, without_id)


def _with_id(generation: Any, request_id: int | None) -> Any:
    """A generation of its own with the id: the given one may be in a cache."""
    info = {**(generation.generation_info or {}), KEY: request_id}
    return generation.model_copy(update={"generation_info": info})


def _each(result: LLMResult, change: Callable[[Any], Any]) -> LLMResult:
    try:
        # New lists too: LangChain's own cache keeps the very list it was given.
        result.generations = [[change(one) for one in generations] for generations in result.generations]
    except Exception as fault:
        report("adding request ids", fault)
    return result


def _one_more(request_id: int | None) -> GenerationChunk:
    return GenerationChunk(text="", generation_info={KEY: request_id})
