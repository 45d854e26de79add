"""The local store keeps what it is given, whole, for one user, with any number of processes at it."""

from __future__ import annotations

import json
import os
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from promptlayer_patch.annotations import GroupLink, MetadataUpdate, PromptLink, Score
from promptlayer_patch.errors import PromptLayerError
from promptlayer_patch.records import Ending, Failure, Record, new_record_id
from promptlayer_patch.store import (
    Store,
    StoredRequest,
    StoreError,
    StoreUnavailable,
    Summary,
    Unstorable,
    schema,
)

ROOT = Path(__file__).resolve().parents[1]
JANUARY_2026 = 1_767_225_600.0
posix_only = pytest.mark.skipif(os.name == "nt", reason="POSIX file modes")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "requests.db"


@pytest.fixture
def store(path: Path) -> Iterator[Store]:
    with closing(Store.open(path)) as opened:
        yield opened


def a_record(**fields: Any) -> Record:
    defaults: dict[str, Any] = {
        "id": new_record_id(),
        "function_name": "openai.chat.completions.create",
        "client": "OpenAI",
        "request": {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "Hello"}]},
        "response": {
            "model": "gpt-4o-mini-2024-07-18",
            "choices": [{"index": 0, "message": {"role": "assistant", "content": "Good  day\nto you"}}],
            "usage": {"prompt_tokens": 8, "completion_tokens": 4, "total_tokens": 12},
        },
        "started_at": JANUARY_2026,
        "ended_at": JANUARY_2026 + 0.5,
        "status": 200,
    }
    return Record(**{**defaults, **fields})


def only(store: Store, record: Record) -> StoredRequest:
    (request_id,) = store.add([record])
    stored = store.get(request_id)
    assert stored is not None
    return stored


def python(script: str, *arguments: object) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", script, *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,  # where -c finds the package
    )


def output_of(process: subprocess.Popen[str]) -> str:
    output, errors = process.communicate(timeout=60)
    assert process.returncode == 0, errors
    return output


# --- what is kept

# Every code point, halves of surrogate pairs included: a model may send them and Python can hold them.
texts = st.text(st.characters(), max_size=20)
numbers = st.floats(min_value=0, max_value=4e9)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | texts,
    lambda children: st.lists(children, max_size=4) | st.dictionaries(texts, children, max_size=4),
    max_leaves=12,
)
objects = st.dictionaries(texts, values, max_size=4)
records = st.builds(
    Record,
    id=st.builds(new_record_id),
    function_name=texts,
    client=st.none() | texts,
    provider=st.sampled_from(["openai", "openai.azure"]),
    endpoint=texts,
    request=objects,
    response=values | objects,
    streamed=st.booleans(),
    started_at=numbers,
    ended_at=numbers,
    first_token_at=st.none() | numbers,
    ending=st.sampled_from(Ending),
    error=st.none() | st.builds(Failure, type=texts, message=texts, status=st.none() | st.integers(100, 599)),
    status=st.none() | st.integers(100, 599),
    attempts=st.integers(1, 5),
    provider_request_id=st.none() | texts,
    tags=st.lists(texts, max_size=4).map(tuple),
    metadata=st.dictionaries(texts, texts, max_size=4),
    sdk_version=st.none() | texts,
)


@pytest.fixture(scope="module")
def shared_store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    with closing(Store.open(tmp_path_factory.mktemp("store") / "requests.db")) as opened:
        yield opened


@settings(deadline=None)
@given(records)
def test_every_record_comes_back_equal(shared_store: Store, record: Record) -> None:
    stored = only(shared_store, record)
    assert stored.record == record
    assert type(stored.record.ending) is Ending


@settings(deadline=None)
@given(records)
def test_every_record_has_a_summary_that_is_plain_text(shared_store: Store, record: Record) -> None:
    """Summaries go into JSON and HTML, where half a surrogate pair breaks the page; it is spelled out."""
    (request_id,) = shared_store.add([record])
    (summary,) = shared_store.recent(1, before=request_id + 1)
    assert summary.request_id == request_id
    assert (summary.ending, summary.status, summary.attempts, summary.streamed) == (
        record.ending,
        record.status,
        record.attempts,
        record.streamed,
    )
    json.dumps([summary.tags, dict(summary.metadata), summary.preview], ensure_ascii=False).encode("utf-8")


