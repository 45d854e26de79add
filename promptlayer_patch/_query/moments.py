"""Moments as people and programs write them, in seconds since the epoch."""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone, tzinfo

__all__ = ["instant", "span", "written"]

_ISO = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)"
    r"(?:[T ](\d\d):(\d\d)(?::(\d\d)(?:[.,](\d{1,9}))?)?\s?(Z|[+-]\d\d:?\d\d)?)?",
    re.ASCII | re.IGNORECASE,
)
_AGO = re.compile(r"(\d{1,9}(?:\.\d{1,9})?)\s?(s|m|min|h|d|w)", re.ASCII)
_UNITS_S = {"s": 1, "m": 60, "min": 60, "h": 3600, "d": 86_400, "w": 604_800}
_DAYS_AGO = {"today": 0, "yesterday": 1}
_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


def instant(text: str, zone: tzinfo | None = timezone.utc) -> float:
    """The moment that ISO 8601 text names; of a date, midnight. `ValueError` if it names none.

    What does not say its offset from UTC is in `zone`, or with `None` in this machine's.
    """
    found = _ISO.fullmatch(text.strip())
    if found is None:
        raise ValueError(f"{text[:40]!r} is no ISO 8601 date or time")
    year, month, day, hour, minute, second, fraction, offset = found.groups(default="")
    moment = datetime(int(year), int(month), int(day), int(hour or 0), int(minute or 0), int(second or 0))
    whole = _seconds(moment, _offset(offset) if offset else zone)
    # Not `timestamp()`: what is added to whole seconds here comes out as written, to the last microsecond.
    return whole + (float(f"0.{fraction}") if fraction else 0.0)


def span(text: str, now: float, zone: tzinfo | None = timezone.utc) -> tuple[float, float]:
    """When what people write begins, and when it is over; the same for a moment. `ValueError` for others.

    `2026-11-01`, `today` and `yesterday` are days; `3h` was three hours ago, `@1767225600` is seconds since
    the epoch, and the rest is ISO 8601.
    """
    text = text.strip()
    if text in _DAYS_AGO:
        day = datetime.fromtimestamp(now, zone).replace(tzinfo=None) - timedelta(days=_DAYS_AGO[text])
        return _day(day.replace(hour=0, minute=0, second=0, microsecond=0), zone)
    if len(text) == len("2026-11-01") and _ISO.fullmatch(text):
        return _day(datetime.strptime(text, "%Y-%m-%d"), zone)
    moment = _moment(text, now, zone)
    return moment, moment


def _day(midnight: datetime, zone: tzinfo | None) -> tuple[float, float]:
    return _seconds(midnight, zone), _seconds(midnight, zone, days=1)


def _moment(text: str, now: float, zone: tzinfo | None) -> float:
    if text == "now":
        return now
    if text.startswith("@"):
        return float(text[1:])
    ago = _AGO.fullmatch(text)
    return now - float(ago[1]) * _UNITS_S[ago[2]] if ago else instant(text, zone)


def _seconds(naive: datetime, zone: tzinfo | None, days: int = 0) -> float:
    """Whole seconds since the epoch, of a date and time without a fraction so many days later."""
    try:
        naive += timedelta(days=days)
        moment = naive.astimezone() if zone is None else naive.replace(tzinfo=zone)
        since = moment - _EPOCH
    except (OverflowError, OSError) as error:
        raise ValueError(f"the year {naive.year} is out of range") from error
    return float(since.days * 86_400 + since.seconds)


def written(moment: float) -> str | None:
    """ISO 8601 text of which `instant` makes the same moment, to the last bit; `None` if there is none."""
    try:
        text = (_EPOCH + timedelta(seconds=moment)).isoformat().replace("+00:00", "Z")
    except OverflowError:
        return None
    return text if instant(text) == moment else None


def _offset(text: str) -> timezone:
    if text in "Zz":
        return timezone.utc
    offset = timedelta(hours=int(text[1:3]), minutes=int(text[-2:]))
    return timezone(-offset if text[0] == "-" else offset)
