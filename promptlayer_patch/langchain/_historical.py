"""Ways to call a model that LangChain has removed: code for its former PromptLayer classes uses them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, get_buffer_string
from langchain_core.outputs import ChatGeneration

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel, BaseLLM
    from langchain_core.outputs import LLMResult
else:
    BaseChatModel = BaseLLM = object


class HistoricalLLM(BaseLLM):
    """`llm("text")` and its relatives."""

    def __call__(
        self, prompt: str, stop: list[str] | None = None, callbacks: Any = None, **kwargs: Any
    ) -> str:
        """The text that answers `prompt`."""
        return self.generate([prompt], stop=stop, callbacks=callbacks, **kwargs).generations[0][0].text

    def predict(self, text: str, *, stop: Sequence[str] | None = None, **kwargs: Any) -> str:
        """The text that answers `text`."""
        return self(text, stop=_listed(stop), **kwargs)

    async def apredict(self, text: str, *, stop: Sequence[str] | None = None, **kwargs: Any) -> str:
        """`predict` for coroutines."""
        result = await self.agenerate([text], stop=_listed(stop), **kwargs)
        return result.generations[0][0].text

    def predict_messages(
        self, messages: list[BaseMessage], *, stop: Sequence[str] | None = None, **kwargs: Any
    ) -> BaseMessage:
        """The message that answers `messages`."""
        return AIMessage(content=self.predict(get_buffer_string(messages), stop=stop, **kwargs))

    async def apredict_messages(
        self, messages: list[BaseMessage], *, stop: Sequence[str] | None = None, **kwargs: Any
    ) -> BaseMessage:
        """`predict_messages` for coroutines."""
        return AIMessage(content=await self.apredict(get_buffer_string(messages), stop=stop, **kwargs))


class HistoricalChat(BaseChatModel):
    """`chat([message])` and its relatives."""

    def __call__(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        callbacks: Any = None,
        **kwargs: Any,
    ) -> BaseMessage:
        """The message that answers `messages`."""
        return _message(self.generate([messages], stop=stop, callbacks=callbacks, **kwargs))

    def predict(self, text: str, *, stop: Sequence[str] | None = None, **kwargs: Any) -> str:
        """The text that answers `text`."""
        return _text(self.predict_messages([HumanMessage(content=text)], stop=stop, **kwargs))

    async def apredict(self, text: str, *, stop: Sequence[str] | None = None, **kwargs: Any) -> str:
        """`predict` for coroutines."""
        return _text(await self.apredict_messages([HumanMessage(content=text)], stop=stop, **kwargs))

    def predict_messages(
        self, messages: list[BaseMessage], *, stop: Sequence[str] | None = None, **kwargs: Any
    ) -> BaseMessage:
        """The message that answers `messages`."""
        return self(messages, stop=_listed(stop), **kwargs)

    async def apredict_messages(
        self, messages: list[BaseMessage], *, stop: Sequence[str] | None = None, **kwargs: Any
    ) -> BaseMessage:
        """`predict_messages` for coroutines."""
        return _message(await self.agenerate([messages], stop=_listed(stop), **kwargs))


def _listed(stop: Sequence[str] | None) -> list[str] | None:
    return None if stop is None else list(stop)


def _message(result: LLMResult) -> BaseMessage:
    generation = result.generations[0][0]
    if isinstance(generation, ChatGeneration):
        return generation.message
    raise ValueError("the model did not answer with a message")


def _text(message: BaseMessage) -> str:
    if isinstance(message.content, str):
        return message.content
    raise ValueError("Cannot use predict when output is not a string.")
