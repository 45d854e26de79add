"""Promise 2: every request leaves as it does without us; nothing the caller passed is used up or changed."""

from __future__ import annotations

import copy
import inspect
import io
import math
import tempfile
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import nullcontext
from pathlib import Path
from types import MappingProxyType
from typing import Any

import openai
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from openai._types import NotGiven

import promptlayer_patch
from promptlayer_patch.instrumentation.openai import OPENAI
from tests.replay.comparing import first_difference
from tests.support.wire import (
    ARGUMENTS,
    ASK,
    MODEL,
    ROWS,
    Row,
    Wire,
    arguments,
    installed,
    make,
    named_file,
    refusal,
    replies,
)

EXTRAS: dict[str, Any] = {
    "extra_headers": {"X-Extra": "1", "OpenAI-Beta": "assistants=v2"},
    "extra_query": {"q": "1", "list": ["a", "b"]},
    "extra_body": {"extra": {"deep": [1, None, "ß"]}, "user": "extra"},
    "timeout": 12.5,
}
STYLES = {"raw": "with_raw_response", "streaming": "with_streaming_response"}
LEFT_OUT = tuple(kind for kind in (NotGiven, getattr(openai, "Omit", None)) if kind is not None)
BY_NAME = {row.name: row for row in ROWS}
CHAT = BY_NAME["chat.completions.create"]
modes = pytest.mark.parametrize("is_async", [False, True], ids=["sync", "async"])


def variants() -> Iterator[Any]:
    for row in ROWS:
        for variant in ("plain", "stream", "extras", "left out", "positional", "ours", *STYLES):
            if (
                (variant == "stream" and not row.streams)
                or (variant in STYLES and not row.has(STYLES[variant]))
                or (variant == "positional" and not row.positional)
            ):
                continue
            yield pytest.param(row, variant, id=f"{row.name}-{variant}")


@modes
@pytest.mark.parametrize(("row", "variant"), list(variants()))
def test_a_row_sends_what_it_sends_without_us(row: Row, variant: str, is_async: bool) -> None:
    """Method, URL, headers and body, byte for byte; and the arguments are afterwards what they were."""
    bare_kwargs, kwargs = _arguments(row, variant), _arguments(row, variant)
    before = _picture(kwargs)
    how: dict[str, Any] = {"is_async": is_async, "style": STYLES.get(variant)}
    if variant == "positional":
        how["positional"] = row.positional
    bare, _ = make(row, bare_kwargs, **how)
    with installed():
        if variant == "ours":
            kwargs["pl_tags"] = ["a", "b"]
            before = _picture(kwargs)
        ours, _ = make(row, kwargs, **how)
    assert bare.sent
    assert first_difference(bare.sent, ours.sent) is None
    assert _picture(kwargs) == before
    assert b"pl_tags" not in b"".join(sent.body for sent in ours.sent)


def test_every_row_of_the_table_has_arguments_here() -> None:
    """A new row is tested as soon as it is in the table, or this says what is missing."""
    known = set(ARGUMENTS) | {f"beta.{name}" for name in ARGUMENTS}
    assert {point.name for point in OPENAI.points} <= known


def test_most_rows_of_the_table_are_in_some_openai() -> None:
    """The rows are found by import; a mistake there would quietly test nothing."""
    assert {"chat.completions.create", "embeddings.create", "audio.speech.create"} <= set(BY_NAME)
    assert len(ROWS) >= 20


# Our own options


@modes
@pytest.mark.parametrize("options", [{"pl_tags": ["x"]}, {"return_pl_id": True}, {"return_pl_id": False}])
@pytest.mark.parametrize("stream", [False, True])
def test_our_options_stay_here(options: dict[str, Any], stream: bool, is_async: bool) -> None:
    """OpenAI would answer a field it does not know with 400."""
    kwargs = {**arguments(CHAT), "stream": stream}
    bare, _ = make(CHAT, kwargs, is_async=is_async)
    with installed():
        ours, _ = make(CHAT, {**kwargs, **options}, is_async=is_async)
    assert first_difference(bare.sent, ours.sent) is None


@modes
@pytest.mark.parametrize("row", [row for row in ROWS if row.point.helper], ids=lambda row: row.name)
def test_our_options_stay_here_with_a_helper(row: Row, is_async: bool) -> None:
    """The request of a `.stream()` is made later, by other methods."""
    bare, _ = make(row, arguments(row), is_async=is_async)
    with installed():
        ours, _ = make(row, {**arguments(row), "pl_tags": ["x"]}, is_async=is_async)
    assert first_difference(bare.sent, ours.sent) is None


