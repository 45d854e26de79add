"""The query bar's language: what is written means what people expect, and what is wrong is shown."""

from __future__ import annotations

import pickle
import re
import time
from contextlib import closing
from datetime import timedelta, timezone
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from promptlayer_patch._query import (
    FIELDS,
    And,
    Condition,
    Filter,
    InvalidQuery,
    Kind,
    Not,
    Operator,
    Or,
    all_of,
    any_of,
    condition,
    negated,
)
from promptlayer_patch._query.language import complete, format, parse, quoted
from promptlayer_patch._query.names import BASES, NAMES
from promptlayer_patch.store import Store
from tests.support.stored import fill

NOW = 1_767_268_800.0  # 2026-01-01 12:00 UTC
MIDNIGHT = NOW - 43_200
DAY = 86_400.0


def read(text: str) -> Filter:
    return parse(text, now=NOW)


def asks(field: str, operator: Operator, value: object = None, key: str | None = None) -> Filter:
    return condition(field, operator, value, key)


def words(text: str) -> Filter:
    return asks("text", Operator.CONTAINS, text)


def is_(field: str, value: object, key: str | None = None) -> Filter:
    return asks(field, Operator.EQUALS, value, key)


def started(operator: Operator, value: object) -> Filter:
    return asks("request_start_time", operator, value)


# --- what can be written


