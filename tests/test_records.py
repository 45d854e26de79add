"""Records, endings and receipts as values: what they hold, and what holds for all of them."""

from __future__ import annotations

import asyncio
import copy
import dataclasses
import os
import pickle
import re
import threading
import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptlayer_patch import Ending, Failure, Receipt, Record, records
from promptlayer_patch.errors import RequestIdTimeout, RequestIdUnavailable
from promptlayer_patch.records import Delivered, Rejected, TryLater
from tests.support.programs import FORKS, printed

SECRET = "what the user asked"


def a_record(**fields: Any) -> Record:
    return Record(**{"id": "01a2", "function_name": "openai.chat.completions.create", **fields})


# Records


def test_a_record_cannot_be_changed() -> None:
    record = a_record()
    with pytest.raises(dataclasses.FrozenInstanceError):
        record.id = "other"  # type: ignore[misc]
    changed = dataclasses.replace(record, tags=("a",))
    assert (record.tags, changed.tags) == ((), ("a",))


def test_a_record_takes_names_only() -> None:
    with pytest.raises(TypeError):
        Record("01a2", "openai.chat.completions.create")  # type: ignore[misc]


def test_what_a_record_is_without_being_told() -> None:
    record = a_record()
    assert (record.ending, record.error, record.attempts) == (Ending.COMPLETE, None, 1)
    assert (record.tags, dict(record.metadata), dict(record.request)) == ((), {}, {})
    assert (record.provider, record.streamed, record.response) == ("openai", False, None)


def test_records_share_no_container() -> None:
    assert a_record().request is not a_record().request
    assert a_record().metadata is not a_record().metadata


@pytest.mark.parametrize(
    ("request_body", "response", "expected"),
    [
        ({"model": "asked"}, {"model": "answered"}, "answered"),
        ({"model": "asked"}, {"model": None}, "asked"),
        ({"model": "asked"}, {"id": "x"}, "asked"),
        ({"model": "asked"}, "a transcript", "asked"),
        ({"model": "asked"}, None, "asked"),
        ({}, {"model": "answered"}, "answered"),
        ({"model": 7}, {"model": ["x"]}, None),
        ({}, None, None),
    ],
)
def test_the_model_is_the_one_that_answered(request_body: Any, response: Any, expected: str | None) -> None:
    assert a_record(request=request_body, response=response).model == expected


def test_the_duration_is_in_seconds() -> None:
    assert a_record(started_at=100.0, ended_at=101.5).duration_s == 1.5


def test_a_record_can_be_copied_and_pickled() -> None:
    record = a_record(
        request={"model": "m"}, ending=Ending.CANCELLED, error=Failure("KeyError", "'x'", 500), tags=("a",)
    )
    assert copy.deepcopy(record) == pickle.loads(pickle.dumps(record)) == record


# Endings


def test_endings_are_their_values() -> None:
    """So that they can be compared, stored and encoded without a thought."""
    assert [ending.value for ending in Ending] == [
        "complete",
        "closed_early",
        "abandoned",
        "never_read",
        "provider_error",
        "consumer_error",
        "cancelled",
    ]
    assert all(ending == ending.value == Ending(ending.value) for ending in Ending)


# Ids


def test_record_ids_are_hexadecimal_unique_and_in_order_of_time() -> None:
    ids = [Receipt().record_id for _ in range(10_000)]
    assert all(re.fullmatch(r"[0-9a-f]{32}", found) for found in ids)
    assert len(set(ids)) == len(ids)
    times = [int(found[:12], 16) for found in ids]
    assert times == sorted(times)


def test_all_who_ask_for_an_id_at_once_are_told_the_same() -> None:
    receipts = [Receipt() for _ in range(1_000)]
    together = threading.Barrier(4)

    def ask() -> list[str]:
        together.wait()
        return [receipt.record_id for receipt in receipts]

    with ThreadPoolExecutor(4) as threads:
        told = [asking.result() for asking in [threads.submit(ask) for _ in range(4)]]
    assert len({tuple(ids) for ids in told}) == 1
    assert len(set(told[0])) == len(receipts)


# Outcomes


def test_outcomes_are_values() -> None:
    assert Delivered(7) == Delivered(7) != Delivered(8)
    assert Delivered().request_id is None
    assert Rejected("no") != Rejected("never")
    assert TryLater() == TryLater(None, "")
    for outcome, name in ((Delivered(7), "request_id"), (Rejected("no"), "reason"), (TryLater(), "after_s")):
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(outcome, name, None)


