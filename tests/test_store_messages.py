"""What requests repeat is stored once, and every body comes out as it went in."""

from __future__ import annotations

import hashlib
import random
import zlib
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from promptlayer_patch._encoding import encoded
from promptlayer_patch.annotations import MetadataUpdate
from promptlayer_patch.records import Record, new_record_id
from promptlayer_patch.store import Store, StoreError
from promptlayer_patch.store.frame import FRAME
from promptlayer_patch.store.fresh import Fresh
from promptlayer_patch.store.indexing import sources
from promptlayer_patch.store.indexing.indexer import Indexer
from promptlayer_patch.store.messages import body_of, is_split, joined, keep, remove_body, split
from promptlayer_patch.store.repeats import Repeats

NO_PARTS = b"\x01\x00"
"""What a body begins with that the indexer has compressed."""
SYSTEM = {"role": "system", "content": "You are the assistant of a shop. " * 20}


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with closing(Store.open(tmp_path / "requests.db")) as opened:
        yield opened


def a_record(request: dict[str, Any], response: Any = None) -> Record:
    return Record(
        id=new_record_id(),
        function_name="openai.chat.completions.create",
        request=request,
        response=response,
        started_at=1_767_225_600.0,
    )


def count(store: Store, table: str) -> int:
    return int(
        store.run(lambda connection: connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0])
    )


def uses(store: Store) -> list[int]:
    return store.run(
        lambda connection: [n for (n,) in connection.execute("SELECT uses FROM messages ORDER BY uses")]
    )


def body_in(store: Store, request_id: int) -> bytes:
    return store.run(lambda connection: body_of(connection, request_id) or b"")


def a_conversation(turns: int, rng: random.Random) -> list[Record]:
    """Real words, as conversations have them, each request with all that was said before it."""
    vocabulary = [
        f"{stem}{end}" for stem in ("order", "refund", "ship", "pay", "bill") for end in ("", "s", "ing")
    ]

    def text(size: int) -> str:
        return " ".join(f"{rng.choice(vocabulary)}{rng.randrange(100)}" for _ in range(size))

    messages: list[dict[str, Any]] = [SYSTEM]
    found = []
    for turn in range(turns):
        messages.append({"role": "user", "content": text(60)})
        answer = {"role": "assistant", "content": text(80)}
        response = {"choices": [{"index": 0, "message": {**answer, "refusal": None}}]}
        record = a_record({"model": "gpt-4o", "messages": [*messages]}, response)
        found.append(replace(record, started_at=record.started_at + turn))
        messages.append(answer)
    return found


def test_a_conversation_takes_several_times_less_and_comes_out_equal(store: Store) -> None:
    conversations = [a_conversation(8, random.Random(seed)) for seed in range(20)]
    records = [record for one in conversations for record in one]
    ids = store.add(records)
    store.catch_up()
    whole = sum(len(zlib.compress(encoded(record), 1)) for record in records)
    tables = ("bodies", "split_bodies", "messages")
    kept = sum(
        store.run(
            lambda connection, table=table: connection.execute(  # type: ignore[misc]
                f"SELECT total(length({'data' if table == 'messages' else 'body'})) FROM {table}"
            ).fetchone()[0]
        )
        for table in tables
    )
    assert kept < whole / 3
    for request_id, record in zip(ids, records, strict=True):
        stored = store.get(request_id)
        assert stored is not None
        assert encoded(stored.record) == encoded(record), "to the byte"


def test_a_question_of_its_own_stays_where_it_is(store: Store) -> None:
    """A message that never comes again would take more place apart than in its body."""
    store.add(
        [a_record({"messages": [{"role": "user", "content": f"{number} " * 500}]}) for number in range(5)]
    )
    store.catch_up()
    assert (count(store, "bodies"), count(store, "messages")) == (5, 0)


def test_instructions_and_tools_are_stored_once_when_they_come_again(store: Store) -> None:
    tools = [
        {"type": "function", "function": {"name": f"tool{number}", "description": "x" * 50}}
        for number in range(9)
    ]
    indexer = Indexer(store)
    for number in range(4):
        messages = [SYSTEM, {"role": "user", "content": str(number)}]
        store.add([a_record({"messages": messages, "tools": tools})])
        indexer.catch_up()
    assert (count(store, "bodies"), uses(store)) == (1, [3, 3]), "the first time nobody can tell"


def test_an_indexer_that_begins_anew_knows_what_is_stored_apart(store: Store) -> None:
    def ask(number: int) -> None:
        store.add([a_record({"messages": [SYSTEM, {"role": "user", "content": str(number)}]})])

    ask(1)
    ask(2)
    Indexer(store).catch_up()
    assert uses(store) == [1]
    ask(3)
    Indexer(store).catch_up()
    assert uses(store) == [2]


