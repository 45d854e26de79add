"""The single values of a span, checked; what cannot be taken is a `BadSpan`."""

from __future__ import annotations

import math
import re

from promptlayer_patch._spans.model import BadSpan

__all__ = [
    "MAX_DEPTH",
    "MAX_SPANS",
    "SPAN_ID_BYTES",
    "TRACE_ID_BYTES",
    "finite",
    "identifier",
    "integer",
    "nanoseconds",
    "parent_identifier",
]

TRACE_ID_BYTES = 16
SPAN_ID_BYTES = 8
MAX_DEPTH = 32
"""How deep lists and maps may stand in each other in an attribute. Protobuf itself ends near 50."""
MAX_SPANS = 10_000
"""In one body: a store writes them in one transaction, and nobody else meanwhile. Exporters send 512."""

_LAST_INTEGER = 2**63 - 1
_DECIMAL = re.compile(r"-?[0-9]{1,19}")


def identifier(raw: bytes, size: int, what: str) -> str:
    """An id as hex digits. Zeros only are what OpenTelemetry writes for no id at all."""
    if len(raw) != size:
        raise BadSpan(f"Invalid {what} length")
    if not any(raw):
        raise BadSpan(f"Invalid {what}: all zeros")
    return raw.hex()


def parent_identifier(raw: bytes) -> str | None:
    """The id of the span above; `None` for the first one of a trace."""
    return identifier(raw, SPAN_ID_BYTES, "parentSpanId") if any(raw) else None


def integer(value: object, what: str) -> int:
    """A whole number of 64 bits, which JSON writes as a number or as text."""
    is_text = isinstance(value, str) and _DECIMAL.fullmatch(value)
    is_float = isinstance(value, float) and value.is_integer()
    number = int(value) if is_text or is_float else value  # type: ignore[call-overload]
    if not isinstance(number, int) or isinstance(number, bool):
        raise BadSpan(f"{what} is no whole number")
    if not -_LAST_INTEGER - 1 <= number <= _LAST_INTEGER:
        raise BadSpan(f"{what} has more than 64 bits")
    return number


def nanoseconds(value: object, what: str, *, default: int | None = None) -> int:
    """A point in time. 0 and nothing at all stand for the `default`, if there is one."""
    moment = 0 if value is None or value == "" else integer(value, what)
    if moment == 0 and default is not None:
        return default
    if moment <= 0:
        raise BadSpan(f"Invalid {what}")
    return moment


def finite(value: float) -> float | str:
    """`value` as JSON can hold it: what is no number, or without end, by its name."""
    if math.isfinite(value):
        return value
    if math.isnan(value):
        return "NaN"
    return "Infinity" if value > 0 else "-Infinity"
