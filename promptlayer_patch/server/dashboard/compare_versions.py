"""Requests of one prompt template by its version, to choose from what to compare with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from promptlayer_patch._query import Filter, Operator, Query, all_of, condition
from promptlayer_patch.server.workspaces import Workspace
from promptlayer_patch.store import Store, Summary

__all__ = ["Version", "recent_of", "versions_of"]

_LOOKED_AT = 200
_VERSIONS = 8
_EACH = 5


@dataclass(frozen=True, slots=True)
class Version:
    """One version, and the newest requests that were made from it."""

    number: int | None
    requests: tuple[Summary, ...]


def versions_of(workspace: Workspace, summary: Summary) -> tuple[Version, ...]:
    """The newest versions of the template that a request was made from, the latest first; or none."""
    if summary.prompt_name is None:
        return ()
    of_template = condition("prompt", Operator.EQUALS, summary.prompt_name)
    with workspace.reading() as store:
        seen = {one.prompt_version for one in _newest(store, of_template, _LOOKED_AT)}
        numbers = sorted((one for one in seen | {summary.prompt_version} if one is not None), reverse=True)
        made = [
            Version(number, _others(_newest(store, _of_version(of_template, number), _EACH + 1), summary))
            for number in numbers[:_VERSIONS]
        ]
    return tuple(version for version in made if version.requests)


def recent_of(workspace: Workspace, summary: Summary) -> tuple[Summary, ...]:
    """The newest requests of the same function."""
    wanted = condition("function_name", Operator.EQUALS, summary.function_name)
    with workspace.reading() as store:
        return _others(_newest(store, wanted, 2 * _EACH + 1), summary, 2 * _EACH)


def _of_version(of_template: Filter, number: int) -> Filter:
    return all_of((of_template, condition("prompt_version_number", Operator.EQUALS, number)))


def _newest(store: Store, filter: Filter, limit: int) -> tuple[Summary, ...]:
    return store.search(Query(filter), limit).items


def _others(found: Sequence[Summary], summary: Summary, most: int = _EACH) -> tuple[Summary, ...]:
    return tuple(one for one in found if one.request_id != summary.request_id)[:most]
