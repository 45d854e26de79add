"""Numbers and times as pages show them."""

from __future__ import annotations

import pytest

from promptlayer_patch.server.dashboard.formats import FILTERS


@pytest.mark.parametrize(
    ("dollars", "shown"),
    [
        (None, "—"),
        (0, "$0.00"),
        (1234.5, "$1,234.50"),
        (0.5, "$0.50"),
        (0.0123, "$0.012"),
        (0.0000397, "$0.000040"),
        (1e-7, "<$0.000001"),
        (-0.25, "$-0.25"),
    ],
)
def test_money_has_as_many_digits_as_tell_something(dollars: float | None, shown: str) -> None:
    assert FILTERS["money"](dollars) == shown


@pytest.mark.parametrize(
    ("duration", "shown"),
    [
        (None, "—"),
        (0.0004, "0 ms"),
        (0.34, "340 ms"),
        (0.9996, "1.00 s"),
        (2.314, "2.31 s"),
        (12.34, "12.3 s"),
        (99.96, "1 min 40 s"),
        (185, "3 min 05 s"),
        (7384, "2 h 03 min"),
    ],
)
def test_durations_are_in_the_unit_that_fits(duration: float | None, shown: str) -> None:
    assert FILTERS["seconds"](duration) == shown


@pytest.mark.parametrize(
    ("number", "shown"),
    [(None, "—"), (0, "0"), (999, "999"), (1234, "1.23k"), (3_400_000, "3.4M"), (5e9, "5G"), (0.5, "0.5")],
)
def test_large_numbers_are_short(number: float | None, shown: str) -> None:
    assert FILTERS["short"](number) == shown


def test_moments_beyond_every_calendar_are_shown_as_nothing() -> None:
    assert FILTERS["utc"](1e300) == "—"
    assert FILTERS["iso"](1e300) == ""
    assert FILTERS["iso"](0.25) == "1970-01-01T00:00:00.250Z"
    assert FILTERS["utc"](0.25) == "1970-01-01 00:00:00 UTC"


def test_shares_are_percent_and_counts_are_whole() -> None:
    assert (FILTERS["percent"](0.1234), FILTERS["percent"](None)) == ("12.3 %", "—")
    assert (FILTERS["count"](1234567), FILTERS["count"](None)) == ("1,234,567", "—")


def test_long_texts_are_brief() -> None:
    assert FILTERS["brief"]("x" * 121) == "x" * 119 + "…"
    assert FILTERS["brief"]("x" * 120) == "x" * 120
    assert FILTERS["brief"](None) == "—"
