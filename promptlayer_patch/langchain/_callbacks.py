"""Recording the runs of any model through LangChain's callbacks."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any
from uuid import UUID
from weakref import WeakSet

from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.messages import BaseMessage
from langchain_core.outputs import LLMResult

from promptlayer_patch._asking import asking
from promptlayer_patch._guard import quietly
from promptlayer_patch._options import checked_tags
from promptlayer_patch._process import submit
from promptlayer_patch.errors import RequestIdTimeout, RequestIdUnavailable
from promptlayer_patch.langchain import _runs
from promptlayer_patch.langchain._accounts import chat_request, name_of, record_of, text_request
from promptlayer_patch.langchain._runs import Follower, Run
from promptlayer_patch.records import Receipt

_BY_OPENAI = frozenset({"openai", "openai-chat", "azure", "azure-openai-chat"})
"""LangChain's types of models whose requests the openai library makes."""


class PromptLayerCallbackHandler(BaseCallbackHandler):
    """Records each run of a model that it is told of, whatever library makes the request.

        ChatAnthropic(model="claude-sonnet-4-5", callbacks=[PromptLayerCallbackHandler(pl_tags=["support"])])

    Where the openai library makes the request, the record is the one that is made of every call of openai; it
    gets the tags. Of other models the record is what LangChain tells of the run. Such a run is recorded too
    when LangChain has answered it from its cache.

    Args:
        pl_id_callback: called with PromptLayer's id of each request, once it is known, mostly on a thread of
            the delivery; never for a request that gets no id.
        pl_tags: tags for each request.

    It may be used in synchronous and asynchronous runs, of several models, at the same time. Raises
    `InvalidArgument` when `pl_tags` is not a list of strings; no fault of it reaches a chain.
    """

    ignore_agent = True
    ignore_chain = True
    ignore_custom_event = True
    ignore_retriever = True
    ignore_retry = True

    def __init__(
        self, pl_id_callback: Callable[[int], Any] | None = None, pl_tags: list[str] | None = None
    ) -> None:
        self.pl_id_callback = pl_id_callback
        self.pl_tags = list(checked_tags("pl_tags", pl_tags))
        self._told: WeakSet[Receipt] = WeakSet()

    def on_chat_model_start(
        self,
        serialized: dict[str, Any],
        messages: list[list[BaseMessage]],
        *,
        run_id: UUID,
        parent_run_id: UUID | None = None,
        tags: list[str] | None = None,
        metadata: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        """A chat model begins."""
        about = {"run_id": run_id, "parent_run_id": parent_run_id, "tags": tags}
        asked = partial(chat_request, [message for one in messages for message in one])
        quietly("following a LangChain run", self._begin, serialized, kwargs, asked, about)

    def on_llm_start(
        self,
        serialized: dict[str, Any],
        prompts: list[str],
        *,
        run_id: UUID,
        parent_run_id: UUID | None = None,
        tags: list[str] | None = None,
        metadata: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        """A model for texts begins."""
        about = {"run_id": run_id, "parent_run_id": parent_run_id, "tags": tags}
        asked = partial(text_request, prompts)
        quietly("following a LangChain run", self._begin, serialized, kwargs, asked, about)

    def on_llm_new_token(self, token: Any, *, run_id: UUID, **kwargs: Any) -> None:
        """A piece of the answer has arrived."""
        run = _runs.going_on(run_id)
        if run is not None and run.first_token_at is None:
            run.first_token_at = time.time()

    def on_stream_event(self, event: Any, *, run_id: UUID, **kwargs: Any) -> None:
        """A piece of the answer has arrived, in the third version of LangChain's events."""
        if isinstance(event, Mapping) and event.get("event") == "content-block-delta":
            self.on_llm_new_token(event, run_id=run_id)

    def on_llm_end(self, response: LLMResult, *, run_id: UUID, **kwargs: Any) -> None:
        """The answer is complete."""
        quietly("recording a LangChain run", self._end, run_id, response)

    def on_llm_error(self, error: BaseException, *, run_id: UUID, **kwargs: Any) -> None:
        """The run has failed, or was left before its end."""
        quietly("recording a LangChain run", self._end, run_id, kwargs.get("response"), error)

    def _begin(
        self,
        serialized: Any,
        told: Mapping[str, Any],
        asked: Callable[[Mapping[str, Any]], Mapping[str, Any]],
        about: Mapping[str, Any],
    ) -> None:
        invocation = told.get("invocation_params") or {}
        by_openai = invocation.get("_type") in _BY_OPENAI
        request = {} if by_openai else asked(invocation)
        run = _runs.begin(about["run_id"], Run(name_of(serialized, invocation), request, by_openai))
        labels = {f"_langchain_{key}": str(value) for key, value in about.items() if value}
        run.followers.append(Follower(self, labels, asking(tags=self.pl_tags, metadata=labels)))

    def _end(self, run_id: UUID, result: LLMResult | None, error: BaseException | None = None) -> None:
        run = _runs.end(run_id)
        if run is None:
            return  # another handler has seen to it
        recorded = any(one.calls.receipts for one in run.followers)
        # One by openai without a request was answered by LangChain's cache, or recording is suppressed.
        if not recorded and not run.by_openai:
            _submit(run, result, error)
        for one in run.followers:
            for receipt in one.calls.receipts:
                one.handler._tell_id_of(receipt)

    def _tell_id_of(self, receipt: Receipt) -> None:
        # Runs with one request in common come here with the same receipt.
        if self.pl_id_callback is not None and receipt not in self._told:
            self._told.add(receipt)
            receipt.when_done(partial(_tell, receipt, self.pl_id_callback))


def _submit(run: Run, result: LLMResult | None, error: BaseException | None) -> None:
    receipt = Receipt()
    tags: dict[str, None] = {}
    labels: dict[str, str] = {}
    for one in run.followers:
        tags.update(dict.fromkeys(one.handler.pl_tags))
        labels.update(one.labels)
        one.calls.receipts.append(receipt)
    submit(record_of(run, receipt.record_id, tuple(tags), labels, result, error), receipt)


def _tell(receipt: Receipt, callback: Callable[[int], Any]) -> None:
    try:
        request_id = receipt.request_id(0.0)
    except (RequestIdTimeout, RequestIdUnavailable):
        return
    callback(request_id)
