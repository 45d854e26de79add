"""What the requests of a store say of its prompt templates."""

from __future__ import annotations

from dataclasses import dataclass

from promptlayer_patch._query import Filter, Operator, all_of, any_of, condition, negated
from promptlayer_patch._query.language import format
from promptlayer_patch.store import QueryTooSlow, Store, StoreUnavailable
from promptlayer_patch.store.charting.charts import Charts
from promptlayer_patch.store.charting.prompts import (
    MeanScore,
    PromptUse,
    VersionUse,
    mean_scores,
    prompt_uses,
    version_uses,
)
from promptlayer_patch.store.charting.source import Source
from promptlayer_patch.store.registry.models import Prompt

__all__ = ["Used", "query_of", "uses_of_all", "uses_of_versions"]

_NEWEST = 10_000
_BY_NAME_ALONE = negated(condition("prompt_id", Operator.EXISTS))


@dataclass(frozen=True, slots=True)
class Used:
    """How often a template was used, and how good what came of it was."""

    requests: int
    score: MeanScore | None
    """Of the name that has most scores, among the newest requests with any."""


def query_of(name: str, version: int | None = None) -> str:
    """What finds the requests of a template in the list."""
    terms = [condition("prompt", Operator.EQUALS, name)]
    if version is not None:
        terms.append(condition("prompt_version_number", Operator.EQUALS, version))
    return format(all_of(terms))


def uses_of_all(store: Store) -> dict[tuple[int | None, str], Used] | None:
    """Of every template, by its id and name as requests give them; the most used first.

    `None` while the requests are being indexed.
    """
    charts = Charts(store, at_most=_NEWEST)
    try:
        scores = charts.draw(mean_scores, all_of((condition("score_names", Operator.EXISTS), _OF_ANY)))
        found: tuple[PromptUse, ...] = charts.draw(prompt_uses)
    except (StoreUnavailable, QueryTooSlow):
        return None
    return {(use.id, use.name): Used(use.requests, scores.get((use.id, use.name))) for use in found}


def uses_of_versions(store: Store, prompt: Prompt) -> tuple[tuple[VersionUse, ...], bool] | None:
    """Of each version that was used; and whether those are all uses, or only the newest 10,000.

    `None` while the requests are being indexed.
    """

    def counted(source: Source) -> tuple[tuple[VersionUse, ...], bool]:
        return version_uses(source), source.complete

    try:
        return Charts(store, at_most=_NEWEST).draw(counted, _of(prompt))
    except (StoreUnavailable, QueryTooSlow):
        return None


def _of(prompt: Prompt) -> Filter:
    """By its id; requests that came without one name it."""
    by_name = all_of((condition("prompt", Operator.EQUALS, prompt.name), _BY_NAME_ALONE))
    return any_of((condition("prompt_id", Operator.EQUALS, prompt.id), by_name))


_OF_ANY = condition("prompt", Operator.EXISTS)
