"""The prompt templates of the demo: the versions that its requests were made from."""

from __future__ import annotations

from typing import Any

from promptlayer_patch.demo.stories import SYSTEM
from promptlayer_patch.server.bodies import checked
from promptlayer_patch.server.registry.bodies import PublishBody
from promptlayer_patch.server.registry.publishing import draft_of
from promptlayer_patch.store import Store
from promptlayer_patch.store.registry.registry import Registry

__all__ = ["publish"]

_CHANGES = {1: "first try", 2: "friendlier, and names the menu", 3: "their language, and a person if unsure"}
_LABELS = {2: ["staging"], 3: ["prod"]}


def publish(store: Store) -> None:
    """Publish them; the release labels stand where a team would have them."""
    registry = Registry(store)
    for body in _bodies():
        registry.publish(draft_of(checked(PublishBody, body, "body")))


def _bodies() -> list[dict[str, Any]]:
    replies = [
        _body(
            "support-reply",
            [("system", system), ("user", "{question}")],
            {"provider": "openai", "name": "gpt-4o-mini", "parameters": {"temperature": 0.3}},
            _CHANGES[version],
            tags=["support"],
            labels=_LABELS.get(version, []),
        )
        for version, system in SYSTEM.items()
    ]
    parameters = {"reasoning": {"effort": "medium"}}
    model = {"provider": "openai", "name": "o4-mini", "api_type": "responses", "parameters": parameters}
    digest = _body("daily-digest", [("user", "Summarise today's support chats.")], model, "for the night")
    return [*replies, digest]


def _body(
    name: str,
    messages: list[tuple[str, str]],
    model: dict[str, Any],
    change: str,
    *,
    tags: list[str] | None = None,
    labels: list[str] | None = None,
) -> dict[str, Any]:
    said = [{"role": role, "content": text} for role, text in messages]
    return {
        "prompt_template": {"prompt_name": name, "tags": tags},
        "prompt_version": {
            "prompt_template": {"type": "chat", "messages": said},
            "commit_message": change,
            "metadata": {"model": model},
        },
        "release_labels": labels,
    }