@modes
def test_scopes_and_settings_stay_here(is_async: bool) -> None:
    """Tags and metadata go to PromptLayer; OpenAI's own `metadata=` is another thing."""
    bare, _ = make(CHAT, arguments(CHAT), is_async=is_async)
    with (
        installed(tags=["process"], metadata={"process": "1"}),
        promptlayer_patch.scope(tags=["scope"], metadata={"scope": "2"}),
    ):
        ours, _ = make(CHAT, arguments(CHAT), is_async=is_async)
    assert first_difference(bare.sent, ours.sent) is None


# One-shot iterables


class Once:
    """An iterable that can be walked once, and writes into a log whenever an item is taken."""

    def __init__(self, items: Iterable[Any], log: list[str]) -> None:
        self._items = iter(items)
        self._log = log

    def __repr__(self) -> str:
        return "Once"  # without an address: the client sends some arguments as what they say they are

    def __iter__(self) -> Iterator[Any]:
        for item in self._items:
            self._log.append("item taken")
            yield item
        self._log.append("items used up")


TOOL = {"type": "function", "function": {"name": "clock", "parameters": {"type": "object"}}}
ONE_SHOT: list[tuple[str, str, Callable[[], list[Any]]]] = [
    ("chat.completions.create", "messages", lambda: [*ASK, {"role": "assistant", "content": "7"}]),
    ("chat.completions.create", "tools", lambda: [TOOL, TOOL]),
    ("chat.completions.stream", "messages", lambda: [*ASK]),
    ("beta.chat.completions.stream", "messages", lambda: [*ASK]),
    ("chat.completions.parse", "messages", lambda: [*ASK]),
    ("beta.chat.completions.parse", "messages", lambda: [*ASK]),
    ("responses.create", "input", lambda: [*ASK, *ASK]),
    ("responses.create", "tools", lambda: [{"type": "web_search"}]),
    ("responses.parse", "input", lambda: [*ASK]),
    ("responses.stream", "input", lambda: [*ASK]),
    ("responses.compact", "input", lambda: [*ASK]),
    ("completions.create", "prompt", lambda: [1, 2, 3]),
    ("embeddings.create", "input", lambda: [1, 2, 3]),
    ("moderations.create", "input", lambda: ["a", "b"]),
    ("decisions.create", "questions", lambda: [{"type": "boolean"}]),
    ("fine_tuning.jobs.create", "integrations", lambda: [{"type": "wandb"}]),
    ("images.edit", "image", lambda: [("a.png", b"a"), ("b.png", b"b")]),
    ("audio.transcriptions.create", "timestamp_granularities", lambda: ["word", "segment"]),
    ("beta.threads.create_and_run", "tools", lambda: [TOOL]),
    ("beta.threads.runs.create", "additional_messages", lambda: [*ASK]),
    ("beta.threads.runs.submit_tool_outputs", "tool_outputs", lambda: [{"output": "7"}]),
    ("beta.threads.runs.submit_tool_outputs_stream", "tool_outputs", lambda: [{"output": "7"}]),
    ("beta.agents.sessions.events.create", "events", lambda: [{"type": "x"}]),
]
SHAPES: dict[str, Callable[[list[Any]], Any]] = {
    "generator": lambda items: (item for item in items),
    "iterator": iter,
    "map": lambda items: map(copy.copy, items),
    "reversed": reversed,
    "values": lambda items: dict(enumerate(items)).values(),
    "tuple": tuple,
    "deque": deque,
}


@modes
@pytest.mark.parametrize(
    ("name", "argument", "items"), ONE_SHOT, ids=[f"{name}-{argument}" for name, argument, _ in ONE_SHOT]
)
def test_an_iterable_is_walked_once_and_by_the_client(
    name: str, argument: str, items: Callable[[], list[Any]], is_async: bool
) -> None:
    """Whoever looks into `messages` before the client sends `messages: []`."""
    row = BY_NAME.get(name)
    if row is None:
        pytest.skip(f"openai {openai.__version__} has no {name}")
    bare, bare_log = _with_one_shot(row, argument, items(), is_async=is_async)
    with installed():
        ours, log = _with_one_shot(row, argument, items(), is_async=is_async)
    assert first_difference(bare.sent, ours.sent) is None
    assert _told(bare.error) == _told(ours.error)
    assert log == bare_log


