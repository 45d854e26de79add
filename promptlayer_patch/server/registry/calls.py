"""The provider's call that a template stands for: `llm_kwargs`, ready to be sent."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from promptlayer_patch.server.registry.calls_anthropic import anthropic_call
from promptlayer_patch.server.registry.calls_openai import chat_call, completion_call, responses_call

__all__ = ["Wanted", "llm_kwargs"]


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a client asks for in place of what is kept with the template."""

    provider: str | None = None
    model: str | None = None
    overrides: Mapping[str, Any] = field(default_factory=dict)
    """Go over the parameters."""


def llm_kwargs(
    template: Mapping[str, Any], metadata: Mapping[str, Any] | None, wanted: Wanted
) -> dict[str, Any] | None:
    """The arguments of the call; `None` where no provider is known, or one whose calls we do not know."""
    kept = (metadata or {}).get("model") or {}
    provider = wanted.provider or kept.get("provider") or ""
    is_own = _family(kept.get("provider") or provider) == _family(provider)
    call = _call(_family(provider), kept.get("api_type") if is_own else None, template)
    if call is None:
        return None
    # As PromptLayer does: a template that is kept without a model gets none, whatever is asked for, and its
    # parameters go over everything, the model and the messages included.
    model = (wanted.model or (kept.get("name") if is_own else None)) if kept else None
    parameters = kept.get("parameters") or {} if is_own else {}
    return {**call, **({"model": model} if model else {}), **parameters, **wanted.overrides}


def _family(provider: str) -> str:
    """`openai.azure` takes what `openai` takes."""
    return provider.partition(".")[0].lower()


def _call(family: str, api_type: Any, template: Mapping[str, Any]) -> dict[str, Any] | None:
    if family == "anthropic":
        return anthropic_call(_as_chat(template))
    if family != "openai":
        return None
    if api_type == "responses":
        return responses_call(_as_chat(template))
    # Whatever the API: PromptLayer's clients choose the method by the kind of the template.
    return chat_call(template) if template.get("type") == "chat" else completion_call(template)


def _as_chat(template: Mapping[str, Any]) -> Mapping[str, Any]:
    """A completion's text is what a user says, to a model that only takes messages."""
    if template.get("type") == "chat":
        return template
    return {"messages": [{"role": "user", "content": template.get("content")}]}
