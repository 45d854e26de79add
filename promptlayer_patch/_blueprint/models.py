"""The model that was asked, with its parameters, as a blueprint's metadata names it."""

from __future__ import annotations

from typing import Any

from promptlayer_patch._blueprint.apis import Api
from promptlayer_patch._blueprint.asked import CONTENT
from promptlayer_patch._blueprint.reading import Json, as_json, mapping, string

__all__ = ["api_type_of", "model_of", "parameters_of"]

_NAMES = ("model", "engine", "model_name")
_NO_PARAMETERS = frozenset(
    {*_NAMES, "args", "messages", "tools", "tool_choice", "functions", "function_call"}
)


def model_of(api: Api, request: Json, response: Any, provider: str) -> dict[str, Any]:
    """PromptLayer's account of the model: the one that was asked, else the one that answered."""
    parameters = parameters_of(api, request)
    names = (request.get(name) for name in _NAMES)
    name = next(filter(None, map(string, names)), "") or string(mapping(response).get("model"))
    return {
        "provider": provider,
        "model_config_display_name": None,
        "base_model": None,
        "name": name,
        "parameters": parameters,
        "display_params": {key: _displayed(value) for key, value in parameters.items()},
        "api_type": api_type_of(api, request),
    }


def parameters_of(api: Api, request: Json) -> dict[str, Any]:
    """The arguments that are neither content nor tools."""
    if api is Api.LOGGED:
        return dict(mapping(request.get("parameters")))
    if api is Api.OTHER:  # its content is all of the request, so only what is no content for sure
        return {key: value for key, value in request.items() if isinstance(value, (bool, int, float))}
    content = CONTENT.get(api, frozenset())
    return {key: value for key, value in request.items() if key not in _NO_PARAMETERS and key not in content}


def api_type_of(api: Api, request: Json) -> str | None:
    """PromptLayer's word for the API; of a logged request, the word it came with."""
    return string(request.get("api_type")) or None if api is Api.LOGGED else api.wire_name


def _displayed(value: Any) -> Any:
    """Numbers are shown as texts; truth values are no numbers."""
    return as_json(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else value