@modes
@pytest.mark.parametrize("shape", SHAPES)
def test_messages_of_any_shape_arrive_whole(shape: str, is_async: bool) -> None:
    kwargs = arguments(CHAT)
    messages = [*ASK, {"role": "assistant", "content": "7"}, *ASK]
    with installed() as sink:
        ours, _ = make(CHAT, {**kwargs, "messages": SHAPES[shape](messages)}, is_async=is_async)
        assert promptlayer_patch.flush()
    bare, _ = make(CHAT, {**kwargs, "messages": SHAPES[shape](messages)}, is_async=is_async)
    assert first_difference(bare.sent, ours.sent) is None
    expected = messages[::-1] if shape == "reversed" else messages
    assert ours.sent[0].data["messages"] == expected
    assert sink.records[0].request["messages"] == expected


@modes
def test_a_one_shot_iterable_within_a_message_arrives_whole(is_async: bool) -> None:
    def messages() -> list[Any]:
        parts = [{"type": "text", "text": "one"}, {"type": "text", "text": "two"}]
        return [{"role": "user", "content": (part for part in parts)}]

    bare, _ = make(CHAT, {**arguments(CHAT), "messages": messages()}, is_async=is_async)
    with installed():
        ours, _ = make(CHAT, {**arguments(CHAT), "messages": messages()}, is_async=is_async)
    assert len(bare.sent[0].data["messages"][0]["content"]) == 2
    assert first_difference(bare.sent, ours.sent) is None


def test_what_the_caller_changes_afterwards_is_not_in_the_record() -> None:
    """An agent appends to its list of messages between calls; each record keeps what was sent."""
    wire = Wire()
    client = wire.client()
    messages = [{"role": "user", "content": "one"}]
    with installed() as sink:
        client.chat.completions.create(model=MODEL, messages=messages)
        messages[0]["content"] = "edited"
        messages.append({"role": "user", "content": "two"})
        client.chat.completions.create(model=MODEL, messages=messages)
        assert promptlayer_patch.flush()
    assert [record.request for record in sink.records] == [sent.data for sent in wire.sent]


# Files

CONTENT = bytes(range(256)) * 5


class Chatty(io.BytesIO):
    """A file that writes into a log whatever is done with it."""

    def __init__(self, content: bytes, log: list[str]) -> None:
        super().__init__(content)
        self.log = log

    def read(self, size: int | None = -1) -> bytes:
        self.log.append(f"read {size}")
        return super().read(size)

    def seek(self, offset: int, whence: int = 0) -> int:
        self.log.append(f"seek {offset} {whence}")
        return super().seek(offset, whence)


def _opened(path: Path) -> Any:
    file = path.open("rb")
    file.seek(7)
    return file


def _spooled(path: Path) -> Any:
    file = tempfile.SpooledTemporaryFile()  # noqa: SIM115
    file.write(path.read_bytes())
    file.seek(0)
    return file


FILES: dict[str, Callable[[Path], Any]] = {
    "bytes": lambda path: path.read_bytes(),
    "path": lambda path: path,
    "open file": _opened,
    "unbuffered": lambda path: path.open("rb", buffering=0),
    "memory": lambda path: io.BytesIO(path.read_bytes()),
    "named memory": lambda path: named_file("n.mp3", path.read_bytes()),
    "spooled": _spooled,
    "name and bytes": lambda path: ("ü.mp3", path.read_bytes()),
    "name and file": lambda path: ("a.mp3", _opened(path)),
    "name and path": lambda path: ("a.mp3", path),
    "with type": lambda path: ("a.mp3", path.read_bytes(), "audio/mpeg"),
    "with headers": lambda path: ("a.mp3", path.read_bytes(), "audio/mpeg", {"X-Part": "1"}),
    "no name": lambda path: (None, path.read_bytes()),
    "text": lambda path: "not a file",
}
WITH_FILES = ["audio.transcriptions.create", "audio.translations.create", "images.edit", "videos.create"]


@modes
@pytest.mark.parametrize("name", WITH_FILES)
@pytest.mark.parametrize("kind", FILES)
def test_a_file_is_sent_and_left_as_without_us(name: str, kind: str, is_async: bool, tmp_path: Path) -> None:
    """In the same parts, and afterwards at the same position, as open or closed as without us."""
    row = BY_NAME.get(name)
    if row is None:
        pytest.skip(f"openai {openai.__version__} has no {name}")
    path = tmp_path / "clock.mp3"
    path.write_bytes(CONTENT)
    outcomes = []
    for context in (nullcontext, installed):
        file = FILES[kind](path)
        with context():
            account, _ = make(row, {**arguments(row), _file_argument(row): file}, is_async=is_async)
        outcomes.append((account.sent, _told(account.error), _positions(file)))
        _close(file)
    assert first_difference(*outcomes) is None


