"""A part of a record that is left in its bytes is there for whoever asks, as if it had always been."""

from __future__ import annotations

import array
import base64
import copy
import dataclasses
import json
import pickle
import threading
from collections.abc import Callable
from typing import Any

import pytest

from promptlayer_patch._bodies import Bodies, keep, outline, outlined
from promptlayer_patch._encoding import decoded, encoded
from promptlayer_patch.records import Record
from promptlayer_patch.store.encoding import encode
from promptlayer_patch.store.entries import Entry

FLOATS = array.array("f", [0.5, -0.25, 1e-7]).tolist()
REQUEST = {"input": "word " * 5_000, "model": "text-embedding-3-small", "n": 1, "user": None}
RESPONSE = {
    "object": "list",
    "data": [{"index": 0, "embedding": base64.b64encode(array.array("f", FLOATS).tobytes()).decode()}],
    "model": "text-embedding-3-small-v2",
    "usage": {"prompt_tokens": 7, "total_tokens": 7},
}
WHOLE = Record(
    id="01a2",
    function_name="openai.embeddings.create",
    request=REQUEST,
    response={**RESPONSE, "data": [{"index": 0, "embedding": FLOATS}]},
    tags=("a",),
)


def left() -> Record:
    """The same record, both of whose parts are left in their bytes."""
    record = Record(id="01a2", function_name="openai.embeddings.create", tags=("a",))
    request, response = (json.dumps(one, separators=(",", ":")).encode() for one in (REQUEST, RESPONSE))
    outlines = {"request": outlined(REQUEST), "response": outlined(RESPONSE)}
    keep(record, Bodies(request, response, vectors=True, outlines=outlines))
    return record


@pytest.mark.parametrize(
    "look",
    [
        pytest.param(lambda record: record, id="as it is"),
        pytest.param(copy.copy, id="copied"),
        pytest.param(copy.deepcopy, id="copied deeply"),
        pytest.param(lambda record: pickle.loads(pickle.dumps(record)), id="pickled"),
        pytest.param(dataclasses.replace, id="replaced"),
        pytest.param(lambda record: decoded(encoded(record)), id="written and read"),
        pytest.param(lambda record: decoded(encode(Entry.of(record)).text), id="stored and read"),
    ],
)
def test_it_is_the_same_record(look: Callable[[Record], Record]) -> None:
    record = look(left())
    assert record == WHOLE
    assert repr(record) == repr(WHOLE)
    assert type(record) is Record
    assert record.response["data"][0]["embedding"] == FLOATS


def test_what_was_asked_for_once_stays() -> None:
    record = left()
    assert record.request is record.request
    assert record.response is record.response


def test_threads_that_ask_at_once_get_the_same_data() -> None:
    record, found, start = left(), [], threading.Barrier(4)

    def ask() -> None:
        start.wait()
        found.append((record.request, record.response))

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [(WHOLE.request, WHOLE.response)] * 4


def test_to_write_it_or_to_store_it_decodes_nothing() -> None:
    record = left()
    row = encode(Entry.of(record))
    assert {"request", "response"} <= _missing(record)
    columns = encode(Entry.of(WHOLE)).columns
    assert row.columns == columns
    assert columns["model"] == REQUEST["model"]
    assert columns["input_tokens"] == 7


def test_an_outline_has_what_is_short_and_always_the_model_and_the_usage() -> None:
    data: Any = {"model": "m" * 1_000, "usage": {"total_tokens": 1}, "text": "t" * 1_000, "n": 1, "tools": []}
    assert outlined(data) == {"model": "m" * 1_000, "usage": {"total_tokens": 1}, "n": 1}
    assert outline(WHOLE, "request") is WHOLE.request
    assert outline(left(), "request") == {"model": "text-embedding-3-small", "n": 1, "user": None}


def test_what_a_record_never_had_is_still_missing() -> None:
    for record in (WHOLE, left()):
        with pytest.raises(AttributeError, match="'Record' object has no attribute 'requests'"):
            record.requests  # type: ignore[attr-defined]  # noqa: B018


def _missing(record: Record) -> set[str]:
    """The fields that are not there yet."""
    found = set()
    for field in dataclasses.fields(Record):
        try:
            object.__getattribute__(record, field.name)
        except AttributeError:
            found.add(field.name)
    return found


def test_a_record_that_is_being_made_has_no_part_yet() -> None:
    """As copying and unpickling see it: no part, and no end of asking for one either."""
    unmade = object.__new__(Record)
    for name in ("request", "bodies", "nothing"):
        assert not hasattr(unmade, name)
