"""Numbers and times as pages write them."""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from typing import Any

__all__ = ["FILTERS"]

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_NOTHING = "—"


def _moment(seconds: float) -> datetime | None:
    """`None` beyond every calendar."""
    try:
        return _EPOCH + timedelta(seconds=seconds)
    except (OverflowError, ValueError):
        return None


def iso(seconds: float) -> str:
    """For `datetime=`, from which a browser makes a time of the viewer's zone."""
    at = _moment(seconds)
    return "" if at is None else at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def utc(seconds: float) -> str:
    """What is shown without script."""
    at = _moment(seconds)
    return _NOTHING if at is None else f"{at:%Y-%m-%d %H:%M:%S} UTC"


def count(number: float | None) -> str:
    """A whole number in full: `1,234,567`."""
    return _NOTHING if number is None else f"{number:,.0f}"


def short(number: float | None) -> str:
    """A number at a glance: `1.2k`, `3.4M`."""
    if number is None:
        return _NOTHING
    for size, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(number) >= size:
            return f"{number / size:.3g}{unit}"
    return f"{number:.0f}" if float(number).is_integer() else f"{number:.3g}"


def money(dollars: float | None) -> str:
    """US dollars with as many digits as tell something."""
    if dollars is None:
        return _NOTHING
    if dollars == 0 or abs(dollars) >= 1:
        return f"${dollars:,.2f}"
    if abs(dollars) < 1e-6:
        return "<$0.000001"
    digits = min(8, max(2, 1 - math.floor(math.log10(abs(dollars)))))
    return f"${dollars:.{digits}f}"


def seconds(duration: float | None) -> str:
    """How long something took: `340 ms`, `2.31 s`, `3 min 05 s`."""
    if duration is None:
        return _NOTHING
    if duration < 0.9995:
        return f"{duration * 1000:.0f} ms"
    if duration < 99.95:
        return f"{duration:.2f} s" if duration < 9.995 else f"{duration:.1f} s"
    minutes, rest = divmod(round(duration), 60)
    return f"{minutes} min {rest:02d} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02d} min"


def brief(text: str | None, most: int = 120) -> str:
    """The beginning of a text that may be of any length, for a place where it is not read to its end."""
    if text is None:
        return _NOTHING
    return text if len(text) <= most else f"{text[: most - 1]}…"


def percent(share: float | None) -> str:
    return _NOTHING if share is None else f"{share * 100:.1f} %"


FILTERS: dict[str, Callable[..., Any]] = {
    function.__name__: function for function in (brief, count, iso, money, percent, seconds, short, utc)
}
"""By the name that templates use."""
