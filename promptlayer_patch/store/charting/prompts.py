"""What became of prompt templates: how often each version was used, at which cost, and how it was scored."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

from promptlayer_patch.store.charting.histograms import Histogram, unpacked
from promptlayer_patch.store.charting.rollups import Dimension
from promptlayer_patch.store.charting.rows import Grouping
from promptlayer_patch.store.charting.source import Source

__all__ = ["MeanScore", "PromptUse", "VersionUse", "mean_scores", "prompt_uses", "version_uses"]

_LINKED = "CROSS JOIN request_prompts AS linked USING (request_id)"
_SCORED = f"{_LINKED} CROSS JOIN scores USING (request_id)"
_FIGURES = """
    count(*), sum(charted.pl_status IS 'ERROR'), max(charted.started_at), sum(charted.cost_nanos),
    sum(charted.with_cost), histogram(charted.latency_bucket)
"""
_MEAN = "avg(scores.value), count(*)"


@dataclass(frozen=True, slots=True)
class PromptUse:
    """How many requests name a template; its id is `None` where they name it by name alone."""

    id: int | None
    name: str
    requests: int


@dataclass(frozen=True, slots=True)
class MeanScore:
    """The mean of the scores of one name."""

    name: str
    mean: float
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionUse:
    """The requests that were made from one version of a template."""

    version: int | None
    """`None` of those that do not say which."""
    requests: int
    errors: int
    last_at: float
    cost: float | None
    """US dollars; `None` if no request's price is known."""
    latencies: Histogram
    scores: tuple[MeanScore, ...]


def prompt_uses(source: Source) -> tuple[PromptUse, ...]:
    """Every template that requests name, the most used first."""
    found = [
        PromptUse(None if value[0] is None else int(value[0]), str(value[1]), tally.values[0])
        for (value, _), tally in source.grid(Dimension.PROMPT).items()
    ]
    return tuple(sorted(found, key=lambda use: (-use.requests, use.name, use.id or 0)))


def mean_scores(source: Source) -> dict[tuple[int | None, str], MeanScore]:
    """The mean of the scores of each template, by its id and name, for the name that has most of them."""
    grouping = Grouping(("linked.prompt_id", "linked.name", "scores.name"), _SCORED)
    rows = source.rows().select(grouping, None, _MEAN, "GROUP BY 2, 3, 4 ORDER BY count(*), 4 DESC")
    return {
        (prompt_id, name): MeanScore(score, mean, count) for _, prompt_id, name, score, mean, count in rows
    }


def version_uses(source: Source) -> tuple[VersionUse, ...]:
    """Of the source's requests, which are those of one template; the newest version first."""
    scores: defaultdict[int | None, list[MeanScore]] = defaultdict(list)
    scored = Grouping(("linked.version", "scores.name"), _SCORED)
    for _, version, *score in source.rows().select(scored, None, _MEAN, "GROUP BY 2, 3 ORDER BY 3"):
        scores[version].append(MeanScore(*score))
    used = Grouping(("linked.version",), _LINKED)
    return tuple(
        VersionUse(
            version=version,
            requests=requests,
            errors=errors,
            last_at=last_at,
            cost=nanos / 1e9 if priced else None,
            latencies=Histogram(unpacked(latencies)),
            scores=tuple(scores[version]),
        )
        for _, version, requests, errors, last_at, nanos, priced, latencies in source.rows().select(
            used, None, _FIGURES, "GROUP BY 2 ORDER BY 2 DESC"
        )
    )
