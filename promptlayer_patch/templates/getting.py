"""Getting one template."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from promptlayer_patch import _api
from promptlayer_patch._process import current_settings
from promptlayer_patch._registry import arguments as checks
from promptlayer_patch._registry import fetching
from promptlayer_patch._registry.template import PromptTemplate
from promptlayer_patch._registry.twins import awaitable

__all__ = ["PromptTemplate", "aget", "clear_cache", "get"]


def get(
    name_or_id: str | int,
    version: int | None = None,
    label: str | None = None,
    input_variables: Mapping[str, Any] | None = None,
    provider: str | None = None,
    model: str | None = None,
    *,
    metadata_filters: Mapping[str, str] | None = None,
    model_parameter_overrides: Mapping[str, Any] | None = None,
    cache_ttl_s: float | None = None,
    timeout_s: float = 10.0,
) -> PromptTemplate:
    """Get a prompt template: the latest version, that of a number, or the one a release label stands at.

    It comes from memory if it was asked for less than `cache_ttl_s` seconds ago, and also when it is older
    while PromptLayer is out of reach or out of order.

    Args:
        name_or_id: the template's name or number.
        version: the number of a version; not together with `label`.
        label: a release label such as `"prod"`.
        input_variables: the values to put in: text, numbers, lists and mappings. A missing one becomes the
            empty text. Left out, the template comes as it was written, for `PromptTemplate.format`.
        provider: whose call `llm_kwargs` shall be, such as `"openai"`; else that of the template's model.
        model: the model to call; else the template's own.
        metadata_filters: strings by strings, by which PromptLayer may choose the release. Never from memory.
        model_parameter_overrides: goes over the template's model parameters, such as `{"temperature": 0}`.
        cache_ttl_s: instead of the option of `install()`. 0 asks PromptLayer, which then also puts the
            variables in; else that is done here where it can be.
        timeout_s: the longest to wait, in seconds.

    Raises `TemplateError` for a template that is not rendered because it does more than one should.
    """
    number, release = checks.checked_place(version, label)
    wanted = fetching.Wanted(
        checks.checked_identifier(name_or_id),
        number,
        release,
        checks.optional_text("provider", provider),
        checks.optional_text("model", model),
        checks.checked_filters(metadata_filters),
        checks.optional_mapping("model_parameter_overrides", model_parameter_overrides),
        checks.optional_mapping("input_variables", input_variables),
    )
    ttl_s, wait_s = checks.checked_ttl(cache_ttl_s), checks.checked_timeout(timeout_s)
    if ttl_s is None:
        ttl_s = current_settings().cache_ttl_s
    return fetching.get(_api.account(), wanted, ttl_s, wait_s)


def clear_cache() -> None:
    """Forget the templates that are kept in memory, so that the next `get` asks PromptLayer."""
    fetching.CACHE.clear()


aget = awaitable(get)
