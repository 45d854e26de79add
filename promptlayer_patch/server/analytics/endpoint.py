"""Analytics over requests, in the form in which PromptLayer answers."""

from __future__ import annotations

from functools import partial
from typing import Any

from promptlayer_patch.server.analytics.answers import AnalyticsAnswer, MetadataValueCost
from promptlayer_patch.server.analytics.asking import filter_of, plainly_refused
from promptlayer_patch.server.analytics.bodies import AnalyticsQuery
from promptlayer_patch.server.analytics.overview import answer_of
from promptlayer_patch.server.endpoints import Call, Endpoint
from promptlayer_patch.store.charting.charts import Charts
from promptlayer_patch.store.charting.metadata import MetadataValue, metadata_values

__all__ = ["ENDPOINTS"]

_METADATA_VALUES = 50
_COUNTED_OF_ALL_KEYS = 10_000
"""Without a key, the values of so many of the newest requests are counted: all would take too long."""


def _analytics(call: Call[AnalyticsQuery, None]) -> dict[str, Any]:
    key = call.body.metadata_cost_breakdown_key
    with plainly_refused(), call.workspace.reading() as store:
        filter = filter_of(call.body)
        overview = Charts(store).overview(filter)
        charts = Charts(store, at_most=_COUNTED_OF_ALL_KEYS) if key is None else Charts(store)
        values = charts.draw(partial(metadata_values, key=key, limit=_METADATA_VALUES), filter)
    answer = answer_of(overview, [_metadata(value, key) for value in values])
    return answer.model_dump(by_alias=True, exclude_unset=True)


def _metadata(value: MetadataValue, key: str | None) -> MetadataValueCost:
    label = f"{value.key} = {value.value}" if key is None else value.value
    return MetadataValueCost(
        key=value.key, value=value.value, label=label, requests=value.requests, cost=value.cost
    )


ENDPOINTS = (
    Endpoint(
        method="POST",
        path="/api/public/v2/requests/analytics",
        handler=_analytics,
        summary="sum up requests over time",
        body=AnalyticsQuery,
        answers=AnalyticsAnswer,
    ),
)
