"""Every option of `install()`: argument, environment variable, default; and what is wrong with which."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import promptlayer_patch
from promptlayer_patch import scope
from promptlayer_patch._options import checked_metadata, checked_tags
from promptlayer_patch._refining.redaction import rules_of
from promptlayer_patch._settings import Settings, read_settings
from promptlayer_patch.errors import InvalidArgument, PromptLayerError
from promptlayer_patch.exporters.memory import MemoryExporter
from tests.support.naming import shown
from tests.support.wire import MODEL, Wire

KEY = "pl_0123456789abcdef"


@dataclass(frozen=True)
class Option:
    """One option, and a value of it by each way."""

    name: str
    default: Any
    argument: Any
    means: Any
    text: str
    """In the environment variable of its name."""
    text_means: Any

    @property
    def variable(self) -> str:
        return f"PROMPTLAYER_{self.name.upper()}"

    def __str__(self) -> str:
        return self.name


OPTIONS = [
    Option("tags", (), ["a", "b", "a"], ("a", "b"), " x, y,,x ", ("x", "y")),
    Option("metadata", {}, {"k": "v"}, {"k": "v"}, " a=1, b = two=2,c=", {"a": "1", "b": "two=2", "c": ""}),
    Option("api_key", None, f" {KEY} ", KEY, f"{KEY}\n", KEY),
    Option(
        "base_url",
        "https://api.promptlayer.com",
        "http://localhost:8000/root/",
        "http://localhost:8000/root",
        "https://promptlayer.test/",
        "https://promptlayer.test",
    ),
    Option("to", ("local:",), "memory:", ("memory:",), "memory:x, console:", ("memory:x", "console:")),
    Option("shutdown_timeout_s", 2.0, 0, 0, "1.5", 1.5),
    Option("queue_max_records", 10_000, 5, 5, "7", 7),
    Option("queue_max_bytes", 64 * 1024 * 1024, 1024.0, 1024, "2048", 2048),
    Option("outbox", True, False, False, "0", False),
    Option("outbox_max_records", 1_000_000, 5, 5, "7", 7),
    Option("outbox_max_bytes", 512 * 1024 * 1024, 1024, 1024, "2048", 2048),
    Option("record_max_bytes", 4 * 1024 * 1024, 1024, 1024, "2048", 2048),
    Option("media_max_bytes", 256 * 1024, 1024, 1024, "2048", 2048),
    Option("capture_content", True, False, False, "no", False),
    Option("redact", (), "SSN", rules_of("redact", "SSN"), "a, b.c", rules_of("redact", ["a", "b.c"])),
    Option("sample_rate", 1.0, 0.5, 0.5, "0.25", 0.25),
    Option("sample_errors", 1.0, 0, 0, "0.5", 0.5),
    Option("batch", False, True, True, "1", True),
    Option("cache_ttl_s", 60.0, 0, 0, "1.5", 1.5),
]
any_option = pytest.mark.parametrize("option", OPTIONS, ids=shown)


def test_every_option_is_in_the_table() -> None:
    """A new option is not done before it is tested by every way there is to set it."""
    assert [option.name for option in OPTIONS] == list(
        inspect.signature(promptlayer_patch.install).parameters
    )
    assert {option.name for option in OPTIONS} <= {field.name for field in fields(Settings)}


@any_option
def test_options_are_keyword_only_and_optional(option: Option) -> None:
    parameter = inspect.signature(promptlayer_patch.install).parameters[option.name]
    assert parameter.kind is inspect.Parameter.KEYWORD_ONLY
    assert parameter.default is None


@any_option
def test_a_default(option: Option) -> None:
    assert getattr(read_settings(), option.name) == option.default


@any_option
def test_an_argument(option: Option, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(option.variable, option.text)
    assert getattr(read_settings(**{option.name: option.argument}), option.name) == option.means


@any_option
def test_an_environment_variable(option: Option, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(option.variable, option.text)
    assert getattr(read_settings(), option.name) == option.text_means


@any_option
def test_an_empty_environment_variable_is_none(option: Option, monkeypatch: pytest.MonkeyPatch) -> None:
    """In compose files and CI settings `NAME=` is how one says "not set"."""
    monkeypatch.setenv(option.variable, "")
    assert getattr(read_settings(), option.name) == option.default


@pytest.mark.parametrize(("name", "empty"), [("tags", []), ("tags", ()), ("metadata", {})])
def test_an_empty_argument_beats_the_environment(
    name: str, empty: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PROMPTLAYER_TAGS", "of,the,environment")
    monkeypatch.setenv("PROMPTLAYER_METADATA", "of=environment")
    assert not getattr(read_settings(**{name: empty}), name)


def test_what_the_caller_passed_is_copied() -> None:
    tags, metadata, to = ["a"], {"k": "v"}, ["memory:"]
    settings = read_settings(tags=tags, metadata=metadata, to=to)  # type: ignore[arg-type]
    tags.append("late")
    metadata["k"] = "late"
    to.append("console:")
    assert (settings.tags, settings.metadata, settings.to) == (("a",), {"k": "v"}, ("memory:",))


def test_the_settings_are_frozen() -> None:
    with pytest.raises(AttributeError):
        read_settings().tags = ("a",)  # type: ignore[misc]


# Which destination, where nobody says


def test_a_key_chooses_promptlayer_and_its_absence_the_local_store() -> None:
    assert (read_settings().to, read_settings().fell_back) == (("local:",), True)
    chosen = read_settings(api_key=KEY)
    assert (chosen.to, chosen.fell_back) == (("promptlayer:",), False)
    by_hand = read_settings(to="local:")
    assert (by_hand.to, by_hand.fell_back) == (("local:",), False)


def test_several_destinations() -> None:
    own = MemoryExporter()
    assert read_settings(to=["memory:", own]).to == ("memory:", own)
    assert read_settings(to=("memory:",)).to == ("memory:",)
    assert read_settings(to=own).to == (own,)


def test_where_the_local_store_is(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert Path(read_settings().local_db).is_absolute()
    assert Path(read_settings().local_db).parts[-2:] == ("promptlayer", "requests.db")
    monkeypatch.setenv("PROMPTLAYER_LOCAL_DB", str(tmp_path / "here.db"))
    assert read_settings().local_db == str(tmp_path / "here.db")


@pytest.mark.parametrize(
    ("platform", "variables", "expected"),
    [
        ("linux", {"XDG_DATA_HOME": "/xdg"}, "/xdg/promptlayer/requests.db"),
        ("linux", {"XDG_DATA_HOME": ""}, "/home/ada/.local/share/promptlayer/requests.db"),
        ("darwin", {}, "/home/ada/Library/Application Support/promptlayer/requests.db"),
        ("win32", {"LOCALAPPDATA": "/local"}, "/local/promptlayer/requests.db"),
        ("win32", {"LOCALAPPDATA": ""}, "/home/ada/AppData/Local/promptlayer/requests.db"),
    ],
)
def test_each_platforms_own_place(
    platform: str, variables: dict[str, str], expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.platform", platform)
    for variable in ("HOME", "USERPROFILE"):
        monkeypatch.setenv(variable, "/home/ada")
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert Path(read_settings().local_db).as_posix() == expected


# Wrong values


class Exporters:
    """Objects that look like exporters, but are not."""

    class WithoutClose:
        def export(self, batch: Any) -> Any: ...

    class WithoutExport:
        def close(self) -> None: ...

    class NotCallable:
        export = close = 7


WRONG_ARGUMENTS: list[tuple[str, Any]] = [
    *(("tags", value) for value in ("a", "", b"a", 7, 0, True, [7], [None], [["a"]], [{}], [b"a"])),
    *(
        ("metadata", value)
        for value in ("k=v", "", 7, [], ["k"], {"k": 1}, {1: "v"}, {"k": None}, {"k": ["v"]})
    ),
    *(("api_key", value) for value in ("", "  ", "\n", 7, b"pl_x", ["pl_x"], False)),
    *(
        ("base_url", value)
        for value in (
            "",
            "promptlayer.com",
            "ftp://promptlayer.com",
            "http://",
            "https:///path",
            "http://host:port",
            "http://host:99999",
            "http://host:0",
            "http://[::1",
            7,
            b"http://host",
        )
    ),
    *(
        ("to", value)
        for value in (
            "",
            "nowhere:",
            "local",
            "memory",
            "jsonl:",
            ":memory:",
            "promptlayer:nonsense",
            "promptlayer:ftp://host",
            [],
            (),
            7,
            True,
            b"memory:",
            {"memory:"},
            ["memory:", None],
            ["memory:", ["memory:"]],
            MemoryExporter,
            object(),
            Exporters.WithoutClose(),
            Exporters.WithoutExport(),
            Exporters.NotCallable(),
        )
    ),
    *(("shutdown_timeout_s", value) for value in (-1, -0.1, "2", float("nan"), float("inf"), True, [])),
    *(("queue_max_records", value) for value in (0, -1, 1.5, "5", float("nan"), float("inf"), False, [])),
    *(("queue_max_bytes", value) for value in (0, -1, 0.5, "5", float("nan"), float("inf"), True)),
    *((name, value) for name in ("outbox", "capture_content") for value in (0, 1, "yes", [])),
    *(("outbox_max_records", value) for value in (0, -1, 1.5, "5")),
    *(("outbox_max_bytes", value) for value in (0, float("inf"), "5")),
    *(("record_max_bytes", value) for value in (0, 0.5, True)),
    *(("media_max_bytes", value) for value in (0, -1, "1")),
    *(("redact", value) for value in ("", 7, b"a", ["a", None], "a[", re.compile(b"a"))),
    *(("sample_rate", value) for value in (-0.1, 1.1, "0.5", True, float("nan"), [])),
    *(("sample_errors", value) for value in (-1, 2, "1", False, float("nan"))),
    *(("cache_ttl_s", value) for value in (-1, "60", True, float("nan"), float("inf"))),
]

WRONG_VARIABLES = [
    ("PROMPTLAYER_METADATA", "user"),
    ("PROMPTLAYER_METADATA", "a=1,b"),
    ("PROMPTLAYER_METADATA", "=1"),
    ("PROMPTLAYER_METADATA", " = "),
    ("PROMPTLAYER_BASE_URL", "promptlayer.com"),
    ("PROMPTLAYER_BASE_URL", "http://host:port"),
    ("PROMPTLAYER_TO", "nowhere:"),
    ("PROMPTLAYER_TO", "memory:,local"),
    ("PROMPTLAYER_TO", "jsonl:"),
    ("PROMPTLAYER_SHUTDOWN_TIMEOUT_S", "soon"),
    ("PROMPTLAYER_SHUTDOWN_TIMEOUT_S", "-1"),
    ("PROMPTLAYER_SHUTDOWN_TIMEOUT_S", "inf"),
    ("PROMPTLAYER_QUEUE_MAX_RECORDS", "many"),
    ("PROMPTLAYER_QUEUE_MAX_RECORDS", "0"),
    ("PROMPTLAYER_QUEUE_MAX_RECORDS", "1.5"),
    ("PROMPTLAYER_QUEUE_MAX_BYTES", "64MB"),
    ("PROMPTLAYER_QUEUE_MAX_BYTES", "nan"),
]


@pytest.mark.parametrize(("argument", "value"), WRONG_ARGUMENTS, ids=shown)
def test_a_wrong_argument_is_named(argument: str, value: Any) -> None:
    if argument == "to" and isinstance(value, str) and value.startswith("promptlayer:"):
        options = {"to": value, "api_key": KEY}
    else:
        options = {argument: value}
    with pytest.raises(InvalidArgument) as raised:
        promptlayer_patch.install(**options)
    assert raised.value.argument == argument
    assert str(raised.value).startswith(f"{argument}: ")


@pytest.mark.parametrize(("variable", "text"), WRONG_VARIABLES)
def test_a_wrong_variable_is_named(variable: str, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(variable, text)
    with pytest.raises(InvalidArgument) as raised:
        promptlayer_patch.install()
    assert raised.value.argument == variable
    assert str(raised.value).startswith(f"{variable}: ")


@pytest.mark.parametrize("variable", ["PROMPTLAYER_TO", "PROMPTLAYER_API_KEY"])
def test_a_variable_with_nothing_in_it_but_space_is_as_if_it_were_not(
    variable: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, " \n")
    assert (read_settings().to, read_settings().api_key) == (("local:",), None)


def test_what_may_be_raised_is_one_class_that_is_also_a_value_error() -> None:
    with pytest.raises(ValueError, match=r"^tags: expected a list of strings, got str$") as raised:
        promptlayer_patch.install(tags="checkout")
    assert isinstance(raised.value, PromptLayerError)


def test_an_unknown_option_is_a_type_error() -> None:
    with pytest.raises(TypeError, match="tag"):
        promptlayer_patch.install(tag=["a"])  # type: ignore[call-arg]


@pytest.mark.parametrize(("argument", "value"), WRONG_ARGUMENTS[::4], ids=shown)
def test_a_wrong_argument_changes_nothing(
    argument: str, value: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """What was installed before goes on as it was."""
    sink = MemoryExporter()
    promptlayer_patch.install(to=sink, tags=["before"])
    with pytest.raises(InvalidArgument):
        promptlayer_patch.install(**{"to": MemoryExporter(), "tags": ["after"], argument: value})
    with scope() as calls:
        ask()
    assert calls.request_id() == 1
    assert [record.tags for record in sink.records] == [("before",)]
    assert caplog.records == []


def test_a_wrong_first_argument_installs_nothing() -> None:
    with pytest.raises(InvalidArgument):
        promptlayer_patch.install(to=MemoryExporter(), queue_max_records=0)
    with scope() as calls:
        ask()
    assert calls.receipts == []
    assert promptlayer_patch.stats() == promptlayer_patch.Stats()


def ask() -> None:
    Wire().client().chat.completions.create(model=MODEL, messages=[{"role": "user", "content": "?"}])


# What the settings do


def test_tags_and_metadata_are_on_every_record(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROMPTLAYER_TAGS", "env")
    monkeypatch.setenv("PROMPTLAYER_METADATA", "from=env")
    sink = MemoryExporter()
    promptlayer_patch.install(to=sink)
    ask()
    promptlayer_patch.uninstall()
    (record,) = sink.records
    assert (record.tags, dict(record.metadata)) == (("env",), {"from": "env"})


def test_a_second_install_replaces_the_settings_and_delivers_what_the_first_had() -> None:
    first, second = MemoryExporter(), MemoryExporter()
    promptlayer_patch.install(to=first, tags=["first"])
    ask()
    promptlayer_patch.install(to=second, metadata={"k": "v"})
    ask()
    assert promptlayer_patch.flush()
    assert [record.tags for record in first.records] == [("first",)]
    assert [(record.tags, dict(record.metadata)) for record in second.records] == [((), {"k": "v"})]


def test_a_call_that_is_under_way_during_a_second_install_is_recorded_once() -> None:
    first, second = MemoryExporter(), MemoryExporter()
    promptlayer_patch.install(to=first, tags=["first"])
    stream = (
        Wire()
        .client()
        .chat.completions.create(model=MODEL, messages=[{"role": "user", "content": "?"}], stream=True)
    )
    promptlayer_patch.install(to=second)
    list(stream)
    promptlayer_patch.uninstall()
    assert len(first.records) + len(second.records) == 1


def test_install_and_uninstall_any_number_of_times() -> None:
    for _ in range(3):
        promptlayer_patch.uninstall()
        sink = MemoryExporter()
        promptlayer_patch.install(to=sink)
        promptlayer_patch.install(to=sink)
        ask()
        promptlayer_patch.uninstall()
        promptlayer_patch.uninstall()
        assert len(sink.records) == 1


# Secrets


def test_the_key_is_in_no_repr() -> None:
    settings = read_settings(api_key=KEY)
    assert KEY not in repr(settings)
    assert KEY not in str(settings)
    assert KEY not in f"{promptlayer_patch._process.process}"
    assert settings.api_key == KEY


@pytest.mark.parametrize("options", [{"tags": [KEY, 7]}, {"api_key": KEY, "to": "nowhere:"}])
def test_an_error_quotes_no_key(options: dict[str, Any]) -> None:
    with pytest.raises(InvalidArgument) as raised:
        promptlayer_patch.install(**options)
    assert KEY not in str(raised.value)


# Checking, with anything

ANYTHING = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(), st.binary()),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(st.one_of(st.text(), st.integers(), st.none()), inner, max_size=3),
        st.tuples(inner),
    ),
    max_leaves=6,
)


@pytest.mark.parametrize("name", [option.name for option in OPTIONS])
@given(value=ANYTHING)
def test_anything_is_either_taken_or_refused_by_name(name: str, value: Any) -> None:
    refused = None
    try:
        read_settings(**{name: value})
    except InvalidArgument as error:
        refused = error
    assert refused is None or refused.argument == name


@given(ANYTHING)
def test_checked_tags_and_metadata_are_strings(value: Any) -> None:
    check: Callable[[str, Any], Any]
    for check in (checked_tags, checked_metadata):
        try:
            checked = check("it", value)
        except InvalidArgument:
            continue
        flat = [*checked, *(checked.values() if isinstance(checked, dict) else ())]
        assert all(isinstance(item, str) for item in flat)
