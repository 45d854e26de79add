"""Types of fields that clients write in more than one way."""

from __future__ import annotations

import json
import math
import re
from datetime import datetime, timedelta, timezone
from typing import Annotated, Any

from pydantic import BeforeValidator, Field

__all__ = ["Flag", "Id", "Metadata", "Moment", "SpanId", "Tags", "iso"]

_LATEST = 32_503_680_000.0  # the year 3000
_MILLISECONDS_FROM = 1e11  # as seconds, the year 5138
_ID_DIGITS = "[1-9][0-9]{0,17}"
_SPAN_DIGITS = "[0-9a-fA-F]{1,16}"
_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_FIRST_MOMENT, _LAST_MOMENT = -62_135_596_800.0, 253_402_300_799.0  # of the years 1 and 9999
_NO_SPAN = "0" * 16
_ERROR_MESSAGE_CHARS = 1024


def iso(moment: float) -> str:
    """Seconds since the epoch as PromptLayer writes times: UTC, ISO 8601.

    Of a clock that was beyond every calendar, the calendar's end.
    """
    within = min(max(moment, _FIRST_MOMENT), _LAST_MOMENT)
    return (_EPOCH + timedelta(seconds=within)).isoformat().replace("+00:00", "Z")


def _moment(value: Any) -> float:
    """Seconds or milliseconds since the epoch, a number or in digits, or ISO 8601; UTC where no zone is."""
    if isinstance(value, str):
        value = float(value) if re.fullmatch(r"\d{1,16}(\.\d{1,9})?", value) else _parsed(value)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise ValueError("expected seconds since the epoch or an ISO 8601 time")
    if not math.isfinite(value) or value < 0:
        raise ValueError("expected a time since 1970")
    seconds = value / 1000 if value >= _MILLISECONDS_FROM else float(value)
    if seconds > _LATEST:
        raise ValueError("expected a time before the year 3000")
    return seconds


def _parsed(text: str) -> float:
    try:
        moment = datetime.fromisoformat(re.sub(r"[zZ]$", "+00:00", text.strip()[:64]))
    except ValueError:
        raise ValueError("expected seconds since the epoch or an ISO 8601 time") from None
    return (moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)).timestamp()


def _id(value: Any) -> int:
    if isinstance(value, str) and re.fullmatch(_ID_DIGITS, value):
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value < 2**63:
        raise ValueError("expected an id, which is a whole number from 1 on")
    return value


def _span_id(value: Any) -> str | None:
    """One of PromptLayer's clients sends zeros when there is no span."""
    if value is None or value == "":
        return None
    if not isinstance(value, str) or not re.fullmatch(_SPAN_DIGITS, value):
        raise ValueError("expected 16 hex digits")
    padded = value.lower().rjust(16, "0")
    return None if padded == _NO_SPAN else padded


def _metadata(value: Any) -> dict[str, str]:
    """Values that are no strings become JSON: some clients send numbers and objects."""
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise ValueError("expected an object of strings")
    if max(map(len, value), default=0) > 1024:
        raise ValueError("a key has at most 1024 characters")
    return {key: one if isinstance(one, str) else json.dumps(one) for key, one in value.items()}


def _tags(value: Any) -> list[str]:
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(tag, str) for tag in value):
        raise ValueError("expected a list of strings")
    if any(len(tag) > 512 for tag in value):
        raise ValueError("a tag has at most 512 characters")
    return value


def _message(value: Any) -> Any:
    # One of PromptLayer's own clients forgets to shorten it.
    return value[:_ERROR_MESSAGE_CHARS] if isinstance(value, str) else value


def _flag(value: Any) -> bool:
    return value is True


# What stands in the OpenAPI document is what is taken, as far as JSON Schema can say it.
_MomentSent = Annotated[float, Field(ge=0, le=_LATEST * 1000)] | str
_IdSent = Annotated[int, Field(ge=1, lt=2**63)] | Annotated[str, Field(pattern=f"^{_ID_DIGITS}$")]
_SpanIdSent = Annotated[str, Field(pattern=f"^({_SPAN_DIGITS})?$")] | None

Moment = Annotated[float, BeforeValidator(_moment, json_schema_input_type=_MomentSent)]
Id = Annotated[int, BeforeValidator(_id, json_schema_input_type=_IdSent), Field(ge=1)]
SpanId = Annotated["str | None", BeforeValidator(_span_id, json_schema_input_type=_SpanIdSent)]
Metadata = Annotated[dict[str, str], BeforeValidator(_metadata, json_schema_input_type=dict[str, Any] | None)]
Tags = Annotated[list[str], BeforeValidator(_tags, json_schema_input_type=list[str] | None)]
ErrorMessage = Annotated["str | None", BeforeValidator(_message)]
Flag = Annotated[bool, BeforeValidator(_flag, json_schema_input_type=Any)]
"""Anything but `true` is false: these come from clients that leak options of theirs."""
