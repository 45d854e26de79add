"""What an exported file looks like: JSON lines that have everything, or CSV that a spreadsheet opens."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, BinaryIO

from promptlayer_patch._told import in_brief, json_line, whole

if TYPE_CHECKING:
    from promptlayer_patch.store import StoredRequest, Summary

__all__ = ["FORMATS", "Format", "Row", "cell", "end_of_rows"]


@dataclass(frozen=True, slots=True)
class Row:
    """The last row of a file that is whole."""

    request_id: int | None
    """`None` if the file has no more than a header."""
    end: int
    """Where the next row begins."""


@dataclass(frozen=True, slots=True)
class Format:
    header: bytes
    row: Callable[[Summary, StoredRequest], bytes]
    id_in: Callable[[bytes], int]
    """The request id, from the first line of a row; `ValueError` or `LookupError` if it has none."""
    quotes: bool
    """Whether a line break in quotes belongs to the row."""


def end_of_rows(file: BinaryIO, form: Format) -> Row:
    """Where the rows of a file end that may have been torn. Raises `ValueError` for what is no such file."""
    place = end = quotes = 0
    begins, first, last = True, b"", b""
    for line in file:
        first = line if begins else first
        place += len(line)
        quotes += line.count(b'"') if form.quotes else 0
        begins = line.endswith(b"\n") and quotes % 2 == 0
        if begins:
            end, last = place, first
    if end == 0 or last == form.header:
        return Row(None, end)
    try:
        return Row(form.id_in(last), end)
    except (LookupError, TypeError, RecursionError) as error:
        raise ValueError("no request id") from error


def cell(value: object) -> object:
    """What is safe in a spreadsheet: a text that it would take for a formula gets an apostrophe."""
    if isinstance(value, str) and value.startswith(_FORMULA):
        return f"'{value}"
    return value


_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
_COLUMNS = (
    "request_id",
    "record_id",
    *("started_at", "status", "ending", "function_name", "provider", "model", "latency_ms"),
    *("input_tokens", "output_tokens", "cached_tokens", "thinking_tokens", "cost"),
    *("tags", "metadata", "scores", "groups", "prompt", "prompt_version", "trace_id"),
    *("http_status", "error_type", "error_message", "input", "output"),
)


def _csv(values: Iterable[object]) -> bytes:
    out = io.StringIO()
    csv.writer(out).writerow([cell(value) for value in values])
    return out.getvalue().encode("utf-8", "backslashreplace")


def _csv_row(request: Summary, stored: StoredRequest) -> bytes:
    from promptlayer_patch._blueprint import facts_of

    said = facts_of(stored.record)
    brief = in_brief(request)
    values: dict[str, Any] = {
        **brief,
        "record_id": stored.record.id,
        "tags": ", ".join(brief["tags"]),
        "groups": ", ".join(map(str, brief["groups"])),
        **{name: _object(brief[name]) for name in ("metadata", "scores")},
        "input": said.input_text,
        "output": said.output_text,
    }
    return _csv(values[name] for name in _COLUMNS)


def _object(value: dict[str, Any]) -> str:
    return json.dumps(value, ensure_ascii=False) if value else ""


def _json_row(request: Summary, stored: StoredRequest) -> bytes:
    return json_line(whole(request, stored)).encode() + b"\n"


FORMATS = {
    "jsonl": Format(b"", _json_row, lambda line: int(json.loads(line)["request_id"]), quotes=False),
    # The mark at the beginning tells spreadsheets that it is UTF-8.
    "csv": Format(
        "\ufeff".encode() + _csv(_COLUMNS), _csv_row, lambda line: int(line.split(b",")[0]), quotes=True
    ),
}
