"""Prompt templates for tests, published on a server."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from tests.support.serving import Client

__all__ = ["MODEL", "chat", "completion", "model_of", "path_of", "publish", "rendered", "user"]

MODEL = {"provider": "openai", "name": "gpt-4o-mini", "parameters": {"temperature": 0.5}}


def user(text: str, **fields: Any) -> dict[str, Any]:
    return {"role": "user", "content": [{"type": "text", "text": text}], **fields}


def chat(*messages: Mapping[str, Any], **fields: Any) -> dict[str, Any]:
    return {"type": "chat", "messages": list(messages), **fields}


def completion(text: str, **fields: Any) -> dict[str, Any]:
    return {"type": "completion", "content": [{"type": "text", "text": text}], **fields}


def model_of(**fields: Any) -> dict[str, Any]:
    """Metadata with this model."""
    return {"model": {**MODEL, **fields}}


def path_of(identifier: str | int) -> str:
    return f"/prompt-templates/{quote(str(identifier), safe='')}"


def publish(
    client: Client, name: str, template: Mapping[str, Any], *, labels: list[str] | None = None, **fields: Any
) -> dict[str, Any]:
    """Publish a version; `fields` go to the template and to the version, as PromptLayer's own client does."""
    flat = {"prompt_name": name, "prompt_template": template, **fields}
    body = {"prompt_template": flat, "prompt_version": flat, "release_labels": labels}
    answer = client.post("/rest/prompt-templates", body)
    assert answer.status_code == 201, answer.text
    published: dict[str, Any] = answer.json()
    return published


def rendered(client: Client, identifier: str | int, **body: Any) -> dict[str, Any]:
    """What `POST /prompt-templates/{identifier}` answers."""
    answer = client.post(path_of(identifier), body)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found
