"""What is said about a request after it was made: scores, metadata, its prompt, its group.

PromptLayer takes these by the id of the request, so they are sent after the request itself. An exporter that
takes them has a method `annotate(annotation)`, which answers like `export` does for one record.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

__all__ = ["Annotation", "Content", "GroupLink", "MetadataUpdate", "PromptLink", "Score"]


@dataclass(frozen=True, slots=True)
class Score:
    """How good a request was, from 0 to 100."""

    value: int
    name: str | None = None
    """A request may have several scores, by name; PromptLayer calls the one without a name `default`."""


@dataclass(frozen=True, slots=True)
class MetadataUpdate:
    """Metadata that is added to a request; a key that is there already gets the new value."""

    metadata: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class PromptLink:
    """The prompt template of the registry that a request was made from."""

    name: str
    version: int | None = None
    label: str | None = None
    """A release label, in place of the version; with neither the newest version is meant."""
    variables: Mapping[str, Any] = field(default_factory=dict)
    """The values that the template was filled with."""
    id: int | None = None
    """The registry's id of the template, where it is known."""

    @property
    def is_exact(self) -> bool:
        """Whether it can be sent along with the request, which takes no names."""
        return self.id is not None and self.version is not None


@dataclass(frozen=True, slots=True)
class GroupLink:
    """The group that a request belongs to."""

    group_id: int


Content: TypeAlias = Score | MetadataUpdate | PromptLink | GroupLink


@dataclass(frozen=True, slots=True, kw_only=True)
class Annotation:
    """One such statement, and the request it is about."""

    id: str
    """Ours: 32 hex digits, unique, ordered by time."""
    content: Content
    request_id: int | None = None
    """The id that the destination has given to the request; known when the annotation is exported, unless
    the destination gives none."""
    record_id: str | None = None
    """Id of the record, if the annotation was made through a receipt."""
    after: str | None = None
    """Id of the annotation of the same request that was made before this one."""

    @property
    def made_at(self) -> float:
        """Seconds since the epoch; the id begins with them."""
        return int(self.id[:12], 16) / 1000