def test_the_example_of_the_readme_means_what_it_says() -> None:
    text = 'model:gpt-4o tag:prod latency:>2s cost:>0.1 status:error -tag:test "refund policy" since:7d'
    assert read(text) == And(
        (
            is_("engine", "gpt-4o"),
            is_("tags", "prod"),
            asks("latency_ms", Operator.MORE, 2000),
            asks("cost", Operator.MORE, 0.1),
            is_("status", "ERROR"),
            Not(is_("tags", "test")),
            words("refund policy"),
            started(Operator.AT_LEAST, NOW - 7 * DAY),
        )
    )


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("", And(())),
        (" \n ", And(())),
        ("*", And(())),
        ("-*", Or(())),
        ("refund", words("refund")),
        ("refund policy", And((words("refund"), words("policy")))),
        ("日本語 café", And((words("日本語"), words("café")))),
        ('"two words"', words("two words")),
        (r'"say \"hi\" in C:\temp \\"', words('say "hi" in C:\\temp \\')),
        ('he said"hi"', And((words("he"), words("said"), words("hi")))),
        ("call(x) call()", And((words("call(x)"), words("call()")))),
        ("https://example.com/a?b=c http://x", And((words("https://example.com/a?b=c"), words("http://x")))),
        ("12:30", words("12:30")),
        ("a - b", And((words("a"), words("-"), words("b")))),
        ("or and not", And((words("or"), words("and"), words("not")))),
    ],
)
def test_words_and_phrases_are_looked_for_in_both_texts(text: str, meant: Filter) -> None:
    assert read(text) == meant


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("a b OR c", Or((And((words("a"), words("b"))), words("c")))),
        ("a AND b OR c", Or((And((words("a"), words("b"))), words("c")))),
        ("a (b OR c)", And((words("a"), Or((words("b"), words("c")))))),
        ("-(a b)", Not(And((words("a"), words("b"))))),
        ("NOT a", Not(words("a"))),
        ("NOT -a", words("a")),
        ("((a))", words("a")),
        ("a (b (c))", And((words("a"), words("b"), words("c")))),
        ("(model:a)b", And((is_("engine", "a"), words("b")))),
        ("-model:a,b", Not(asks("engine", Operator.ONE_OF, ["a", "b"]))),
    ],
)
def test_conditions_combine(text: str, meant: Filter) -> None:
    assert read(text) == meant


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("MODEL:GPT", is_("engine", "GPT")),
        ("engine:gpt", is_("engine", "gpt")),
        ("tag:a,b,a", asks("tags", Operator.ONE_OF, ["a", "b"])),
        ('tag:"two words","a,b"', asks("tags", Operator.ONE_OF, ["two words", "a,b"])),
        ("tag:*", asks("tags", Operator.EXISTS)),
        ('tag:"*"', is_("tags", "*")),
        ("tag:!=a", Not(is_("tags", "a"))),
        ("-tag:!=a", is_("tags", "a")),
        ("tag:!=*", Not(asks("tags", Operator.EXISTS))),
        ("model:gpt-4*", asks("engine", Operator.PREFIX, "gpt-4")),
        ('prompt:"my p"*', asks("prompt", Operator.PREFIX, "my p")),
        ("model:a,b*", Or((is_("engine", "a"), asks("engine", Operator.PREFIX, "b")))),
        ("tag:a:b", is_("tags", "a:b")),
        ("tag:-x", is_("tags", "-x")),
        ('tag:""', is_("tags", "")),
        ("status:ok", is_("status", "SUCCESS")),
        ('status:"ok"', is_("status", "ok")),
        ("status:429", is_("http_status", 429)),
        ("status:>=500", Condition("http_status", Operator.AT_LEAST, 500.0)),
        ("status:429,error", Or((is_("http_status", 429), is_("status", "ERROR")))),
        ("error:timeout", is_("error_type", "PROVIDER_TIMEOUT")),
        ("error:template_render_error", is_("error_type", "TEMPLATE_RENDER_ERROR")),
        ("error:RateLimitError", is_("error_type", "RateLimitError")),
        ("id:77", is_("pl_id", "77")),
        ("trace:abc", is_("trace_id", "abc")),
        ("function:openai.chat.completions.create", is_("function_name", "openai.chat.completions.create")),
        ("is:json", is_("is_json", True)),
        ("is_json:false", is_("is_json", False)),
        ("is:error,json", Or((is_("status", "ERROR"), is_("is_json", True)))),
        ("has:score", asks("score_names", Operator.EXISTS)),
        ("has:tool_call", is_("is_tool_call", True)),
        ("-has:user", Not(asks("metadata", Operator.EXISTS, key="user_id"))),
    ],
)
def test_names_are_asked_for(text: str, meant: Filter) -> None:
    assert read(text) == meant


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("latency:>2s", asks("latency_ms", Operator.MORE, 2000)),
        ("latency:>=1.5", asks("latency_ms", Operator.AT_LEAST, 1500)),
        ("latency_ms:<1500", asks("latency_ms", Operator.LESS, 1500)),
        ("latency:500ms..2m", asks("latency_ms", Operator.BETWEEN, (500, 120_000))),
        ("latency:..1h", asks("latency_ms", Operator.AT_MOST, 3_600_000)),
        ("ttft:0.2..", asks("first_token_ms", Operator.AT_LEAST, 200)),
        ("cost:>$0.1", asks("cost", Operator.MORE, 0.1)),
        ("cost:=.5", is_("cost", 0.5)),
        ("cost:1e-3..$2", asks("cost", Operator.BETWEEN, (0.001, 2))),
        ("cost:*", asks("cost", Operator.EXISTS)),
        ("tokens:<=10k", asks("total_tokens", Operator.AT_MOST, 10_000)),
        ("input_tokens:1.5M", is_("input_tokens", 1_500_000)),
        ("version:1,2", Or((is_("prompt_version_number", 1), is_("prompt_version_number", 2)))),
        ("version:!=1", Not(is_("prompt_version_number", 1))),
        ("http:500..599", asks("http_status", Operator.BETWEEN, (500, 599))),
        ("score:>80", asks("score", Operator.MORE, 80, "default")),
        ("score.accuracy:80..90", asks("score", Operator.BETWEEN, (80, 90), "accuracy")),
    ],
)
def test_numbers_have_units_and_ranges(text: str, meant: Filter) -> None:
    assert read(text) == meant


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("user:42", is_("metadata", "42", "user_id")),
        ("meta.a.b:x", is_("metadata", "x", "a.b")),
        ('metadata."two words: \\"x\\"":y', is_("metadata", "y", 'two words: "x"')),
        ("metadata.note:~refund", asks("metadata", Operator.CONTAINS, "refund", "note")),
        ('metadata.note:~"two words"', asks("metadata", Operator.CONTAINS, "two words", "note")),
        ("metadata.note:*", asks("metadata", Operator.EXISTS, key="note")),
        ("output.city:Graz,Linz", asks("output", Operator.ONE_OF, ["Graz", "Linz"], "city")),
        ("var.name:Ada", is_("input_variables", "Ada", "name")),
        ("output:hello", asks("output_text", Operator.CONTAINS, "hello")),
        ('input:^"You are"', asks("input_text", Operator.STARTS_WITH, "You are")),
        ("output:bye$", asks("output_text", Operator.ENDS_WITH, "bye")),
        ('output:"good bye"$', asks("output_text", Operator.ENDS_WITH, "good bye")),
        (
            "input:a,b",
            Or((asks("input_text", Operator.CONTAINS, "a"), asks("input_text", Operator.CONTAINS, "b"))),
        ),
    ],
)
def test_values_have_keys_and_texts_have_two_ends(text: str, meant: Filter) -> None:
    assert read(text) == meant


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("since:3h", started(Operator.AT_LEAST, NOW - 3 * 3600)),
        ("since:today", started(Operator.AT_LEAST, MIDNIGHT)),
        ("since:now", started(Operator.AT_LEAST, NOW)),
        ("until:yesterday", started(Operator.LESS, MIDNIGHT)),
        ("until:2w", started(Operator.AT_MOST, NOW - 14 * DAY)),
        ("before:2026-01-01", started(Operator.LESS, MIDNIGHT)),
        ("after:2026-01-01", started(Operator.AT_LEAST, MIDNIGHT + DAY)),
        (
            "on:2026-01-01",
            And((started(Operator.AT_LEAST, MIDNIGHT), started(Operator.LESS, MIDNIGHT + DAY))),
        ),
        ("started:>2026-01-01T00:00:00.5Z", started(Operator.MORE, MIDNIGHT + 0.5)),
        ("started:2026-01-01T01:00+01:00", started(Operator.EQUALS, MIDNIGHT)),
        (
            "started:2025-12-30..yesterday",
            And((started(Operator.AT_LEAST, MIDNIGHT - 2 * DAY), started(Operator.LESS, MIDNIGHT))),
        ),
        ("started:2d..1d", started(Operator.BETWEEN, (NOW - 2 * DAY, NOW - DAY))),
        ("started:2d..", started(Operator.AT_LEAST, NOW - 2 * DAY)),
        ("ended:..@5.25", asks("request_end_time", Operator.AT_MOST, 5.25)),
    ],
)
def test_moments_and_days_are_told_apart(text: str, meant: Filter) -> None:
    assert read(text) == meant


