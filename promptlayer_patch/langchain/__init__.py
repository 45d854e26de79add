"""LangChain's OpenAI models with PromptLayer's tags and request ids, and a callback handler for all others.

    from promptlayer_patch.langchain import PromptLayerChatOpenAI

    model = PromptLayerChatOpenAI(model="gpt-4o-mini", pl_tags=["checkout"], return_pl_id=True)
    model.invoke("Where is my order?").response_metadata["pl_request_id"]

With `PROMPTLAYER_API_KEY` in the environment they need no `install()`; then nothing beside them is recorded.
Needs langchain-openai 1.0 or newer: `pip install 'promptlayer-patch[langchain]'`.
"""

try:
    import langchain_openai as _langchain_openai  # noqa: F401  what is missing is said before anything else
except ImportError as _missing:
    raise ImportError(
        "promptlayer_patch.langchain needs langchain-openai: pip install 'promptlayer-patch[langchain]'"
    ) from _missing

from promptlayer_patch.langchain._callbacks import PromptLayerCallbackHandler
from promptlayer_patch.langchain._models import (
    PromptLayerAzureChatOpenAI,
    PromptLayerAzureOpenAI,
    PromptLayerChatOpenAI,
    PromptLayerOpenAI,
)

__all__ = [
    "PromptLayerAzureChatOpenAI",
    "PromptLayerAzureOpenAI",
    "PromptLayerCallbackHandler",
    "PromptLayerChatOpenAI",
    "PromptLayerOpenAI",
]