@modes
def test_a_file_is_read_when_the_client_reads_it(is_async: bool) -> None:
    """Not before, not again: a pipe has its content only once."""
    row = BY_NAME["audio.transcriptions.create"]
    logs = []
    for context in (nullcontext, installed):
        log: list[str] = []
        with context():
            make(row, {**arguments(row), "file": Chatty(CONTENT, log)}, is_async=is_async)
        logs.append(log)
    assert logs[0] == logs[1]
    assert any("read" in line for line in logs[0])


def test_several_files_in_one_field_are_sent_as_without_us() -> None:
    row = BY_NAME["images.edit"]
    files = [("a.png", b"a"), b"b", ("c.png", b"c", "image/png")]
    bare, _ = make(row, {**arguments(row), "image": files}, is_async=False)
    with installed():
        ours, _ = make(row, {**arguments(row), "image": files}, is_async=False)
    assert first_difference(bare.sent, ours.sent) is None
    assert files == [("a.png", b"a"), b"b", ("c.png", b"c", "image/png")]


# Mappings, retries, clients


@modes
def test_arguments_of_unusual_types_are_sent_as_without_us(is_async: bool) -> None:
    """What need not be a dict or a list often is not."""

    def unusual() -> dict[str, Any]:
        wire = Wire()
        answer = wire.client().chat.completions.create(**arguments(CHAT))
        return {
            "model": MODEL,
            "messages": (*ASK, answer.choices[0].message),
            "extra_headers": MappingProxyType({"X-One": "1"}),
            "extra_body": {"tuple": (1, 2), "nested": MappingProxyType({})},
            "stop": ("a", "b"),
            "timeout": openai.Timeout(3.0, connect=1.0),
        }

    bare, _ = make(CHAT, unusual(), is_async=is_async)
    with installed():
        ours, _ = make(CHAT, unusual(), is_async=is_async)
    assert first_difference(bare.sent, ours.sent) is None
    assert first_difference(bare.facts, ours.facts) is None


@modes
def test_every_attempt_of_a_retried_call_is_as_without_us(is_async: bool) -> None:
    """Retry counts and idempotency are in headers of the client's own."""

    def answer() -> Any:
        return replies(refusal(429, retry_after_ms="1"), refusal(500, retry_after_ms="1"), refusal(400))

    bare, _ = make(CHAT, arguments(CHAT), is_async=is_async, answer=answer(), max_retries=3)
    with installed():
        ours, _ = make(CHAT, arguments(CHAT), is_async=is_async, answer=answer(), max_retries=3)
    assert len(bare.sent) == 3
    assert first_difference(bare.sent, ours.sent) is None


CLIENTS: dict[str, dict[str, Any]] = {
    "organization": {"organization": "org_1", "project": "proj_1"},
    "defaults": {"default_headers": {"X-Default": "1"}, "default_query": {"d": "1"}},
    "other address": {"base_url": "http://compatible.test/api/openai/"},
    "timeout": {"timeout": 3.5},
}


@modes
@pytest.mark.parametrize("kind", CLIENTS)
def test_a_client_with_options_of_its_own_sends_as_without_us(kind: str, is_async: bool) -> None:
    bare, _ = make(CHAT, arguments(CHAT), is_async=is_async, **CLIENTS[kind])
    with installed():
        ours, _ = make(CHAT, arguments(CHAT), is_async=is_async, **CLIENTS[kind])
    assert first_difference(bare.sent, ours.sent) is None


@modes
@pytest.mark.parametrize("options", [{}, {"azure_deployment": "deployed"}], ids=["model", "deployment"])
def test_an_azure_client_sends_as_without_us(options: dict[str, Any], is_async: bool) -> None:
    """Azure rewrites the URL from the model in the body."""
    cls = openai.AsyncAzureOpenAI if is_async else openai.AzureOpenAI
    bare, _ = make(CHAT, arguments(CHAT), is_async=is_async, cls=cls, **options)
    with installed():
        ours, _ = make(CHAT, arguments(CHAT), is_async=is_async, cls=cls, **options)
    assert "/deployments/" in bare.sent[0].url
    assert first_difference(bare.sent, ours.sent) is None