def test_a_message_goes_with_the_last_request_that_has_it(store: Store) -> None:
    first, second = (a_conversation(3, random.Random(1)) for _ in range(2))
    ids = store.add([*first, *second])
    store.catch_up()
    assert max(uses(store)) >= 4
    store.delete(ids[:3])
    for request_id, record in zip(ids[3:], second, strict=True):
        stored = store.get(request_id)
        assert stored is not None
        assert stored.record == record
    store.delete(ids[3:])
    assert [count(store, table) for table in ("messages", "bodies", "split_bodies")] == [0, 0, 0]


@pytest.mark.parametrize(
    "request_body",
    [
        {"input": [{"type": "message", "role": "user", "content": "x" * 400}] * 3, "instructions": "y" * 400},
        {"input": {"type": "chat", "messages": [SYSTEM, SYSTEM, SYSTEM]}, "parameters": {}},
        {"messages": [SYSTEM, SYSTEM, SYSTEM], "model": SYSTEM["content"]},
        {"messages": [{"role": "user", "content": [{"type": "text", "text": "\ud800" * 300}]}] * 4},
        {"messages": ["no object", None, 3, {"role": ["odd"], "content": {"k": "v" * 400}}]},
        {"messages": [{"role": "tool", "content": "\u2028'\"\\ \x00" * 100}] * 3},
    ],
    ids=["responses", "template", "elsewhere", "surrogates", "odd", "escapes"],
)
def test_any_request_comes_out_as_it_went_in(store: Store, request_body: dict[str, Any]) -> None:
    record = a_record(request_body)
    (request_id,) = store.add([record])
    store.catch_up()
    stored = store.get(request_id)
    assert stored is not None
    assert stored.record == record
    assert count(store, "split_bodies") == 1


texts = st.text(st.characters(), max_size=5).map(lambda text: text * 100)
values = st.recursive(
    st.none() | st.integers() | texts,
    lambda children: st.lists(children, max_size=4) | st.dictionaries(texts, children, max_size=3),
    max_leaves=10,
)
messages = st.fixed_dictionaries({"role": st.sampled_from(["user", "system", "tool"]), "content": values})
bodies = st.dictionaries(
    st.sampled_from(["messages", "input", "tools", "instructions", "text", "model"]),
    st.lists(messages | values, max_size=5) | values,
)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(bodies, values), min_size=1, max_size=4))
def test_bodies_of_any_kind_are_the_same_bytes_again(store: Store, found: list[tuple[Any, Any]]) -> None:
    records = [a_record(request, response) for request, response in found]
    ids = store.add(records)

    def keep_all(connection: Any) -> None:
        for request_id, record in zip(ids, records, strict=True):
            parts = split(encoded(record), record, lambda _: True)
            if parts is not None:
                keep(connection, {request_id: parts})
        for request_id, record in zip(ids, records, strict=True):
            body = body_of(connection, request_id)
            assert body is not None
            assert joined(connection, body) == encoded(record)
        for request_id in ids:
            remove_body(connection, request_id)
        assert connection.execute("SELECT count(*) FROM messages").fetchone() == (0,)

    store.run(keep_all)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(bodies, values), min_size=1, max_size=4))
def test_what_is_cut_out_at_once_is_the_same_bytes_again(store: Store, found: list[tuple[Any, Any]]) -> None:
    repeats = Repeats()
    for _ in range(2):
        records = [a_record(request, response) for request, response in found]
        for request_id, record in zip(store.add(records, repeats=repeats), records, strict=True):
            body = body_in(store, request_id)
            assert store.run(partial(joined, body=body)) == encoded(record)


@pytest.mark.parametrize(
    "body", [b"\x01", b"\x01\x02", b"\x01\xff\xff", b"\x01\x01\x00\x63x", b"\x01\x00nothing"]
)
def test_a_damaged_body_is_an_error_and_no_endless_loop(store: Store, body: bytes) -> None:
    assert is_split(body)
    with pytest.raises((ValueError, zlib.error)):
        store.run(lambda connection: joined(connection, body))


def test_a_missing_message_is_told(store: Store) -> None:
    (request_id,) = store.add([a_record({"messages": [SYSTEM, SYSTEM, SYSTEM]})])
    store.catch_up()
    store.run(lambda connection: connection.execute("DELETE FROM messages"))
    with pytest.raises((StoreError, ValueError), match="missing"):
        store.get(request_id)


def test_bodies_of_older_versions_are_read(store: Store) -> None:
    """They know nothing of the frame."""
    record = a_record({"messages": [{"role": "user", "content": "Hello"}]}, {"choices": []})
    (request_id,) = store.add([record])
    old = zlib.compress(encoded(record), 1)
    store.run(lambda connection: connection.execute("UPDATE bodies SET body = ?", (old,)))
    store.catch_up()
    stored = store.get(request_id)
    assert stored is not None
    assert stored.record == record