def test_days_begin_where_the_reader_lives() -> None:
    vienna = timezone(timedelta(hours=1))
    assert parse("since:today", now=NOW, zone=vienna) == started(Operator.AT_LEAST, MIDNIGHT - 3600)
    offset = -time.localtime(NOW).tm_gmtoff
    local = parse("since:2026-01-01", now=NOW, zone=None)
    assert local == started(Operator.AT_LEAST, MIDNIGHT + offset)


def test_every_query_in_the_readme_can_be_asked() -> None:
    readme = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")
    table = readme.split("| write | to find requests |")[1].split("\n\n")[0]
    queries = [query for row in table.splitlines() for query in re.findall("`([^`]+)`", row.split(" | ")[0])]
    assert len(queries) > 25
    for query in queries:
        assert read(query) != And(())


# --- what is wrong


@pytest.mark.parametrize(
    ("text", "says", "marked"),
    [
        ("tag:a modle:x", "there is no field modle, the nearest is model; put", "modle"),
        ("zzzzzz:x", 'there is no field zzzzzz; put words with a colon in "quotes"', "zzzzzz"),
        ("tag: a", "a value is missing after tag:", "tag:"),
        ("tag:a,", "a value is missing after tag:", "tag:a,"),
        ('a "b c', "the quotation mark is not closed", '"b c'),
        ("a (b", "the bracket is not closed", "("),
        ("a ) b", "there is no ( for this", ")"),
        ("a OR", "something to look for is missing here", ""),
        ("OR a", 'OR stands between two conditions; put it in "quotes"', "OR"),
        ("a AND AND b", "AND stands between two conditions", "AND"),
        ("()", "something to look for is missing here", ")"),
        ("cost:abc", "cost needs a number", "abc"),
        ("latency:>2x", "latency_ms has no unit x, it has ms, s, m, min, h", ">2x"),
        ("cost:5k", "cost has no unit k", "5k"),
        ("cost:1..2..3", "cost needs a number", "1..2..3"),
        ("cost:>1..2", "> cannot be asked", ">1..2"),
        ("tag:>a", '> cannot be asked of tags; put it in "quotes" to mean it', ">a"),
        ("user:a*", "metadata cannot be asked for beginnings", "a*"),
        ("input:*", "input_text cannot be asked for 'exists'", "*"),
        ("metadata:x", "metadata needs a key, as in metadata.user_id:42", "metadata"),
        ("cost.x:1", "cost has no keys; metadata, score, output,", "cost"),
        ("is:nice", "is takes json, tool_call, text,", "nice"),
        ("is_json:perhaps", "is_json is true or false", "perhaps"),
        ("since:soon", "'soon' is no ISO 8601 date or time; write 2026-11-01, today or 7d", "soon"),
        ("since:>7d", "the name says it already, > is too much", ">7d"),
        ("since:2026-02-30", "day is out of range for month", "2026-02-30"),
        ("until:9999-12-31", "the year 9999 is out of range", "9999-12-31"),
        ('tag:a"b"', "the quotation marks go around the whole value", 'a"b"'),
        ("cost:1e999", "cost needs a number of ordinary size", "1e999"),
        ("since:@nan", "needs a number of ordinary size", "@nan"),
    ],
)
def test_what_is_wrong_is_said_and_shown(text: str, says: str, marked: str) -> None:
    with pytest.raises(InvalidQuery) as raised:
        read(text)
    assert says in raised.value.problem
    assert raised.value.span is not None
    start, end = raised.value.span
    assert text[start:end] == marked
    assert str(raised.value) == (
        f"{raised.value.problem}\n  {text}\n  {' ' * start}{'^' * max(1, len(marked))}"
    )


