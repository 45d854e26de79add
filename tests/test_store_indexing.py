"""What is stored can be found: every word, value and number of it, also after it has changed."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import logging
import random
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from promptlayer_patch import _guard
from promptlayer_patch.annotations import GroupLink, MetadataUpdate, PromptLink, Score
from promptlayer_patch.records import Ending, Failure, Record, new_record_id
from promptlayer_patch.store import Entry, Store, StoreError
from promptlayer_patch.store.indexing import derived
from promptlayer_patch.store.indexing import documents as indexing_documents
from promptlayer_patch.store.indexing import narrow as indexing_narrow
from promptlayer_patch.store.indexing.facets import EVERY, between, containing
from promptlayer_patch.store.indexing.indexer import Indexer, _write
from promptlayer_patch.store.indexing.segments import phrase
from tests.support.indexes import assert_exact, contents, found, with_facet

JANUARY_2026 = 1_767_225_600.0


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "requests.db"


@pytest.fixture
def store(path: Path) -> Iterator[Store]:
    with closing(Store.open(path)) as opened:
        yield opened


def a_chat(*said: str, answer: Any = "Good day", **fields: Any) -> Record:
    """A request whose messages are `said`, by the user and the model in turn."""
    roles = ("user", "assistant")
    messages = [{"role": roles[at % 2], "content": text} for at, text in enumerate(said or ("Hello",))]
    message = answer if isinstance(answer, dict) else {"role": "assistant", "content": answer}
    defaults: dict[str, Any] = {
        "id": new_record_id(),
        "function_name": "openai.chat.completions.create",
        "client": "OpenAI",
        "request": {"model": "gpt-4o-mini", "messages": messages},
        "response": {
            "model": "gpt-4o-mini-2024-07-18",
            "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
            "usage": {
                "prompt_tokens": 1000,
                "completion_tokens": 100,
                "total_tokens": 1100,
                "prompt_tokens_details": {"cached_tokens": 400},
                "completion_tokens_details": {"reasoning_tokens": 60},
            },
        },
        "started_at": JANUARY_2026,
        "ended_at": JANUARY_2026 + 0.5,
        "status": 200,
    }
    return Record(**{**defaults, **fields})


def indexed(store: Store, record: Record | Entry) -> int:
    (request_id,) = store.add([record])
    store.catch_up()
    return request_id


def column(store: Store, request_id: int, name: str) -> Any:
    query = f"SELECT {name} FROM requests WHERE request_id = ?"
    return store.run(lambda connection: connection.execute(query, (request_id,)).fetchone()[0])


def terms(store: Store, field: str, key: str = "") -> dict[str, int]:
    query = "SELECT value, uses FROM terms WHERE field = ? AND key = ?"
    return store.run(lambda connection: dict(connection.execute(query, (field, key)).fetchall()))


# --- what is found


def test_words_of_what_was_sent_and_of_what_came_back_are_found(store: Store) -> None:
    request_id = indexed(store, a_chat("退款政策是什么？", answer="Crème brûlée, please"))
    for text in ("退款", "策", "creme brul", "Brûlée"):
        assert found(store, phrase(text) or "") == [request_id]
    assert found(store, f"input : {phrase('creme')}") == []
    assert found(store, f"output : {phrase('creme')}") == [request_id]
    assert found(store, phrase("brulee creme") or "") == []


def test_every_field_has_its_tokens(store: Store) -> None:
    link = PromptLink("greeting", 3, "prod", {"name": "Ada", "tone": {"warm": True}}, 77)
    call = {"function": {"name": "lookup", "arguments": '{"city": "Oslo", "days": 3}'}}
    record = a_chat(
        "I still do not see why, it's useless",
        answer={
            "role": "assistant",
            "content": None,
            "tool_calls": [{"id": "c", "type": "function", **call}],
        },
        tags=("a", "b c"),
        metadata={"user_id": "42", "note": "Bring the blue one"},
        prompt=link,
        group_id=store.create_group(),
        first_token_at=JANUARY_2026 + 0.25,
        attempts=2,
    )
    entry = Entry(record=record, trace_id="ab" * 16, score=Score(81, "tone"))
    request_id = indexed(store, entry)
    for said in (
        ("engine", "gpt-4o-mini"),
        ("provider_type", "openai"),
        ("status", "SUCCESS"),
        ("trace_id", "ab" * 16),
        ("function_name", "openai.chat.completions.create"),
        ("ending", "complete"),
        ("tags",),
        ("tags", "a"),
        ("tags", "b c"),
        ("metadata_keys", "user_id"),
        ("metadata", "user_id", "42"),
        ("tool_names", "lookup"),
        ("output_keys", "tool_calls.function.arguments.city"),
        ("output", "tool_calls.function.arguments.city", "Oslo"),
        ("is_tool_call",),
        ("input_variable_keys", "tone"),
        ("input_variables", "name", "Ada"),
        ("input_variables", "tone", '{"warm": true}'),
        ("group", "1"),
        ("prompt", "greeting"),
        ("prompt_id", "77"),
        ("prompt_label", "prod"),
        ("prompt_version_number",),
        ("score_names", "tone"),
        ("user_intent", "frustrated"),
        ("cost",),
        ("cached_tokens",),
        ("thinking_tokens",),
        ("first_token_ms",),
        ("attempts",),
        ("http_status",),
    ):
        assert with_facet(store, *said) == [request_id], said
    for said in (
        ("engine", "gpt-4o-mini-2024-07-18"),
        ("tags", "b"),
        ("is_json",),
        ("agent_intent",),
        ("error_type",),
    ):
        assert with_facet(store, *said) == [], said
    assert found(store, EVERY) == [request_id]


@pytest.mark.parametrize(
    ("field", "key", "value"),
    [
        ("latency_ms", None, 500.0),
        ("input_tokens", None, 1000),
        ("output_tokens", None, 100),
        ("http_status", None, 200),
        ("attempts", None, 1),
        ("cost", None, 0.00018),
        ("score", "tone", 0),
    ],
)
def test_a_number_lies_between_what_is_below_and_above_it(
    store: Store, field: str, key: str | None, value: float
) -> None:
    indexed(store, Entry(record=a_chat(), score=Score(0, "tone")))

    def lies(*bounds: float) -> bool:
        return bool(found(store, " OR ".join(between(field, *bounds, key=key))))

    for bounds in ((), (value,), (value, value), (-1e9, value), (value, 1e9)):
        assert lies(*bounds), bounds
    for bounds in ((-1e9, value / 2 - 1e-9), (value * 2 + 1e-9, 1e9)):
        assert not lies(*bounds), bounds


def test_words_of_a_metadata_value_narrow_the_search(store: Store) -> None:
    blue = indexed(store, a_chat(metadata={"note": "Bring the blue one"}))
    red = indexed(store, a_chat(metadata={"note": "Bring the red one"}))
    long = indexed(store, a_chat(metadata={"note": " ".join(f"word{n}" for n in range(100))}))
    other = indexed(store, a_chat(metadata={"other": "blue one"}))
    assert found(store, containing("metadata", "note", "the BLUE on")) == [long, blue], "at least all that do"
    assert found(store, containing("metadata", "note", "blu")) == [long, red, blue]
    assert found(store, containing("metadata", "other", "blue one")) == [other]


def test_an_error_is_found_by_what_it_was(store: Store) -> None:
    error = Failure("RateLimitError", "slow down", 429)
    request_id = indexed(store, a_chat(response=None, error=error, ending=Ending.PROVIDER_ERROR, status=429))
    assert with_facet(store, "status", "ERROR") == [request_id]
    assert with_facet(store, "error_type", "PROVIDER_RATE_LIMIT") == [request_id]
    assert with_facet(store, "ending", "provider_error") == [request_id]


@pytest.mark.parametrize(
    ("text", "intent"),
    [
        ("It doesn\u2019t work", "frustrated"),
        ("Thanks, that worked!", "satisfied"),
        ("为什么会这样？", "curious"),
        ("太差了，还是不行", "frustrated"),
        ("The showroom", None),
    ],
)
def test_the_users_last_message_has_an_intent(store: Store, text: str, intent: str | None) -> None:
    indexed(store, a_chat("How come?", "Because", text))
    assert list(terms(store, "user_intent")) == ([] if intent is None else [intent])


@pytest.mark.parametrize(
    ("text", "intent"),
    [
        ("I'm sorry for that", "apologetic"),
        ("我不确定", "uncertain"),
        ("I can\u2019t help with it", "refusal"),
    ],
)
def test_the_answer_has_an_intent(store: Store, text: str, intent: str) -> None:
    indexed(store, a_chat(answer=text))
    assert list(terms(store, "agent_intent")) == [intent]


# --- what the indexer finds out


def test_the_row_says_what_the_body_does(store: Store) -> None:
    request_id = indexed(store, a_chat("one", "two", "three", answer='{"a": 1}'))
    names = "cached_tokens, thinking_tokens, shape, turn_count, tool_call_count, api_type"
    row = store.run(lambda connection: connection.execute(f"SELECT {names} FROM requests").fetchone())
    assert row == (400, 60, "json", 2, 0, "chat-completions")
    assert column(store, request_id, "cost") == pytest.approx((600 * 0.15 + 400 * 0.075 + 100 * 0.6) / 1e6)


def test_a_given_price_stands_and_an_unknown_one_is_no_zero(store: Store) -> None:
    given = indexed(store, Entry(record=a_chat(), price=7.5))
    unknown = indexed(store, a_chat(request={"model": "mine"}, response={"model": "mine"}))
    assert column(store, given, "cost") == 7.5
    assert column(store, unknown, "cost") is None
    assert with_facet(store, "cost") == [given]


def test_a_request_from_before_the_protocol_gets_its_status(store: Store, path: Path) -> None:
    error = Failure("APITimeoutError", "too slow")
    (request_id,) = store.add([a_chat(response=None, error=error, ending=Ending.PROVIDER_ERROR, status=None)])
    store.run(
        lambda connection: connection.execute("UPDATE requests SET pl_status = NULL, pl_error_type = NULL")
    )
    store.catch_up()
    assert column(store, request_id, "pl_status") == "ERROR"
    assert column(store, request_id, "pl_error_type") == "PROVIDER_TIMEOUT"
    assert with_facet(store, "error_type", "PROVIDER_TIMEOUT") == [request_id]


def test_suggestions_are_counted_by_requests(store: Store) -> None:
    for tags in (("a", "b"), ("a",), ("c" * 300,)):
        store.add([a_chat(tags=tags, metadata={"user": "u", "long": "x" * 300})])
    store.catch_up()
    assert terms(store, "tags") == {"a": 2, "b": 1}, "nobody wants to be offered a long one"
    assert terms(store, "metadata", "user") == {"u": 3}
    assert terms(store, "metadata", "long") == {}
    assert terms(store, "metadata_keys") == {"user": 3, "long": 3}


# --- changes


def test_what_is_said_about_a_request_is_found_and_what_was_said_before_is_not(
    store: Store, tmp_path: Path
) -> None:
    request_id = indexed(store, a_chat("Hello there", metadata={"stage": "old"}))
    for content in (
        MetadataUpdate({"stage": "new", "more": "x"}),
        Score(10, "a"),
        Score(90, "a"),
        GroupLink(5),
        PromptLink("p", 1),
        PromptLink("q", 2, variables={"v": 1}),
    ):
        assert store.annotate(request_id, content)
        store.catch_up()
    for said in (
        ("metadata", "stage", "new"),
        ("group", "5"),
        ("prompt", "q"),
        ("input_variables", "v", "1"),
    ):
        assert with_facet(store, *said) == [request_id]
    for said in (("metadata", "stage", "old"), ("prompt", "p")):
        assert with_facet(store, *said) == []
    assert found(store, " OR ".join(between("score", 0, 20, key="a"))) == []
    assert found(store, phrase("hello there") or "") == [request_id]
    assert terms(store, "metadata", "stage") == {"new": 1}
    assert_exact(store, tmp_path / "copy.db")


texts = st.sampled_from(
    ["", "refund", "退款", "a b c", "\ud800", "x" * 300, "0", '{"k": [1, {"z": "deep"}]}']
)
tags = st.lists(texts, max_size=2).map(tuple)
metadata = st.dictionaries(texts, texts, max_size=2)
records = st.builds(
    a_chat, texts, texts, texts, answer=texts, tags=tags, metadata=metadata, status=st.integers(100, 599)
)
contents_said = st.one_of(
    st.builds(Score, st.integers(0, 100), st.sampled_from([None, "a"])),
    st.builds(MetadataUpdate, metadata),
    st.builds(GroupLink, st.integers(1, 3)),
    st.builds(
        PromptLink, texts, st.none() | st.integers(1, 9), variables=st.dictionaries(texts, texts, max_size=1)
    ),
)
steps = st.one_of(
    st.tuples(st.just("add"), records),
    st.tuples(st.just("say"), st.integers(0, 9), contents_said),
    st.tuples(st.just("delete"), st.integers(0, 9)),
    st.tuples(st.just("index"), st.integers(1, 3)),
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(steps, max_size=14))
def test_whatever_happens_the_index_is_what_indexing_anew_would_make(
    tmp_path: Path, happenings: list[tuple[Any, ...]]
) -> None:
    path = tmp_path / f"{new_record_id()}.db"
    with closing(Store.open(path)) as store:
        ids: list[int] = []
        indexer = Indexer(store)
        for what, *said in happenings:
            if what == "add":
                ids += store.add(said)
            elif what == "index":
                indexer.step(said[0])
            elif ids and what == "say":
                store.annotate(ids[said[0] % len(ids)], said[1])
            elif ids:
                store.delete([ids[said[0] % len(ids)]])
        assert_exact(store, path.with_suffix(".copy"))
        assert found(store, EVERY) == sorted((row.request_id for row in store.recent(100)), reverse=True)
    for file in tmp_path.glob(f"{path.name}*"):
        file.unlink()


def test_what_changes_while_a_batch_is_prepared_waits_for_the_next(store: Store, path: Path) -> None:
    """Indexed as it was a moment ago and no longer marked, the request would stay wrong for ever."""
    (request_id,) = store.add([a_chat()])
    indexer = Indexer(store)
    assert indexer.behind() == 1
    batch = store.run(lambda connection: indexer._batch(connection, 10))
    with closing(Store.open(path)) as other:
        other.annotate(request_id, MetadataUpdate({"k": "v"}))
    assert batch is not None
    assert store.run(lambda connection: _write(connection, batch)) == 0
    assert indexer.behind() == 1
    assert indexer.step() == 1
    assert with_facet(store, "metadata", "k", "v") == [request_id]


def test_a_batch_for_tables_that_are_gone_is_prepared_anew(store: Store, tmp_path: Path) -> None:
    """Pruned by a program of another version, for example: there is nothing to take out any more."""
    request_id = indexed(store, a_chat("Hello"))
    store.annotate(request_id, Score(7))
    indexer = Indexer(store)
    assert indexer.behind() == 1
    batch = store.run(lambda connection: indexer._batch(connection, 10))
    assert batch is not None
    store.run(derived.drop)
    assert store.run(lambda connection: _write(connection, batch)) == 0
    assert indexer.step() == 1
    assert_exact(store, tmp_path / "copy.db")


# --- order, and what stands in the way


def test_the_newest_requests_are_indexed_first(store: Store) -> None:
    ids = store.add([a_chat(started_at=JANUARY_2026 + second) for second in range(10)])
    indexer = Indexer(store)
    assert indexer.step(3) == 3
    assert found(store, EVERY) == sorted(ids[-3:], reverse=True)
    assert indexer.behind() == 7
    told: list[tuple[int, int]] = []
    indexer.catch_up(lambda done, total: told.append((done, total)), at_most=5)
    assert (indexer.behind(), told[-1]) == (2, (5, 5))
    indexer.catch_up()
    assert (indexer.behind(), indexer.step()) == (0, 0)


def test_a_few_huge_requests_are_a_batch(store: Store) -> None:
    store.add([a_chat(random.Random(number).randbytes(400_000).hex()) for number in range(4)])
    assert 1 <= Indexer(store).step() < 4


def test_a_body_that_cannot_be_read_stops_nobody_and_is_told_once(
    store: Store, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    _guard.forget_reports()
    damaged = store.add([a_chat("secret words", tags=("kept",)) for _ in range(3)])
    sound = store.add([a_chat("fine")])
    bodies = [b"", b"\x01", b"x\x9cbroken"]
    store.run(
        lambda connection: connection.executemany(
            "UPDATE bodies SET body = ? WHERE request_id = ?", list(zip(bodies, damaged, strict=True))
        )
    )
    with caplog.at_level(logging.WARNING):
        store.catch_up()
        store.annotate(damaged[0], Score(1))
        store.catch_up()
    assert set(with_facet(store, "tags", "kept")) == set(damaged)
    assert found(store, phrase("fine") or "") == sound
    assert column(store, damaged[0], "shape") is None
    assert len(caplog.records) <= 2, "one line for each kind of damage"
    assert "secret" not in caplog.text
    assert_exact(store, tmp_path / "copy.db")


@pytest.mark.parametrize(("module", "broken"), [(indexing_documents, "facts_of"), (indexing_narrow, "price")])
def test_a_fault_of_ours_over_one_request_stops_no_other(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, module: ModuleType, broken: str
) -> None:
    whole = getattr(module, broken)

    def failing(*arguments: Any) -> Any:
        if "odd" in str(arguments):
            raise RuntimeError
        return whole(*arguments)

    monkeypatch.setattr(module, broken, failing)
    odd = a_chat(request={"model": "odd"}, response={"model": "odd", "usage": {"input_tokens": 3}})
    ids = store.add([a_chat("fine"), odd])
    store.catch_up()
    assert found(store, EVERY) == sorted(ids, reverse=True)
    assert found(store, phrase("fine") or "") == ids[:1]
    assert_exact(store, tmp_path / "copy.db")


values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text(st.characters(), max_size=9),
    lambda children: (
        st.lists(children, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["messages", "content", "role", "choices", "message", "usage", "input", "output", "x"]
            ),
            children,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.dictionaries(st.sampled_from(["messages", "input", "prompt", "model", "tools", "args"]), values),
    values,
    st.sampled_from(["openai.chat.completions.create", "openai.responses.create", "anything"]),
    st.floats(),
)
def test_any_request_can_be_indexed(
    store: Store, request_body: dict[str, Any], response: Any, function_name: str, moment: float
) -> None:
    fields = {"request": request_body, "response": response, "function_name": function_name}
    request_id = indexed(store, a_chat(**fields, started_at=moment, ended_at=moment, first_token_at=moment))
    assert request_id in found(store, EVERY)


def test_a_role_that_is_no_text_keeps_nobody_out_of_the_index(store: Store) -> None:
    odd = a_chat(request={"messages": [{"role": {}, "content": "odd"}]})
    ids = store.add([a_chat("fine"), odd])
    store.catch_up()
    assert found(store, EVERY) == sorted(ids, reverse=True)


def test_an_index_of_an_older_version_is_made_anew(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    indexed(store, a_chat("Hello"))
    before = contents(store)
    monkeypatch.setattr(derived, "VERSION", derived.VERSION + 1)
    indexer = Indexer(store)
    assert indexer.behind() == 1
    indexer.catch_up()
    assert contents(store) == before


def test_an_index_of_a_newer_version_is_left_alone(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else two programs of different age would make it anew for each other all day."""
    indexed(store, a_chat("Hello"))
    monkeypatch.setattr(derived, "VERSION", derived.VERSION - 1)
    with pytest.raises(StoreError, match="newer promptlayer_patch"):
        store.catch_up()
    monkeypatch.undo()
    assert Indexer(store).behind() == 0


