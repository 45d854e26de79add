"""What the prompt registry keeps and answers, and how it says no."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from promptlayer_patch.errors import PromptLayerError

__all__ = [
    "Draft",
    "ExternalId",
    "Label",
    "Listing",
    "Prompt",
    "Published",
    "RegistryConflict",
    "SnippetReference",
    "SnippetUse",
    "TemplatePage",
    "UnknownPrompt",
    "Version",
]


class UnknownPrompt(PromptLayerError):
    """There is no such template, version or label; the message says which of them."""


class RegistryConflict(PromptLayerError):
    """A name, label or external id belongs to something else already."""


@dataclass(frozen=True, slots=True)
class ExternalId:
    """The name that another system has for a template."""

    source: str
    external_id: str


@dataclass(frozen=True, slots=True)
class SnippetReference:
    """A template whose text stands in another's, as that names it: its newest version, unless said."""

    name: str
    number: int | None = None
    label: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A version to be published, and what it says about its template."""

    name: str
    template: Mapping[str, Any]
    metadata: Mapping[str, Any] | None = None
    commit_message: str | None = None
    provider_base_url_name: str | None = None
    provider_id: int | None = None
    inference_client_name: str | None = None
    tags: tuple[str, ...] | None = None
    """`None` leaves them as they are; likewise the two below."""
    folder_id: int | None = None
    is_snippet: bool | None = None
    labels: tuple[str, ...] = ()
    """Release labels that shall stand at the new version."""
    external_ids: tuple[ExternalId, ...] = ()
    """Added to those the template has."""
    snippets: tuple[SnippetReference, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompt:
    """A template, whatever its versions hold."""

    id: int
    name: str
    tags: tuple[str, ...]
    folder_id: int | None
    is_snippet: bool
    """It was called so, or another template has its text."""
    external_ids: tuple[ExternalId, ...]
    created_at: float
    updated_at: float
    deleted_at: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """One version of a template."""

    id: int
    """Unique over all templates."""
    number: int
    """Counted from 1 in its template."""
    prompt: Prompt
    template: dict[str, Any]
    metadata: dict[str, Any] | None
    commit_message: str | None
    provider_base_url_name: str | None
    provider_id: int | None
    inference_client_name: str | None
    created_at: float


@dataclass(frozen=True, slots=True)
class Published:
    """What `Registry.publish` has made."""

    version: Version
    is_first: bool
    """The template is new."""


@dataclass(frozen=True, slots=True)
class Label:
    """A release label: a name that stands at one version of a template."""

    id: int
    name: str
    prompt_id: int
    version_id: int
    version_number: int
    created_at: float


@dataclass(frozen=True, slots=True)
class SnippetUse:
    """A version that has a snippet in its text."""

    prompt_id: int
    prompt_name: str
    version_id: int
    version_number: int
    reference: SnippetReference


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """Which templates are wanted, in which order."""

    page: int = 1
    per_page: int = 30
    name: str | None = None
    """In their name, in capitals or not."""
    label: str | None = None
    tags: tuple[str, ...] = ()
    """All of them."""
    deleted: bool | None = False
    """`None`: whether or not."""
    is_snippet: bool | None = None
    created_after: float | None = None
    created_before: float | None = None
    updated_after: float | None = None
    updated_before: float | None = None
    external_source: str | None = None
    external_id: str | None = None
    sort_by: str = "created_at"
    """`created_at`, `updated_at`, `name` or `id`."""
    descending: bool = True


@dataclass(frozen=True, slots=True)
class TemplatePage:
    """A page of templates, each in its newest version, or in the one with the label that was asked for."""

    versions: tuple[Version, ...]
    total: int
    """On all pages."""
