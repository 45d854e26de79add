"""The forms of the prompt registry's answers, for the OpenAPI document."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel

__all__ = [
    "LabelAnswer",
    "LabelsAnswer",
    "ListAnswer",
    "PublishedAnswer",
    "RawAnswer",
    "RenderedAnswer",
    "UsageAnswer",
]


class _Version(BaseModel):
    id: int
    prompt_name: str
    tags: list[str]
    prompt_template: dict[str, Any]
    metadata: dict[str, Any] | None
    commit_message: str | None


class RenderedAnswer(_Version):
    workspace_id: int
    version: int
    snippets: list[dict[str, Any]]
    llm_kwargs: dict[str, Any] | None
    provider_id: int | None
    custom_provider: None = None
    provider_base_url: None = None
    warning: str | None
    request_id: str
    """Of this exchange, not of a logged request."""


class RawAnswer(_Version):
    success: Literal[True] = True
    workspace_id: int
    version: int
    created_at: str
    snippets: list[dict[str, Any]]
    llm_kwargs: dict[str, Any] | None


class PublishedAnswer(_Version):
    prompt_version_id: int
    version_number: int
    release_labels: list[str] | None
    external_ids: list[dict[str, str]]


class ListItem(_Version):
    version: int
    folder_id: int | None
    parent_folder_name: None = None
    full_folder_path: None = None
    external_ids: list[dict[str, str]]
    is_snippet: bool


class ListAnswer(BaseModel):
    items: list[ListItem]
    page: int
    pages: int
    per_page: int
    total: int
    has_next: bool
    has_prev: bool
    next_num: int | None
    prev_num: int | None


class LabelAnswer(BaseModel):
    id: int
    name: str
    prompt_id: int
    prompt_version_id: int
    created_at: str


class LabelOfPrompt(BaseModel):
    prompt_version_id: int
    prompt_version_number: int
    release_label: str
    release_label_id: int


class LabelsAnswer(BaseModel):
    release_labels: list[LabelOfPrompt]


class Use(BaseModel):
    prompt_id: int
    prompt_name: str
    prompt_version_id: int
    prompt_version_number: int
    snippet_version_number: int | None
    """As it is named there; without it and a label the newest is meant."""
    snippet_release_label: str | None


class UsageAnswer(BaseModel):
    success: Literal[True] = True
    snippet_usage: list[Use]