# Receipts


def test_a_fresh_receipt_is_pending() -> None:
    receipt = Receipt()
    assert not receipt.done
    assert repr(receipt) == f"<Receipt {receipt.record_id} pending>"
    with pytest.raises(RequestIdTimeout):
        receipt.request_id(0)


@pytest.mark.parametrize(
    ("outcome", "error"), [(Rejected("HTTP 400"), "HTTP 400"), (Delivered(None), "assigns no ids")]
)
def test_a_receipt_without_an_id_says_why(outcome: Any, error: str) -> None:
    receipt = Receipt()
    receipt.settle(outcome)
    assert receipt.done
    with pytest.raises(RequestIdUnavailable, match=error):
        receipt.request_id()


def test_waiting_urges_the_delivery() -> None:
    urged: list[str] = []
    receipt = Receipt(lambda: urged.append("now"))
    with pytest.raises(RequestIdTimeout):
        receipt.request_id(0)

    async def main() -> None:
        with pytest.raises(RequestIdTimeout):
            await receipt.arequest_id(0)

    asyncio.run(main())
    assert urged == ["now", "now"]
    receipt.settle(Delivered(1))
    assert receipt.request_id(0) == 1
    assert urged == ["now", "now"], "nobody waits any more"


OUTCOMES = st.one_of(
    st.builds(Delivered, st.integers(1, 100)), st.just(Delivered()), st.builds(Rejected, st.just("no"))
)


@given(st.lists(OUTCOMES, min_size=1, max_size=5))
def test_the_first_outcome_stands(outcomes: list[Any]) -> None:
    receipt, told = Receipt(), []
    receipt.when_done(lambda: told.append("early"))
    for outcome in outcomes:
        receipt.settle(outcome)
    receipt.when_done(lambda: told.append("late"))
    assert told == ["early", "late"]
    other = Receipt()
    other.settle(outcomes[0])
    assert repr(receipt).partition(receipt.record_id)[2] == repr(other).partition(other.record_id)[2]


def test_whoever_waits_is_told_however_it_is_timed() -> None:
    """Waiting and settling meet in every order; nobody is forgotten, nobody told twice."""
    for _ in range(300):
        receipt, told, together = Receipt(), [], threading.Barrier(4)

        def wait(receipt: Receipt = receipt, told: Any = told, together: Any = together) -> int:
            together.wait()
            receipt.when_done(lambda: told.append(1))
            return receipt.request_id(20.0)

        def settle(receipt: Receipt = receipt, together: Any = together) -> None:
            together.wait()
            receipt.settle(Delivered(7))

        with ThreadPoolExecutor(4) as pool:
            waits = [pool.submit(wait) for _ in range(3)]
            pool.submit(settle).result()
            assert [each.result() for each in waits] == [7, 7, 7]
        assert told == [1, 1, 1]


def test_no_repr_of_a_receipt_shows_content() -> None:
    receipt = Receipt()
    receipt.settle(Rejected("HTTP 400"))
    assert SECRET not in repr(receipt)


def test_every_class_of_the_module_is_small() -> None:
    """There is one for each call: no instance dictionaries."""
    for name in records.__all__:
        found = getattr(records, name)
        if isinstance(found, type) and not issubclass(found, (Ending, Receipt)):
            assert "__slots__" in vars(found), name


def test_a_receipt_that_nobody_asks_is_small() -> None:
    """Every call under way has one."""
    tracemalloc.start()
    try:
        receipts = [Receipt(list) for _ in range(1000)]
        size, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert size < 200 * len(receipts)


_FORKING = """
import os
from promptlayer_patch.records import new_record_id
new_record_id()  # the generator has a state that a child could inherit
reading, writing = os.pipe()
if os.fork() == 0:
    os.write(writing, new_record_id().encode())
    os._exit(0)
os.close(writing)
print(os.read(reading, 32).decode(), new_record_id())
os.wait()
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this platform has no fork")
def test_a_forked_child_draws_other_ids() -> None:
    """PromptLayer-compatible servers store a record once by its id: two of the same would be one request."""
    (said,) = printed(_FORKING, options=FORKS)
    theirs, ours = (number[12:] for number in said.split())
    assert len(theirs) == len(ours) == 20
    assert theirs != ours
