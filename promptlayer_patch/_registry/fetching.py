"""One template: from memory, or from PromptLayer; rendered here where that can be done, else there."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from promptlayer_patch._api import Account, ask
from promptlayer_patch._registry.budget import NotHere
from promptlayer_patch._registry.cache import Key, TemplateCache
from promptlayer_patch._registry.template import PromptTemplate
from promptlayer_patch.errors import APIStatusError

CACHE = TemplateCache()


@dataclass(frozen=True, slots=True)
class Wanted:
    """What `templates.get` was asked for, checked."""

    identifier: str
    version: int | None
    label: str | None
    provider: str | None
    model: str | None
    metadata_filters: Mapping[str, str] | None
    model_parameter_overrides: Mapping[str, Any] | None
    input_variables: Mapping[str, Any] | None

    def fields(self) -> dict[str, Any]:
        """In PromptLayer's names, without the variables; what is not given is left to it."""
        named = {
            "version": self.version,
            "label": self.label,
            "provider": self.provider,
            "model": self.model,
            "metadata_filters": self.metadata_filters,
            "model_parameter_overrides": self.model_parameter_overrides,
        }
        return {name: value for name, value in named.items() if value is not None}


def template_path(identifier: str) -> str:
    """Everything is escaped: a slash in a name is no step of the address."""
    return f"/prompt-templates/{quote(identifier, safe='')}"


def get(account: Account, wanted: Wanted, ttl_s: float, timeout_s: float) -> PromptTemplate:
    """With variables: a template that has them. Without: one that can be given them, `format`."""
    variables = wanted.input_variables
    # By `metadata_filters` PromptLayer chooses a release anew each time.
    if ttl_s == 0 or wanted.metadata_filters is not None:
        return _asked(account, wanted, timeout_s)
    key = Key(account, wanted.identifier, json.dumps(wanted.fields(), sort_keys=True))
    template = _template(
        CACHE.get(key, ttl_s, timeout_s, lambda: _unrendered(account, wanted, timeout_s)), wanted
    )
    if variables is None:
        return template
    try:
        return template._rendered(variables)
    except NotHere:
        return _asked(account, wanted, timeout_s)


def _asked(account: Account, wanted: Wanted, timeout_s: float) -> PromptTemplate:
    """Rendered by PromptLayer, if there are variables."""
    if wanted.input_variables is None:
        return _template(_unrendered(account, wanted, timeout_s), wanted)
    given = {"input_variables": wanted.input_variables} if wanted.input_variables else {}
    template = _template(_posted(account, wanted, given, timeout_s), wanted)
    template.variables = wanted.input_variables
    template._source = None
    return template


def _unrendered(account: Account, wanted: Wanted, timeout_s: float) -> dict[str, Any]:
    return _posted(account, wanted, {"skip_input_variable_rendering": True}, timeout_s)


def _posted(account: Account, wanted: Wanted, more: Mapping[str, Any], timeout_s: float) -> dict[str, Any]:
    answer = ask(
        account,
        "POST",
        template_path(wanted.identifier),
        body={**wanted.fields(), **more},
        key_in_body=True,
        timeout_s=timeout_s,
    )
    if not isinstance(answer, dict) or not isinstance(answer.get("prompt_template"), dict):
        raise APIStatusError(200, "the answer is no prompt template")
    return answer


def _template(wire: dict[str, Any], wanted: Wanted) -> PromptTemplate:
    template = PromptTemplate(wire)
    template.label, template._model = wanted.label, wanted.model
    return template