def test_the_caret_stands_under_the_place_in_long_and_in_wide_text() -> None:
    with pytest.raises(InvalidQuery) as raised:
        read("x " * 50 + "日本\nmodle:1 " + "y " * 50)
    _, line, carets = str(raised.value).splitlines()
    assert len(line) < 100
    assert carets.index("^") == line.index("modle") + 2  # two characters that take two cells each
    assert carets.count("^") == len("modle")


def test_an_error_goes_through_pickle_with_its_place() -> None:
    with pytest.raises(InvalidQuery) as raised:
        read("a (b")
    again = pickle.loads(pickle.dumps(raised.value))
    assert (str(again), again.span) == (str(raised.value), (2, 3))


@pytest.mark.parametrize(
    "text",
    [
        "x" * 20_001,
        "(" * 9 + "a" + ")" * 9,
        "(" * 9000,
        "a " * 201,
        "tag:" + "a," * 1000 + "a",
        "tag:" + "a" * 10_001,
        "a" * 10_001,
    ],
)
def test_there_is_a_limit_to_everything(text: str) -> None:
    with pytest.raises(InvalidQuery) as raised:
        read(text)
    assert len(str(raised.value)) < 400


# --- any text, and back

_pieces = st.sampled_from(
    [
        *'()":,-*$^~<>=!.\\ \n日é',
        "OR",
        "AND",
        "NOT",
        "model:",
        "cost:",
        "since:",
        "metadata.",
        "is:",
        "7d",
        "1..2",
    ]
)


@given(st.text(max_size=60) | st.lists(_pieces | st.text(max_size=3), max_size=20).map("".join))
def test_any_text_is_a_filter_or_a_clear_error(text: str) -> None:
    try:
        meant = read(text)
    except InvalidQuery as problem:
        shown = str(problem)
    else:
        shown = format(meant)
        assert read(shown) == meant
    assert len(shown) < 2000
    complete(text, len(text) // 2)


_values = st.text(st.characters(), max_size=8) | st.sampled_from(
    ["ok", "ERROR", "OR", "*", "a*", "429", "1..2"]
)
_numbers = st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(10**6), 10**6).map(float)


def _value_of(kind: Kind, operator: Operator) -> st.SearchStrategy[object]:
    if operator is Operator.EXISTS:
        return st.none()
    if operator is Operator.ONE_OF:
        return st.lists(_values, min_size=1, max_size=4)
    if kind is Kind.FLAG:
        return st.booleans()
    one: st.SearchStrategy[object] = (
        _numbers if kind in (Kind.NUMBER, Kind.TIME, Kind.NESTED_NUMBER) else _values
    )
    return st.tuples(one, one) if operator is Operator.BETWEEN else one


@st.composite
def _conditions(draw: st.DrawFn) -> Filter:
    field = draw(st.sampled_from(list(FIELDS)))
    kind = FIELDS[field].kind
    operator = draw(st.sampled_from(sorted(kind.operators)))
    nested = kind in (Kind.NESTED, Kind.NESTED_NUMBER)
    key = draw(st.text(st.characters(), min_size=1, max_size=6) | st.just("user_id")) if nested else None
    return condition(field, operator, draw(_value_of(kind, operator)), key)


