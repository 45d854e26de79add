"""Columns of a request's row that the indexer fills where the writer did not: tokens, cost, shape, ..."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from promptlayer_patch._blueprint import Facts, Usage
from promptlayer_patch._guard import report
from promptlayer_patch._pricing import price
from promptlayer_patch.records import Record
from promptlayer_patch.store.entries import Entry
from promptlayer_patch.store.indexing.sources import Source

__all__ = ["NARROW", "filled"]

NARROW = (
    "pl_status",
    "pl_error_type",
    "pl_error_message",
    "api_type",
    "input_tokens",
    "output_tokens",
    "cached_tokens",
    "thinking_tokens",
    "cost",
    "shape",
    "turn_count",
    "tool_call_count",
)


def filled(source: Source, facts: Facts | None) -> dict[str, Any]:
    """The narrow columns; what the writer said stays."""
    columns, found = source.columns, dict(source.columns)
    if source.record is None or facts is None:
        found["pl_status"] = columns["pl_status"] or "SUCCESS"
        # Not unknown: the indexes on sort keys hold what has a count here.
        found |= {"cost": columns["given_price"], "turn_count": 0, "tool_call_count": 0}
        return found
    usage = facts.usage
    if columns["pl_status"] is None:
        entry = Entry.of(source.record)
        found |= {
            "pl_status": entry.status,
            "pl_error_type": entry.error_type,
            "pl_error_message": entry.error_message,
        }
    for name, value in (
        ("api_type", facts.api_type),
        ("input_tokens", usage.input_tokens),
        ("output_tokens", usage.output_tokens),
    ):
        if columns[name] is None:
            found[name] = value
    found |= {
        "cached_tokens": usage.cached_tokens,
        "thinking_tokens": usage.thinking_tokens,
        "cost": _cost(source.record, found, usage),
        "shape": facts.shape,
        "turn_count": facts.turn_count,
        "tool_call_count": facts.tool_call_count,
    }
    return found


def _cost(record: Record, columns: Mapping[str, Any], usage: Usage) -> float | None:
    """As it was given, as it was found before (price lists change), or by the list."""
    for known in (columns["given_price"], columns["cost"]):
        if known is not None:
            return float(known)
    if usage.input_tokens is None:  # counted by the client, where the response does not say
        usage = Usage(input_tokens=columns["input_tokens"], output_tokens=columns["output_tokens"])
    tier = record.response.get("service_tier") if isinstance(record.response, dict) else None
    try:
        return price(
            columns["provider"],
            # The one that answered: an alias, or the name of a deployment, says less.
            record.model or columns["model"],
            usage,
            columns["started_at"],
            columns["api_type"],
            tier if isinstance(tier, str) else None,
        )
    except Exception as fault:
        report("looking for a price", fault)
        return None