class WithoutFullText(sqlite3.Connection):
    """SQLite as some Pythons have it."""

    def execute(self, statement: str, *arguments: Any) -> sqlite3.Cursor:
        if "fts5" in statement:
            raise sqlite3.OperationalError("no such module: fts5")
        return super().execute(statement, *arguments)


def test_sqlite_without_full_text_search_stores_and_says_what_it_cannot(path: Path, store: Store) -> None:
    store.add([a_chat()])
    with (
        closing(sqlite3.connect(path, isolation_level=None, factory=WithoutFullText)) as connection,
        pytest.raises(StoreError, match=r"FTS5.*a Python whose sqlite3 has it"),
    ):
        derived.make(connection)
    assert store.count() == 1
    store.catch_up()
    assert len(found(store, EVERY)) == 1


def test_what_is_indexed_changes_only_with_the_version(store: Store) -> None:
    """What an older release has put into the index must come out again.

    When text, facets, terms or rollups are derived in another way on purpose: raise `derived.VERSION`, and
    put the new digest here.
    """
    for number, record in enumerate(
        (
            a_chat("Crème 退款", answer='{"a": {"b": ["x", 1]}}', tags=("t",), metadata={"k": "v w"}),
            a_chat("why?", "so", "thanks", answer="I'm sorry", prompt=PromptLink("p", 1, "l", {"n": "m"}, 3)),
            a_chat(response=None, error=Failure("RateLimitError", "slow", 429), ending=Ending.PROVIDER_ERROR),
        )
    ):
        # Prices are not ours, and may change with every release of the list.
        indexed(store, Entry(record=dataclasses.replace(record, id=f"{number:032x}"), price=0.5))
    kept = json.dumps(contents(store), sort_keys=True, default=bytes.hex)
    assert (derived.VERSION, hashlib.sha256(kept.encode()).hexdigest()[:16]) == (2, "83df09e456758395")