@pytest.mark.parametrize("response", [None, "text of a text body", {"id": "x"}, ["a"], "", {}])
def test_a_response_of_any_kind_comes_back_as_it_was(store: Store, response: object) -> None:
    assert only(store, a_record(response=response)).record.response == response


def test_numbers_beyond_json_do_not_cost_the_record(store: Store) -> None:
    record = only(store, a_record(request={"a": float("nan"), "b": float("inf"), "c": 2**200})).record
    assert str(record.request["a"]) == "nan"
    assert record.request["b"] == float("inf")
    assert record.request["c"] == 2**200


def test_what_json_does_not_know_is_kept_as_text(store: Store) -> None:
    class Silent:
        def __str__(self) -> str:
            raise RuntimeError

    request = MappingProxyType({"path": Path("a/b"), "inner": MappingProxyType({"x": 1}), "silent": Silent()})
    stored = only(store, a_record(request=request)).record
    assert stored.request == {"path": str(Path("a/b")), "inner": {"x": 1}, "silent": "<Silent>"}


@pytest.mark.parametrize("moment", [float("nan"), float("inf"), -1.0, 0.0, 1e300, 1.7e308])
def test_a_clock_that_is_wrong_does_not_cost_the_record(store: Store, moment: float) -> None:
    (request_id,) = store.add([a_record(started_at=moment, ended_at=moment)])
    assert 0 < request_id < 2**53
    assert store.count() == len(store.recent()) == 1


@pytest.mark.parametrize(
    ("usage", "tokens"),
    [
        ({"prompt_tokens": 3, "completion_tokens": 2}, (3, 2)),
        ({"input_tokens": 5, "output_tokens": 0}, (5, 0)),
        ({"prompt_tokens": 7}, (7, None)),
        ({"prompt_tokens": "many", "completion_tokens": True}, (None, None)),
        ({"prompt_tokens": -1, "completion_tokens": 2**70}, (None, None)),
        (None, (None, None)),
    ],
)
def test_tokens_are_the_providers_own_count(
    store: Store, usage: object, tokens: tuple[int | None, int | None]
) -> None:
    stored = only(store, a_record(response={"usage": usage}))
    (summary,) = store.recent()
    assert (stored.input_tokens, stored.output_tokens) == tokens
    assert (summary.input_tokens, summary.output_tokens) == tokens


@pytest.mark.parametrize(
    ("response", "preview"),
    [
        ({"choices": [{"message": {"content": " Good  day\nto you "}}]}, "Good day to you"),
        ({"choices": [{"text": "completed"}]}, "completed"),
        ({"choices": [{"message": {"content": None, "refusal": "I can't"}}]}, "I can't"),
        (
            {
                "choices": [
                    {"message": {"tool_calls": [{"function": {"name": "add", "arguments": '{"a":1}'}}]}}
                ]
            },
            'add({"a":1})',
        ),
        (
            {"output": [{"type": "message", "content": [{"type": "output_text", "text": "An answer"}]}]},
            "An answer",
        ),
        ({"output": [{"type": "function_call", "name": "now", "arguments": "{}"}]}, "now({})"),
        ({"text": "a transcription"}, "a transcription"),
        ("plain text", "plain text"),
        ({"content_type": "audio/mpeg", "bytes": 4096}, ""),
        ({"data": [{"embedding": [0.1, 0.2]}]}, ""),
        ({"choices": "unexpected", "output": [None, 3], "text": {}}, ""),
        (None, ""),
        ("word " * 100, "word " * 23 + "word…"),
    ],
)
def test_the_preview_is_the_beginning_of_the_answer(store: Store, response: object, preview: str) -> None:
    store.add([a_record(response=response)])
    assert store.recent()[0].preview == preview


def test_a_summary_says_what_a_list_needs(store: Store) -> None:
    error = Failure("RateLimitError", "slow down " * 1000, 429)
    record = a_record(
        tags=("b", "a", "b"),
        metadata={"user_id": "42"},
        error=error,
        ending=Ending.PROVIDER_ERROR,
        first_token_at=JANUARY_2026 + 0.1,
        streamed=True,
        status=429,
        attempts=3,
    )
    (request_id,) = store.add([record])
    (summary,) = store.recent()
    assert summary == Summary(
        request_id=request_id,
        function_name="openai.chat.completions.create",
        client="OpenAI",
        provider="openai",
        model="gpt-4o-mini",
        input_tokens=8,
        output_tokens=4,
        started_at=JANUARY_2026,
        duration_s=0.5,
        first_token_at=JANUARY_2026 + 0.1,
        ending=Ending.PROVIDER_ERROR,
        error_type="RateLimitError",
        error_message=("slow down " * 1000)[:500],
        status=429,
        attempts=3,
        streamed=True,
        preview="Good day to you",
        pl_status="ERROR",
        pl_error_type="PROVIDER_RATE_LIMIT",
        tags=("b", "a"),
        metadata={"user_id": "42"},
    )


