"""How the points of a chart are named."""

from __future__ import annotations

from datetime import datetime, timedelta

from promptlayer_patch.store.charting.ranges import Interval

__all__ = ["date_key", "date_label"]

_EPOCH = datetime(1970, 1, 1)
# Not strftime's, which speaks the language of the server's machine.
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def date_key(at: int, interval: Interval) -> str:
    """The date of a point or, where points are shorter than a day, its time."""
    moment = _EPOCH + timedelta(seconds=at)
    return moment.strftime("%Y-%m-%d" if interval.seconds % 86_400 == 0 else "%Y-%m-%dT%H:%M:%SZ")


def date_label(at: int, interval: Interval) -> str:
    moment = _EPOCH + timedelta(seconds=at)
    day = f"{_MONTHS[moment.month - 1]} {moment.day}"
    if interval.seconds % 86_400 == 0:
        return day
    return f"{day}, {moment:%H:%M:%S}" if interval.seconds < 60 else f"{day}, {moment:%H:%M}"