def test_the_frame_is_part_of_the_file_format() -> None:
    """Bodies that are compressed with it are read with it for ever: a change of it loses them all."""
    assert hashlib.sha256(FRAME).hexdigest()[:16] == "a36c9c0e8f5ee428"


def a_long_question() -> Record:
    rng = random.Random(8)
    text = " ".join(f"word{rng.randrange(5_000)}" for _ in range(5_000))
    return a_record({"messages": [{"role": "user", "content": text}]}, {"choices": []})


def test_a_long_body_is_compressed_by_the_indexer_and_not_by_who_stores_it(store: Store) -> None:
    record = a_long_question()
    (request_id,) = store.add([record])

    def body() -> bytes:
        return store.run(lambda connection: body_of(connection, request_id) or b"")

    assert body() == encoded(record)
    stored = store.get(request_id)
    assert stored is not None
    assert stored.record == record
    store.catch_up()
    assert len(body()) < len(encoded(record)) * 0.6
    assert zlib.decompressobj(zdict=FRAME).decompress(body()[len(NO_PARTS) :]) == encoded(record)
    stored = store.get(request_id)
    assert stored is not None
    assert stored.record == record


def test_what_a_program_stores_of_itself_is_compressed_by_the_indexer(store: Store) -> None:
    """In the program whose calls are recorded nothing is compressed; in the end it takes as little room."""
    instructions = a_record({"messages": [SYSTEM, {"role": "user", "content": "Hello"}]}, {"choices": []})
    records = [instructions, a_record({"messages": [{"role": "user", "content": "Ho"}]})]
    ids = store.add(records, compress=False)

    def bodies() -> list[bytes]:
        return [store.run(partial(body_of, request_id=one)) or b"" for one in ids]

    assert bodies() == [encoded(record) for record in records]
    store.catch_up()
    assert [zlib.decompressobj(zdict=FRAME).decompress(body[len(NO_PARTS) :]) for body in bodies()] == [
        encoded(record) for record in records
    ]
    assert count(store, "bodies") == 0, "its pages are free for what comes next"
    for request_id, record in zip(ids, records, strict=True):
        stored = store.get(request_id)
        assert stored is not None
        assert stored.record == record


def test_what_comes_again_is_found_in_what_was_compressed_whole(store: Store) -> None:
    """The first request that had it has it apart as well, when it is indexed again."""
    records = [a_record({"messages": [SYSTEM, {"role": "user", "content": str(one)}]}) for one in range(2)]
    ids = store.add(records, compress=False)
    store.catch_up()
    assert uses(store) == [1]
    for request_id in ids:
        store.annotate(request_id, MetadataUpdate({"seen": "yes"}))
    store.catch_up()
    assert uses(store) == [2]
    for request_id, record in zip(ids, records, strict=True):
        stored = store.get(request_id)
        assert stored is not None
        assert stored.record.request == record.request


def test_a_short_body_is_compressed_at_once(store: Store) -> None:
    (request_id,) = store.add([a_record({"messages": [{"role": "user", "content": "Hello"}]})])
    body = store.run(lambda connection: body_of(connection, request_id) or b"")
    assert zlib.decompressobj(zdict=FRAME).decompress(body).startswith(b"{")


def test_a_server_cuts_out_at_once_what_comes_again(store: Store) -> None:
    """Compressed whole, and once more without its parts, a request costs an eighth more to store."""
    store.catch_up()
    repeats, held = Repeats(), Fresh()
    records = [a_record({"messages": [SYSTEM, {"role": "user", "content": str(one)}]}) for one in range(3)]
    ids = [store.add([record], fresh=held, repeats=repeats)[0] for record in records]
    assert (count(store, "bodies"), uses(store)) == (0, [2])
    stored = [body_in(store, one) for one in ids]
    Indexer(store, held, repeats).catch_up()
    assert [body_in(store, one) for one in ids] == stored
    assert uses(store) == [2]
    again = a_record(records[0].request)
    store.add([again], repeats=Repeats())
    assert uses(store) == [3], "a server that begins anew knows what is stored apart"


def test_a_server_leaves_a_long_body_to_the_indexer(store: Store) -> None:
    store.catch_up()
    record, repeats, held = a_long_question(), Repeats(), Fresh()
    (request_id,) = store.add([record], fresh=held, repeats=repeats)
    assert body_in(store, request_id) == encoded(record)
    Indexer(store, held, repeats).catch_up()
    assert is_split(body_in(store, request_id))


def test_a_batch_of_the_indexer_is_bounded_by_what_is_stored_in_parts_too(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.add([a_record({"messages": []}) for _ in range(4)], repeats=Repeats())
    (size,) = store.run(
        lambda connection: connection.execute("SELECT max(length(body)) FROM split_bodies").fetchone()
    )
    monkeypatch.setattr(sources, "_BATCH_BYTES", 2 * size + 8)
    assert len(store.run(lambda connection: sources.waiting(connection, 250))) == 2
