"""The columns of the list, and which of them somebody has chosen."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from http.cookies import CookieError, SimpleCookie

from promptlayer_patch._query import SortKey

__all__ = ["COLUMNS", "COOKIE", "Column", "chosen", "named"]

COOKIE = "promptlayer_patch_columns"


@dataclass(frozen=True, slots=True)
class Column:
    """One column; its cells are in the template, under its name."""

    name: str
    title: str
    usual: bool = True
    """Whether it is shown to who has chosen nothing."""
    sort: SortKey | None = None
    number: bool = False
    about: str = ""
    """What the title means, where it is too short to say it."""


COLUMNS = (
    Column("time", "Time", sort=SortKey.STARTED),
    Column("status", "Status", sort=SortKey.STATUS),
    Column("model", "Model"),
    Column("function", "Function", usual=False),
    Column("preview", "Input and output"),
    Column("tags", "Tags"),
    Column("prompt", "Template", usual=False),
    Column("user", "User", usual=False),
    Column("groups", "Groups", usual=False),
    Column("scores", "Scores"),
    Column("latency", "Latency", sort=SortKey.LATENCY, number=True),
    Column("first_token", "First token", usual=False, number=True),
    Column("input_tokens", "In", sort=SortKey.INPUT_TOKENS, number=True, about="Input tokens"),
    Column("output_tokens", "Out", sort=SortKey.OUTPUT_TOKENS, number=True, about="Output tokens"),
    Column("cost", "Cost", sort=SortKey.COST, number=True),
    Column("attempts", "Attempts", usual=False, number=True),
)
_USUAL = tuple(column for column in COLUMNS if column.usual)


def named(names: Iterable[str]) -> tuple[Column, ...]:
    """The columns with these names, in the order of the table; the usual ones if it is none."""
    wanted = frozenset(names)
    return tuple(column for column in COLUMNS if column.name in wanted) or _USUAL


def chosen(address: str | None, headers: Mapping[str, str]) -> tuple[Column, ...]:
    """What the address names, else what this browser's reader has chosen."""
    if address is not None:
        return named(address.split(","))
    try:
        cookie = SimpleCookie(headers.get("cookie", "")).get(COOKIE)
    except CookieError:
        cookie = None
    return _USUAL if cookie is None else named(cookie.value.split("."))