def _combined(inner: st.SearchStrategy[Filter]) -> st.SearchStrategy[Filter]:
    several = st.lists(inner, max_size=3)
    return several.map(all_of) | several.map(any_of) | inner.map(negated)


def _depth(filter: Filter) -> int:
    match filter:
        case And(filters) | Or(filters):
            return 1 + max(map(_depth, filters), default=0)
        case Not(inner):
            return _depth(inner)
    return 0


_filters = st.recursive(_conditions(), _combined, max_leaves=8).filter(lambda one: _depth(one) <= 8)


@given(_filters)
@example(asks("status", Operator.PREFIX, "ERROR"))
@example(asks("status", Operator.ONE_OF, ["ERROR", "error", "429"]))
@example(started(Operator.BETWEEN, (1e300, -0.1)))
@example(asks("latency_ms", Operator.LESS, 1e-7))
def test_a_filter_is_written_so_that_it_is_read_back(filter: Filter) -> None:
    assert read(format(filter)) == filter


def test_what_is_written_is_what_a_person_would_write() -> None:
    text = 'model:gpt-4o,gpt-4* (tag:prod OR -status:error) latency:>2s "refund policy" is:json user:42'
    assert format(read(text)) == (
        '(model:gpt-4o OR model:gpt-4*) (tag:prod OR -status:error) latency:>2s "refund policy" is:json '
        "metadata.user_id:42"
    )
    assert format(read("since:2026-01-01")) == "started:>=2026-01-01T00:00:00Z"


# --- what may be typed next


def fits(text: str) -> list[str]:
    return [one.text for one in complete(text, len(text)).suggestions]


def test_names_and_values_are_suggested_as_they_are_typed() -> None:
    assert fits("mo") == ["model:"]
    assert {"model:", "tag:", "latency:", "metadata.", "since:", "is:"} <= set(fits(""))
    assert "engine:" not in fits("tag:a ")
    assert fits("a -(eng") == ["engine:"]
    assert fits("status:e") == ["error"]
    assert fits("is:j") == ["json"]
    assert fits("latency:") == [">", ">=", "<", "<=", "*"]
    assert fits("since:") == ["1h", "24h", "7d", "30d", "today", "yesterday"]
    assert fits('"model') == fits("modle:") == fits("no.such:") == []


@pytest.mark.parametrize(
    ("text", "stored", "prefix"),
    [
        ("model:gpt", ("engine", None), "gpt"),
        ('x tag:a,"two w', ("tags", None), "two w"),
        ("-metadata.us", ("metadata_keys", None), "us"),
        ("metadata.user_id:4", ("metadata", "user_id"), "4"),
        ('metadata."my key":', ("metadata", "my key"), ""),
        ("user:", ("metadata", "user_id"), ""),
        ("score.", ("score_names", None), ""),
        ("output.ci", ("output_keys", None), "ci"),
    ],
)
def test_it_is_said_which_stored_values_fit(text: str, stored: tuple[str, str | None], prefix: str) -> None:
    completion = complete(text + " tag:b", len(text))
    assert (completion.stored, completion.prefix) == (stored, prefix)
    start, end = completion.span
    assert (text[start:end].lstrip('"'), end) == (prefix, len(text))


def test_a_store_has_a_list_of_all_the_values_that_are_said_to_fit(tmp_path: Path) -> None:
    fill(tmp_path / "requests.db")
    with closing(Store.open(tmp_path / "requests.db")) as store:
        store.catch_up()
        for typed in (
            [f"{name}:" for name in NAMES] + [f"{base}.x:" for base in BASES] + [f"{b}." for b in BASES]
        ):
            stored = complete(typed, len(typed)).stored
            if stored is not None:
                assert store.suggest(stored[0], key=stored[1]) is not None
        assert [one.value for one in store.suggest("engine")] == ["gpt-4o"]
    assert complete("id:", 3).stored is None


def test_a_stored_value_goes_in_as_it_is() -> None:
    for value in ('a "b" \\ c', "a,b", "*", "", "line\nbreak"):
        assert read(f"tag:{quoted(value)}") == is_("tags", value)


@given(st.text(max_size=40), st.integers(-5, 50))
def test_completing_never_fails(text: str, cursor: int) -> None:
    start, end = complete(text, cursor).span
    assert 0 <= start <= end <= len(text)
