"""The provider and the function of a call, in PromptLayer's names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from promptlayer_patch._spans.values import first_text

__all__ = ["api_type_of", "function_name", "provider_of"]

_PROVIDERS = {
    "aws.bedrock": "amazon.bedrock",
    "az.ai.openai": "openai.azure",
    "azure.ai.openai": "openai.azure",
    "azure.openai": "openai.azure",
    "gcp.gemini": "google",
    "gcp.gen_ai": "google",
    "gcp.vertex_ai": "vertexai",
    "gemini": "google",
    "mistral_ai": "mistral",
    "openai.responses": "openai",
    "vertex_ai": "vertexai",
}
"""OpenTelemetry's names for whom PromptLayer has another."""
_AZURE = (".openai.azure.com", ".cognitiveservices.azure.com")
"""Where Azure serves OpenAI's models, to OpenAI's own client."""

_API_TYPES = {
    "openai": {"chat": "chat-completions", "embeddings": "embeddings"},
    "openai.azure": {"chat": "chat-completions", "embeddings": "embeddings"},
    "anthropic": {"chat": "messages"},
    "google": {"chat": "generate-content", "generate_content": "generate-content"},
    "vertexai": {"chat": "generate-content", "generate_content": "generate-content"},
    "amazon.bedrock": {"chat": "converse", "text_completion": "invoke-model"},
}
_OPENAI = {
    "chat-completions": "chat.completions.create",
    "embeddings": "embeddings.create",
    "images": "images.generate",
    "responses": "responses.create",
}
_FUNCTIONS = {
    "anthropic": {"text_completion": "anthropic.completions.create", "": "anthropic.messages.create"},
    "google": {"text_completion": "google.model.generate_content", "": "google.convo.send_message"},
    "vertexai": {"text_completion": "google.model.generate_content", "": "google.convo.send_message"},
    "amazon.bedrock": {"": "boto3.bedrock-runtime.converse"},
    "mistral": {"": "mistral.client.chat"},
    "openrouter": {"": "openrouter.chat.send"},
}
"""By provider and operation; the empty one stands for all others."""


def provider_of(attributes: Mapping[str, Any]) -> str:
    """Who answered; empty where the span does not say."""
    if said := first_text(attributes, "promptlayer.provider.type"):
        return said
    named = _named(attributes)
    address = (first_text(attributes, "server.address") or "").lower()
    if named == "openai" and address.endswith(_AZURE):
        return "openai.azure"
    return _PROVIDERS.get(named, named)


def api_type_of(attributes: Mapping[str, Any], provider: str, operation: str) -> str | None:
    """`chat-completions`, `responses`, ...; by the operation where the span does not say."""
    if said := first_text(attributes, "promptlayer.api.type"):
        return said
    if _named(attributes) == "openai.responses":  # by the plugin for OpenAI's agents
        return "responses"
    return _API_TYPES.get(provider, {}).get(operation)


def _named(attributes: Mapping[str, Any]) -> str:
    return (first_text(attributes, "gen_ai.provider.name", "gen_ai.system") or "").lower()


def function_name(provider: str, operation: str, api_type: str | None) -> str:
    """The method that PromptLayer's own client would have named."""
    if provider in ("openai", "openai.azure"):
        prefix = "openai.AzureOpenAI" if provider == "openai.azure" else "openai"
        plain = "completions.create" if operation == "text_completion" else "chat.completions.create"
        return f"{prefix}.{_OPENAI.get(api_type or '', plain)}"
    known = _FUNCTIONS.get(provider, {})
    if operation != "embeddings" and (found := known.get(operation) or known.get("")):
        return found
    return ".".join(filter(None, (provider, operation)))