# --- ids and pages


def test_ids_follow_the_time_at_which_the_calls_started(store: Store) -> None:
    moments = [JANUARY_2026 + offset for offset in (5, 0, 3600, 0.001, -86400)]
    ids = store.add([a_record(started_at=moment) for moment in moments])
    assert sorted(ids) == [request_id for _, request_id in sorted(zip(moments, ids, strict=True))]
    assert [summary.request_id for summary in store.recent()] == sorted(ids, reverse=True)
    assert all(0 < request_id < 2**53 for request_id in ids)


def test_a_millisecond_that_is_full_spills_into_the_next(store: Store) -> None:
    next_millisecond = store.add([a_record(started_at=JANUARY_2026 + 0.001)])
    crowd = store.add([a_record(started_at=JANUARY_2026, response=None) for _ in range(5000)])
    assert len({*crowd, *next_millisecond}) == 5001 == store.count()
    assert crowd == sorted(crowd)
    assert crowd[4096] == next_millisecond[0] + 1


def test_the_same_record_again_keeps_its_id(store: Store) -> None:
    first, second = a_record(), a_record()
    ids = store.add([first, second, first])
    assert ids[0] == ids[2]
    assert store.add([second, first]) == [ids[1], ids[0]]
    assert store.count() == 2


def test_pages_meet_without_gap_or_overlap_while_records_arrive(store: Store) -> None:
    ids = store.add([a_record(started_at=JANUARY_2026 + n // 3, tags=[f"t{n}"]) for n in range(25)])
    seen: list[int] = []
    before = None
    while page := store.recent(7, before=before):
        seen += [summary.request_id for summary in page]
        before = seen[-1]
        store.add([a_record(started_at=JANUARY_2026 + 1000)])
    assert seen == sorted(ids, reverse=True)
    tagged = {summary.request_id: summary.tags for summary in store.recent(100)}
    assert [tagged[request_id] for request_id in ids] == [(f"t{n}",) for n in range(25)]


@pytest.mark.parametrize("limit", [0, -1])
def test_no_rows_asked_for_no_rows_given(store: Store, limit: int) -> None:
    store.add([a_record()])
    assert store.recent(limit) == []


def test_an_unknown_id_is_none(store: Store) -> None:
    assert store.get(1) is None
    assert store.recent() == []


def test_adding_nothing_is_nothing(store: Store) -> None:
    assert store.add([]) == []


# --- all or nothing


def a_cycle() -> dict[str, Any]:
    loop: dict[str, Any] = {}
    loop["self"] = loop
    return loop


@pytest.mark.parametrize(
    "fields",
    [{"request": a_cycle()}, {"response": {(1, 2): "x"}}, {"status": 2**70}, {"status": object()}],
    ids=["cycle", "key", "range", "type"],
)
def test_a_record_that_cannot_be_stored_leaves_no_trace(store: Store, fields: dict[str, Any]) -> None:
    bad = a_record(**fields)
    with pytest.raises(Unstorable, match=bad.id):
        store.add([a_record(), bad])
    assert store.count() == 0
    assert store.add([a_record()])


def test_a_store_that_another_process_locks_says_so(store: Store, path: Path) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreUnavailable, match="locked"):
            store.add([a_record()])
        assert store.count() == 0  # whoever reads is not held up
    assert store.add([a_record()])


# --- the file


def test_records_are_there_after_reopening(path: Path) -> None:
    record = a_record(tags=("kept",))
    with closing(Store.open(path)) as first:
        (request_id,) = first.add([record])
    with closing(Store.open(path)) as second:
        assert second.get(request_id) == StoredRequest(request_id, record, 8, 4)
        assert second.add([record]) == [request_id]


@posix_only
def test_the_files_are_for_this_user_alone(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        with closing(Store.open(tmp_path / "new" / "requests.db")) as store:
            store.add([a_record()])
            modes = {p.name: stat.S_IMODE(p.stat().st_mode) for p in (tmp_path / "new").iterdir()}
    finally:
        os.umask(before)
    assert modes == {"requests.db": 0o600, "requests.db-wal": 0o600, "requests.db-shm": 0o600}
    assert stat.S_IMODE((tmp_path / "new").stat().st_mode) == 0o700


@posix_only
def test_a_directory_that_exists_keeps_its_mode(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    (tmp_path / "there").chmod(0o755)
    Store.open(tmp_path / "there" / "requests.db").close()
    assert stat.S_IMODE((tmp_path / "there").stat().st_mode) == 0o755


@posix_only
def test_a_link_to_nowhere_creates_its_target_with_our_modes(tmp_path: Path) -> None:
    (tmp_path / "link.db").symlink_to(tmp_path / "target.db")
    before = os.umask(0)
    try:
        Store.open(tmp_path / "link.db").close()
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "target.db").stat().st_mode) == 0o600


@pytest.mark.parametrize("name", ["100% #1?.db", "mode=ro&x.db", "日本.db", "with space.db"])
def test_any_file_name_will_do(tmp_path: Path, name: str) -> None:
    if os.name == "nt" and "?" in name:
        pytest.skip("no such file name on Windows")
    with closing(Store.open(tmp_path / name)) as store:
        store.add([a_record()])
    with closing(Store.open(str(tmp_path / name), read_only=True)) as reader:
        assert reader.count() == 1
    assert {p.name.removesuffix("-wal").removesuffix("-shm") for p in tmp_path.iterdir()} == {name}


def test_a_closed_store_says_so(store: Store) -> None:
    store.close()
    store.close()
    with pytest.raises(StoreError, match="closed"):
        store.count()


def test_a_reader_neither_creates_nor_changes_the_file(path: Path) -> None:
    with pytest.raises(StoreError, match="no local store"):
        Store.open(path, read_only=True)
    assert not path.exists()
    with closing(Store.open(path)) as writer:
        with closing(Store.open(path, read_only=True)) as reader:
            assert reader.recent() == []
            writer.add([a_record()])
            assert reader.count() == 1
            with pytest.raises(StoreError, match="readonly"):
                reader.add([a_record()])
        assert writer.count() == 1


# --- files that are no store of ours


@pytest.mark.parametrize("content", [b"hello", b"not a database " * 4096], ids=["short", "long"])
@pytest.mark.parametrize("read_only", [False, True])
def test_a_file_of_another_kind_is_refused_and_left_alone(
    path: Path, content: bytes, read_only: bool
) -> None:
    path.write_bytes(content)
    with pytest.raises(StoreError, match="not a SQLite database"):
        Store.open(path, read_only=read_only)
    assert path.read_bytes() == content


@pytest.mark.parametrize("statement", ["CREATE TABLE users (id)", "PRAGMA user_version = 1"])
def test_another_applications_database_is_refused_and_left_alone(path: Path, statement: str) -> None:
    with closing(sqlite3.connect(path)) as theirs:
        theirs.execute(statement)
    content = path.read_bytes()
    with pytest.raises(StoreError, match="another application"):
        Store.open(path)
    assert path.read_bytes() == content


@pytest.mark.parametrize("read_only", [False, True])
def test_a_newer_schema_is_refused(path: Path, read_only: bool) -> None:
    Store.open(path).close()
    with closing(sqlite3.connect(path)) as newer:
        newer.execute("PRAGMA user_version = 999")
    with pytest.raises(StoreError, match="newer promptlayer_patch"):
        Store.open(path, read_only=read_only)


def test_an_empty_file_becomes_a_store_for_writers_only(path: Path) -> None:
    path.touch()
    with pytest.raises(StoreError, match="holds no requests yet"):
        Store.open(path, read_only=True)
    with closing(Store.open(path)) as store:
        assert store.add([a_record()])


def test_a_damaged_file_is_reported(path: Path) -> None:
    with closing(Store.open(path)) as store:
        store.add([a_record() for _ in range(20)])
    content = bytearray(path.read_bytes())
    content[8192:] = b"\xff" * len(content[8192:])
    path.write_bytes(content)
    with pytest.raises(StoreError, match="malformed"):
        Store.open(path).add([a_record()])


def test_a_place_that_cannot_be_written_is_reported(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for path in (tmp_path / "file" / "requests.db", tmp_path):
        with pytest.raises(StoreError, match="cannot be"):
            Store.open(path)
    with pytest.raises(StoreError, match="empty"):
        Store.open("")


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write everywhere")
def test_a_file_that_may_not_be_written_is_reported(path: Path) -> None:
    Store.open(path).close()
    path.chmod(0o400)
    with pytest.raises(StoreError, match="readonly"), closing(Store.open(path)) as store:
        store.add([a_record()])


def test_what_is_raised_is_a_promptlayer_error() -> None:
    assert issubclass(Unstorable, StoreError)
    assert issubclass(StoreUnavailable, StoreError)
    assert issubclass(StoreError, PromptLayerError)


# --- migrations


def test_an_older_file_is_brought_up_to_date(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with closing(Store.open(path)) as store:
        store.add([a_record()])
    monkeypatch.setattr(schema, "MIGRATIONS", (*schema.MIGRATIONS, ("CREATE TABLE notes (x)",)))
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        schema.migrate(connection)
        schema.migrate(connection)
        assert connection.execute("PRAGMA user_version").fetchone() == (len(schema.MIGRATIONS),)
        assert connection.execute(
            "SELECT count(*) FROM requests, (SELECT count(*) FROM notes)"
        ).fetchone() == (1,)


def test_a_migration_that_fails_changes_nothing(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Store.open(path).close()
    broken = ("CREATE TABLE notes (x)", "CREATE TABLE requests (x)")
    monkeypatch.setattr(schema, "MIGRATIONS", (*schema.MIGRATIONS, broken))
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        with pytest.raises(sqlite3.OperationalError, match="already exists"):
            schema.migrate(connection)
        assert connection.execute("PRAGMA user_version").fetchone() == (len(schema.MIGRATIONS) - 1,)
        assert not connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'notes'").fetchall()


def test_a_file_from_before_annotations_takes_them(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as before:
        before.setattr(schema, "MIGRATIONS", schema.MIGRATIONS[:1])
        before.setattr("promptlayer_patch.store.connection.MIGRATIONS", schema.MIGRATIONS)
        Store.open(path).close()
    with closing(Store.open(path)) as store:
        (request_id,) = store.add([a_record()])
        assert store.annotate(request_id, Score(1))


# --- what is said about requests


def test_what_is_said_about_a_request_is_kept_with_it(store: Store) -> None:
    link = PromptLink("greeting", 2, None, {"name": "Ada"}, 9)
    (request_id, other) = store.add([a_record(metadata={"a": "1"}), a_record()])
    for content in (Score(7), Score(8, "tone"), MetadataUpdate({"a": "2", "b": "3"}), GroupLink(4), link):
        assert store.annotate(request_id, content)
    found = store.get(request_id)
    assert found is not None
    assert (found.scores, found.groups, found.prompt) == ({"default": 7, "tone": 8}, (4,), link)
    assert found.metadata == {"a": "2", "b": "3"}
    assert found.record.metadata == {"a": "1"}, "the record is what was captured"
    beside = store.get(other)
    assert beside is not None
    assert (beside.scores, beside.groups, beside.prompt) == ({}, (), None)


def test_what_is_said_again_replaces_what_was_said(store: Store) -> None:
    (request_id,) = store.add([a_record()])
    said = (
        Score(1, "a"),
        Score(2, "a"),
        GroupLink(3),
        GroupLink(3),
        PromptLink("p"),
        PromptLink("q", label="x"),
    )
    for content in said:
        assert store.annotate(request_id, content)
    found = store.get(request_id)
    assert found is not None
    assert (found.scores, found.groups, found.prompt) == ({"a": 2}, (3,), PromptLink("q", label="x"))


def test_a_record_brings_its_group_and_its_prompt(store: Store) -> None:
    link = PromptLink("greeting", 2, None, {"name": "Ada"}, 9)
    (request_id,) = store.add([a_record(group_id=store.create_group(), prompt=link)])
    found = store.get(request_id)
    assert found is not None
    assert (found.groups, found.prompt, found.record.prompt) == ((1,), link, link)
    assert store.create_group() == 2


def test_nothing_can_be_said_about_a_request_that_is_not_there(store: Store) -> None:
    assert not store.annotate(7, Score(1))
    assert not store.annotate(0, MetadataUpdate({"a": "b"}))


def test_any_text_can_be_said(store: Store) -> None:
    """Half a surrogate pair is no text for SQLite."""
    (request_id,) = store.add([a_record()])
    half = "\ud800"
    assert store.annotate(request_id, Score(1, half))
    assert store.annotate(request_id, MetadataUpdate({half: half}))
    assert store.annotate(request_id, PromptLink(half, label=half, variables={half: half}))
    assert store.get(request_id) is not None


# --- many processes

WRITER = """
import json, sys
from promptlayer_patch.records import Record, new_record_id
from promptlayer_patch.store import Store
store, ids = Store.open(sys.argv[1]), []
for batch in range(20):
    records = [
        Record(id=new_record_id(), function_name="f", started_at=1767225600.0, tags=("all", str(n)))
        for n in range(10)
    ]
    ids += store.add(records)
print(json.dumps(ids))
"""


def test_processes_that_write_at_once_lose_nothing_and_share_no_id(path: Path) -> None:
    writers = [python(WRITER, path) for _ in range(5)]
    ids = [request_id for writer in writers for request_id in json.loads(output_of(writer))]
    with closing(Store.open(path)) as store:
        assert len(ids) == len(set(ids)) == store.count() == 5 * 20 * 10
        assert {summary.request_id for summary in store.recent(2000)} == set(ids)


FIRST_TOGETHER = """
import multiprocessing, sys
from promptlayer_patch.store import Store
context = multiprocessing.get_context("fork")
barrier = context.Barrier(4)

def open_all():
    failed = 0
    for n in range(60):
        barrier.wait()
        try:
            Store.open(f"{sys.argv[1]}/{n}.db").close()
        except Exception:
            failed += 1
    sys.exit(failed)

processes = [context.Process(target=open_all) for _ in range(4)]
for process in processes:
    process.start()
for process in processes:
    process.join()
print(*(process.exitcode for process in processes))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this platform")
def test_processes_that_create_the_file_together_all_get_it(tmp_path: Path) -> None:
    """Half set up by one of them, the file must not look locked or foreign to the others."""
    assert output_of(python(FIRST_TOGETHER, tmp_path)).split() == ["0"] * 4


FORK = """
import os, subprocess, sys
from promptlayer_patch.records import Record, new_record_id
from promptlayer_patch.store import Store
path = sys.argv[1]
reading = f"from promptlayer_patch.store import Store; print(Store.open({path!r}).count())"

def a_record():
    return Record(id=new_record_id(), function_name="f", started_at=1767225600.0)

store = Store.open(path)
store.add([a_record()])
to_parent, to_child = os.pipe(), os.pipe()
child = os.fork()
if child == 0:
    store.add([a_record()])
    os.write(to_parent[1], b"1")
    os.read(to_child[0], 1)
    for _ in range(50):
        store.add([a_record()])
    os._exit(0)
os.read(to_parent[0], 1)
store.close()
between = subprocess.run([sys.executable, "-c", reading], capture_output=True, text=True, check=True)
os.write(to_child[1], b"1")
_, status = os.waitpid(child, 0)
print(between.stdout.strip(), Store.open(path).count(), status)
"""

FORK_WHILE_BUSY = """
import os, sqlite3, sys, threading, time
from promptlayer_patch.records import Record, new_record_id
from promptlayer_patch.store import Store, StoreUnavailable
store = Store.open(sys.argv[1])
other = sqlite3.connect(sys.argv[1], isolation_level=None)
other.execute("BEGIN IMMEDIATE")

def add():
    try:
        store.add([Record(id=new_record_id(), function_name="f")])
    except StoreUnavailable:
        print("unavailable", flush=True)

thread = threading.Thread(target=add)
thread.start()
while not store._lock.locked():
    pass
began = time.monotonic()
child = os.fork()
if child == 0:
    os._exit(store.count())
took = time.monotonic() - began
_, status = os.waitpid(child, 0)
thread.join()
other.close()
store.add([Record(id=new_record_id(), function_name="f")])
print(status, store.count(), took < 1.8)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this platform")
def test_what_a_forked_child_stores_survives_the_parents_close(path: Path) -> None:
    """A connection that is open across a fork makes SQLite drop the child's records without an error."""
    assert output_of(python(FORK, path)).split() == ["2", "52", "0"]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this platform")
def test_a_fork_does_not_wait_for_a_store_that_is_stuck(path: Path) -> None:
    assert output_of(python(FORK_WHILE_BUSY, path)).split() == ["unavailable", "0", "1", "True"]
