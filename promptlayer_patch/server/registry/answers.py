"""What the prompt registry answers, in PromptLayer's names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from promptlayer_patch.server.fields import iso
from promptlayer_patch.store.registry.models import Label, SnippetUse, Version

__all__ = [
    "envelope",
    "item",
    "label_answer",
    "labels_answer",
    "published_answer",
    "raw_answer",
    "rendered_answer",
    "usage_answer",
]

_OF_OPENAI = ("openai", "openai.azure")


def rendered_answer(
    version: Version,
    *,
    workspace_id: int,
    template: Mapping[str, Any],
    llm_kwargs: Mapping[str, Any] | None,
    snippets: Sequence[Mapping[str, Any]],
    warning: str | None,
    request_id: str,
) -> dict[str, Any]:
    return {
        **_common(version, template),
        "metadata": _runnable(version.metadata),
        "workspace_id": workspace_id,
        "version": version.number,
        "snippets": snippets,
        "llm_kwargs": llm_kwargs,
        "provider_id": version.provider_id,
        # Providers of one's own are PromptLayer's; here nobody calls a provider.
        "custom_provider": None,
        "provider_base_url": None,
        "warning": warning,
        "request_id": request_id,
    }


def raw_answer(
    version: Version,
    *,
    workspace_id: int,
    template: Mapping[str, Any],
    llm_kwargs: Mapping[str, Any] | None,
    snippets: Sequence[Mapping[str, Any]],
) -> dict[str, Any]:
    return {
        "success": True,
        **_common(version, template),
        "workspace_id": workspace_id,
        "version": version.number,
        "created_at": iso(version.created_at),
        "snippets": snippets,
        "llm_kwargs": llm_kwargs,
    }


def published_answer(version: Version, release_labels: Sequence[str] | None) -> dict[str, Any]:
    return {
        **_common(version, version.template),
        "prompt_version_id": version.id,
        "version_number": version.number,
        "release_labels": release_labels,
        "external_ids": _external_ids(version),
    }


def item(version: Version) -> dict[str, Any]:
    """Of a list."""
    return {
        **_common(version, version.template),
        "version": version.number,
        "folder_id": version.prompt.folder_id,
        "parent_folder_name": None,
        "full_folder_path": None,
        "external_ids": _external_ids(version),
        "is_snippet": version.prompt.is_snippet,
    }


def envelope(items: Sequence[Any], total: int, page: int, per_page: int) -> dict[str, Any]:
    """The form of all of PromptLayer's lists that have pages."""
    pages = -(-total // per_page)
    return {
        "items": items,
        "page": page,
        "pages": pages,
        "per_page": per_page,
        "total": total,
        "has_next": page < pages,
        "has_prev": page > 1,
        "next_num": page + 1 if page < pages else None,
        "prev_num": page - 1 if page > 1 else None,
    }


def label_answer(label: Label) -> dict[str, Any]:
    return {
        "id": label.id,
        "name": label.name,
        "prompt_id": label.prompt_id,
        "prompt_version_id": label.version_id,
        "created_at": iso(label.created_at),
    }


def labels_answer(labels: Sequence[Label]) -> dict[str, Any]:
    found = [
        {
            "prompt_version_id": label.version_id,
            "prompt_version_number": label.version_number,
            "release_label": label.name,
            "release_label_id": label.id,
        }
        for label in labels
    ]
    return {"release_labels": found}


def usage_answer(uses: Sequence[SnippetUse]) -> dict[str, Any]:
    found = [
        {
            "prompt_id": use.prompt_id,
            "prompt_name": use.prompt_name,
            "prompt_version_id": use.version_id,
            "prompt_version_number": use.version_number,
            "snippet_version_number": use.reference.number,
            "snippet_release_label": use.reference.label,
        }
        for use in uses
    ]
    return {"success": True, "snippet_usage": found}


def _common(version: Version, template: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "id": version.prompt.id,
        "prompt_name": version.prompt.name,
        "tags": list(version.prompt.tags),
        "prompt_template": template,
        "metadata": version.metadata,
        "commit_message": version.commit_message,
    }


def _runnable(metadata: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
    """With the API that is meant where none is said: else the JavaScript client runs nothing of OpenAI's."""
    model = (metadata or {}).get("model")
    if metadata is None or not model or model.get("api_type") or model.get("provider") not in _OF_OPENAI:
        return metadata
    return {**metadata, "model": {**model, "api_type": "chat-completions"}}


def _external_ids(version: Version) -> list[dict[str, str]]:
    return [
        {"source": known.source, "external_id": known.external_id} for known in version.prompt.external_ids
    ]
