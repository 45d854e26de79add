"""The OpenAPI document of this server, made from its table of endpoints."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel, TypeAdapter
from pydantic.json_schema import models_json_schema

from promptlayer_patch._version import __version__
from promptlayer_patch.server.endpoints import Auth, Endpoint

__all__ = ["document_of"]

_REFERENCES = "#/components/schemas/{model}"
_ALWAYS = (400, 401, 408, 413, 415, 421, 422, 503)
_WORDS = {
    400: "malformed",
    401: "the key is missing or unknown",
    403: "sent by another site",
    404: "there is no such thing",
    408: "the body did not arrive in time",
    409: "it contradicts what is there",
    413: "the body is too long",
    415: "a content type that is not taken",
    421: "the server does not answer to that name",
    422: "of the wrong type",
    503: "the store is busy",
}


class Refused(BaseModel):
    """What is said of a request that is refused."""

    success: bool
    message: str
    detail: list[dict[str, Any]] | None = None


def document_of(endpoints: Sequence[Endpoint]) -> dict[str, Any]:
    """OpenAPI 3.1, as data."""
    models = {model for one in endpoints for model in (one.body, one.query) if model is not None}
    taken = [(model, "validation") for model in sorted(models, key=lambda model: model.__qualname__)]
    given = [
        (one.answers, "serialization")
        for one in endpoints
        if isinstance(one.answers, type) and issubclass(one.answers, BaseModel)
    ]
    wanted = [*taken, *dict.fromkeys(given), (Refused, "serialization")]
    schemas, definitions = models_json_schema(wanted, ref_template=_REFERENCES)  # type: ignore[arg-type]
    paths: dict[str, dict[str, Any]] = {}
    for endpoint in endpoints:
        paths.setdefault(endpoint.path, {})[endpoint.method.lower()] = _operation(endpoint, schemas)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "promptlayer_patch",
            "version": __version__,
            "description": "PromptLayer's protocol over the requests kept on this machine.",
        },
        "paths": paths,
        "components": {
            "schemas": definitions.get("$defs", {}),
            "securitySchemes": {"key": {"type": "apiKey", "in": "header", "name": "X-API-KEY"}},
        },
    }


def _operation(endpoint: Endpoint, schemas: dict[Any, Any]) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "summary": endpoint.summary,
        "operationId": re.sub(r"\W+", "_", f"{endpoint.method.lower()}{endpoint.path}").strip("_"),
        "parameters": [*_in_path(endpoint), *_in_query(endpoint)],
        "responses": _responses(endpoint, schemas),
        "security": [{"key": []}] if endpoint.auth is Auth.KEY else [],
    }
    if endpoint.body is not None:
        content = {"application/json": {"schema": schemas[endpoint.body, "validation"]}}
        operation["requestBody"] = {"required": True, "content": content}
    elif endpoint.raw:
        content = {kind: {"schema": {"type": "object"}} for kind in endpoint.raw}
        operation["requestBody"] = {"required": True, "content": content}
    return operation


def _in_path(endpoint: Endpoint) -> list[dict[str, Any]]:
    return [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}}
        for name in re.findall(r"{(\w+)}", endpoint.path)
    ]


def _in_query(endpoint: Endpoint) -> list[dict[str, Any]]:
    if endpoint.query is None:
        return []
    schema = endpoint.query.model_json_schema(ref_template=_REFERENCES)
    required = schema.get("required", ())
    return [
        {"name": name, "in": "query", "required": name in required, "schema": one}
        for name, one in schema.get("properties", {}).items()
    ]


def _responses(endpoint: Endpoint, schemas: dict[Any, Any]) -> dict[str, Any]:
    refused = {"application/json": {"schema": schemas[Refused, "serialization"]}}
    done = {"description": "done", **_content(endpoint, schemas)}
    responses: dict[str, Any] = {str(status): done for status in (endpoint.ok, *endpoint.also_ok)}
    for status in sorted({*_ALWAYS, *endpoint.refuses, *((403,) if endpoint.method != "GET" else ())}):
        responses[str(status)] = {"description": _WORDS[status], "content": refused}
    return responses


def _content(endpoint: Endpoint, schemas: dict[Any, Any]) -> dict[str, Any]:
    if endpoint.ok == 204:
        return {}
    if endpoint.answers is None:
        schema: Any = {"type": "object"}
    else:
        schema = schemas.get((endpoint.answers, "serialization"))
        schema = schema or TypeAdapter(endpoint.answers).json_schema(ref_template=_REFERENCES)
    return {"content": {"application/json": {"schema": schema}}}