def test_other_requests_are_sent_as_without_us() -> None:
    """What is not recorded passes the tap as well."""

    def requests() -> Any:
        wire = Wire()
        client = wire.client()
        client.models.list()
        client.files.create(file=b"{}", purpose="batch")
        client.models.retrieve("gpt")
        client.post("/anything", cast_to=object, body={"a": (1, 2)}, options={"headers": {"X-A": "1"}})
        client.get("/anything", cast_to=object, options={"params": {"a": "b"}})
        return wire.sent

    bare = requests()
    with installed():
        assert first_difference(bare, requests()) is None


# Anything that JSON can say

words = st.text(max_size=8) | st.sampled_from(["content", "role", "stream", "metadata", "model", "pl_tags"])
leaves = (
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=12)
    | st.text(st.characters(), max_size=4)
)
values = st.recursive(
    leaves,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=3),
    max_leaves=12,
)
calls = st.fixed_dictionaries(
    {"messages": st.lists(st.dictionaries(words, values, max_size=3) | values, max_size=3), "model": values},
    optional={
        "tools": st.lists(values, max_size=2),
        "metadata": st.none() | st.dictionaries(words, words, max_size=2),
        "stop": values,
        "temperature": leaves,
        "response_format": st.dictionaries(words, values, max_size=2),
        "user": words,
        "extra_body": st.dictionaries(words, values, max_size=3),
        "extra_query": st.dictionaries(words, words, max_size=2),
        "extra_headers": st.dictionaries(st.sampled_from(["X-A", "X-B", "Accept"]), words, max_size=2),
    },
)


@given(kwargs=calls, tags=st.none() | st.lists(words, max_size=2), is_async=st.booleans())
@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_any_call_is_sent_as_without_us(kwargs: dict[str, Any], tags: Any, is_async: bool) -> None:
    """And refused as without us, where the client refuses it."""
    known = inspect.signature(CHAT.sync_class.create).parameters
    kwargs = {name: value for name, value in kwargs.items() if name in known}
    bare, _ = make(CHAT, copy.deepcopy(kwargs), is_async=is_async)
    before = _picture(kwargs)
    with installed() as sink:
        ours, _ = make(CHAT, {**kwargs, "pl_tags": tags}, is_async=is_async)
        assert promptlayer_patch.flush()
    assert first_difference(bare.sent, ours.sent) is None
    assert _told(bare.error) == _told(ours.error)
    assert _picture(kwargs) == before
    assert len(sink.records) == 1 or not ours.sent


# Helpers


def _arguments(row: Row, variant: str) -> dict[str, Any]:
    kwargs = arguments(row)
    known = {name: each for name, each in row.parameters.items() if name in row.async_parameters}
    if variant == "stream":
        kwargs["stream"] = True
    elif variant == "extras":
        kwargs.update({name: copy.deepcopy(value) for name, value in EXTRAS.items() if name in known})
    elif variant == "left out":
        left_out = (name for name, each in known.items() if isinstance(each.default, LEFT_OUT))
        kwargs = {**{name: known[name].default for name in left_out}, **kwargs}
    return kwargs


def _with_one_shot(row: Row, argument: str, items: list[Any], *, is_async: bool) -> tuple[Any, list[str]]:
    log: list[str] = []
    account, _ = make(row, {**arguments(row), argument: Once(items, log)}, is_async=is_async, log=log)
    return account, log


def _file_argument(row: Row) -> str:
    known = row.parameters
    return next(name for name in ("file", "image", "input_reference") if name in known)


def _told(error: Exception | None) -> Any:
    return error and (type(error), str(error))


def _positions(file: Any) -> Any:
    if isinstance(file, tuple):
        return [_positions(part) for part in file]
    if hasattr(file, "tell"):
        return "closed" if file.closed else file.tell()
    return repr(file)


def _close(file: Any) -> None:
    for part in file if isinstance(file, tuple) else [file]:
        if hasattr(part, "close"):
            part.close()


def _picture(value: Any) -> Any:
    """`value` as data that shows every change: contents, types and identities of what is nested."""
    if isinstance(value, dict):
        return (id(value), {key: _picture(item) for key, item in value.items()})
    if isinstance(value, (list, tuple)):
        return (type(value), [_picture(item) for item in value])
    if isinstance(value, io.BytesIO):
        return value.getvalue()
    if isinstance(value, float):
        return repr(value), math.copysign(1.0, value)
    return (type(value), value)
