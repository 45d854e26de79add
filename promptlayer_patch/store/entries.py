"""What is put into the store: a record, and what only PromptLayer's protocol says beside it."""

from __future__ import annotations

from dataclasses import dataclass

from promptlayer_patch._wire import status_fields
from promptlayer_patch.annotations import Score
from promptlayer_patch.records import Record

__all__ = ["Entry"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One request to be stored.

    The positional arguments of a logged call, where there are any, are its request's `args`. What came
    through `/log-request` has `{"model", "input", "parameters"}` as its request and `{"output"}` as response.
    """

    record: Record
    status: str = "SUCCESS"
    """`SUCCESS`, `WARNING` or `ERROR`: PromptLayer's view of `Record.ending`."""
    error_type: str | None = None
    """PromptLayer's word, for example `PROVIDER_TIMEOUT`."""
    error_message: str | None = None
    api_type: str | None = None
    """`chat-completions`, `responses`, ... where the client says so."""
    span_id: str | None = None
    """16 hex digits, of the span that the request was made in."""
    trace_id: str | None = None
    """32 hex digits."""
    input_tokens: int | None = None
    """As the client counted them; `None` leaves it to the response."""
    output_tokens: int | None = None
    price: float | None = None
    """US dollars, where the client says so."""
    score: Score | None = None

    @classmethod
    def of(cls, record: Record) -> Entry:
        """What a record of our own says."""
        said = status_fields(record)
        return cls(
            record=record,
            status=said.get("status", "SUCCESS"),
            error_type=said.get("error_type"),
            error_message=said.get("error_message"),
        )
