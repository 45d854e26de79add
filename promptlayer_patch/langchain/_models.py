"""The models: LangChain's own, with two fields more."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from langchain_core.language_models.base import LangSmithParams
from langchain_openai import AzureChatOpenAI, AzureOpenAI, ChatOpenAI, OpenAI
from pydantic import Field

from promptlayer_patch.langchain._chat import RecordedChat
from promptlayer_patch.langchain._historical import HistoricalChat, HistoricalLLM
from promptlayer_patch.langchain._llm import RecordedLLM

if TYPE_CHECKING:
    from langchain_core.runnables import RunnableSerializable

    Runnable = RunnableSerializable[Any, Any]
else:
    Runnable = object


class _Alike(Runnable):
    """Goes by the name of the class it extends.

    How a model serialises is the key under which LangChain's caches keep what it has answered, and what
    traces and prices go by. So the fields of ours are no part of it either.
    """

    _extends: ClassVar[type[Any]]

    @classmethod
    def lc_id(cls) -> list[str]:
        """LangChain's name of the class, which is that of the class it extends."""
        own = "_extends" in vars(cls)
        named: list[str] = cls._extends.lc_id() if own else super().lc_id()
        return named

    def get_name(self, suffix: str | None = None, *, name: str | None = None) -> str:
        """What LangChain calls a run of the model."""
        own = type(self)._extends.__name__ if "_extends" in vars(type(self)) else None
        return super().get_name(suffix, name=name or self.name or own)


# Each class declares its fields itself: of a common base pydantic would take all fields, and the aliases that
# ChatOpenAI gives some of them would be lost.


class PromptLayerOpenAI(_Alike, HistoricalLLM, RecordedLLM, OpenAI):
    """`langchain_openai.OpenAI`, whose requests are recorded and tagged.

    With `return_pl_id=True` every generation that `generate` and `agenerate` return has PromptLayer's id of
    its request in `generation_info["pl_request_id"]`, callbacks see it too, and a stream ends with one empty
    chunk more that has it. It is `None` where no request was made (LangChain's cache has answered), and where
    no id came within 5 seconds, for which a call waits at most.

    Loaded from its serialised form it is a model of the class it extends.
    """

    _extends: ClassVar[type[Any]] = OpenAI

    pl_tags: list[str] | None = Field(default=None, exclude=True)
    """Tags for each request of this model."""
    return_pl_id: bool | None = Field(default=False, exclude=True)
    """Wait for PromptLayer's id of each request, and hand it out."""

    def _get_ls_params(self, stop: list[str] | None = None, **kwargs: Any) -> LangSmithParams:
        # Taken from the name of the class otherwise.
        return {**super()._get_ls_params(stop=stop, **kwargs), "ls_provider": "openai"}


class PromptLayerAzureOpenAI(_Alike, HistoricalLLM, RecordedLLM, AzureOpenAI):
    """`langchain_openai.AzureOpenAI`, recorded and tagged like `PromptLayerOpenAI`."""

    _extends: ClassVar[type[Any]] = AzureOpenAI

    pl_tags: list[str] | None = Field(default=None, exclude=True)
    """Tags for each request of this model."""
    return_pl_id: bool | None = Field(default=False, exclude=True)
    """Wait for PromptLayer's id of each request, and hand it out."""


class PromptLayerChatOpenAI(_Alike, HistoricalChat, RecordedChat, ChatOpenAI):
    """`langchain_openai.ChatOpenAI`, whose requests are recorded and tagged.

    With `return_pl_id=True` PromptLayer's id of the request is in `response_metadata["pl_request_id"]` of
    each message and in `generation_info` of each generation; of a stream in one empty chunk more at its end.
    It is `None` where no request was made (LangChain's cache has answered), and where no id came within 5
    seconds, for which a call waits at most.

    Loaded from its serialised form it is a model of the class it extends.
    """

    _extends: ClassVar[type[Any]] = ChatOpenAI

    pl_tags: list[str] | None = Field(default=None, exclude=True)
    """Tags for each request of this model."""
    return_pl_id: bool | None = Field(default=False, exclude=True)
    """Wait for PromptLayer's id of each request, and hand it out."""


class PromptLayerAzureChatOpenAI(_Alike, HistoricalChat, RecordedChat, AzureChatOpenAI):
    """`langchain_openai.AzureChatOpenAI`, recorded and tagged like `PromptLayerChatOpenAI`."""

    _extends: ClassVar[type[Any]] = AzureChatOpenAI

    pl_tags: list[str] | None = Field(default=None, exclude=True)
    """Tags for each request of this model."""
    return_pl_id: bool | None = Field(default=False, exclude=True)
    """Wait for PromptLayer's id of each request, and hand it out."""
