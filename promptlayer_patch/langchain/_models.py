"""The models: LangChain's own, with two fields more."""

from __future__ import annotations

from typing import Any

from langchain_core.language_models.base import LangSmithParams
from langchain_openai import AzureChatOpenAI, AzureOpenAI, ChatOpenAI, OpenAI
from pydantic import Field

from promptlayer_patch.langchain._chat import RecordedChat
from promptlayer_patch.langchain._historical import HistoricalChat, HistoricalLLM
from promptlayer_patch.langchain._llm import RecordedLLM

# Fields are excluded, and the models keep the names of the classes they extend (`lc_id`, `_llm_type`): how a
# model serialises is the key under which LangChain's caches keep what it answers, and what traces show.
# Each class declares its fields itself: pydantic would take those of a common base for ChatOpenAI's own, and
# its aliases would be lost.


class PromptLayerOpenAI(HistoricalLLM, RecordedLLM, OpenAI):
    """`langchain_openai.OpenAI`, whose requests are recorded and tagged.

    With `return_pl_id=True` every generation that `generate` and `agenerate` return has PromptLayer's id of
    its request in `generation_info["pl_request_id"]`, callbacks see it too, and a stream ends with one empty
    chunk more that has it. It is `None` where no request was made (LangChain's cache has answered), and where
    no id came within 5 seconds, for which a call waits at most.

    Loaded from its serialised form it is a model of the class it extends.
    """

    pl_tags: list[str] | None = Field(default=None, exclude=True)
    """Tags for each request of this model."""
    return_pl_id: bool | None = Field(default=False, exclude=True)
    """Wait for PromptLayer's id of each request, and hand it out."""

    @classmethod
    def lc_id(cls) -> list[str]:
        """LangChain's name of the class, which is that of `OpenAI`."""
        return OpenAI.lc_id() if cls is PromptLayerOpenAI else super().lc_id()

    def _get_ls_params(self, stop: list[str] | None = None, **kwargs: Any) -> LangSmithParams:
        # Taken from the name of the class otherwise.
        return {**super()._get_ls_params(stop=stop, **kwargs), "ls_provider": "openai"}


class PromptLayerAzureOpenAI(HistoricalLLM, RecordedLLM, AzureOpenAI):
    """`langchain_openai.AzureOpenAI`, recorded and tagged like `PromptLayerOpenAI`."""

    pl_tags: list[str] | None = Field(default=None, exclude=True)
    """Tags for each request of this model."""
    return_pl_id: bool | None = Field(default=False, exclude=True)
    """Wait for PromptLayer's id of each request, and hand it out."""

    @classmethod
    def lc_id(cls) -> list[str]:
        """LangChain's name of the class, which is that of `AzureOpenAI`."""
        return AzureOpenAI.lc_id() if cls is PromptLayerAzureOpenAI else super().lc_id()


class PromptLayerChatOpenAI(HistoricalChat, RecordedChat, ChatOpenAI):
    """`langchain_openai.ChatOpenAI`, whose requests are recorded and tagged.

    With `return_pl_id=True` PromptLayer's id of the request is in `response_metadata["pl_request_id"]` of
    each message and in `generation_info` of each generation; of a stream in one empty chunk more at its end.
    It is `None` where no request was made (LangChain's cache has answered), and where no id came within 5
    seconds, for which a call waits at most.

    Loaded from its serialised form it is a model of the class it extends.
    """

    pl_tags: list[str] | None = Field(default=None, exclude=True)
    """Tags for each request of this model."""
    return_pl_id: bool | None = Field(default=False, exclude=True)
    """Wait for PromptLayer's id of each request, and hand it out."""

    @classmethod
    def lc_id(cls) -> list[str]:
        """LangChain's name of the class, which is that of `ChatOpenAI`."""
        return ChatOpenAI.lc_id() if cls is PromptLayerChatOpenAI else super().lc_id()


class PromptLayerAzureChatOpenAI(HistoricalChat, RecordedChat, AzureChatOpenAI):
    """`langchain_openai.AzureChatOpenAI`, recorded and tagged like `PromptLayerChatOpenAI`."""

    pl_tags: list[str] | None = Field(default=None, exclude=True)
    """Tags for each request of this model."""
    return_pl_id: bool | None = Field(default=False, exclude=True)
    """Wait for PromptLayer's id of each request, and hand it out."""

    @classmethod
    def lc_id(cls) -> list[str]:
        """LangChain's name of the class, which is that of `AzureChatOpenAI`."""
        return AzureChatOpenAI.lc_id() if cls is PromptLayerAzureChatOpenAI else super().lc_id()
