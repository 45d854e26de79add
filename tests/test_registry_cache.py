"""Templates in memory: how long, how many, for whom, and what happens while PromptLayer is out of order."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import promptlayer_patch
from promptlayer_patch import _api, errors, templates
from promptlayer_patch._registry import cache, fetching
from promptlayer_patch._registry.cache import Key, TemplateCache
from tests.support.fake_promptlayer import PATIENCE_S, Answer, refused
from tests.support.fake_registry import DROPPED, KEY, TEXT, FakeRegistry, chat


class Clock:
    """The time, as far as the cache knows it."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    stopped = Clock()
    monkeypatch.setattr(cache, "time", stopped)
    return stopped


@pytest.fixture
def registry(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeRegistry]:
    monkeypatch.setattr(_api, "_FIRST_PAUSE_S", 0.0)
    templates.clear_cache()
    with FakeRegistry() as fake:
        monkeypatch.setenv("PROMPTLAYER_API_KEY", KEY)
        monkeypatch.setenv("PROMPTLAYER_BASE_URL", fake.base_url)
        fake.put("a", chat(TEXT), label="prod")
        yield fake
    templates.clear_cache()


def text_of(template: templates.PromptTemplate) -> str:
    text: str = template.messages[0]["content"][0]["text"]
    return text


def test_one_copy_serves_all_variables(registry: FakeRegistry) -> None:
    """It is kept as it was written, and filled in here."""
    names = ["Ada", "Bo", "Cy"]
    texts = [text_of(templates.get("a", input_variables={"name": name})) for name in names]
    assert texts == [f"Write to {name} about ." for name in names]
    assert [post.body["skip_input_variable_rendering"] for post in registry.asked()] == [True]
    assert "input_variables" not in registry.asked()[0].body


def test_it_is_fresh_for_its_time_and_not_longer(registry: FakeRegistry, clock: Clock) -> None:
    templates.get("a")
    clock.now += 59.9
    templates.get("a")
    assert len(registry.asked()) == 1
    clock.now += 0.2
    templates.get("a")
    assert len(registry.asked()) == 2


def test_the_time_is_an_option_and_an_argument(registry: FakeRegistry, clock: Clock) -> None:
    promptlayer_patch.install(to="memory:", cache_ttl_s=5)
    templates.get("a")
    clock.now += 6
    templates.get("a", cache_ttl_s=10)
    assert len(registry.asked()) == 1
    templates.get("a")
    assert len(registry.asked()) == 2


def test_without_a_time_promptlayer_is_always_asked_and_fills_in(registry: FakeRegistry) -> None:
    for _ in range(2):
        template = templates.get("a", input_variables={"name": "Ada", "topic": "x"}, cache_ttl_s=0)
        assert text_of(template) == "Write to Ada about x. (server)"
        assert template.variables == {"name": "Ada", "topic": "x"}
    assert [post.body["input_variables"]["name"] for post in registry.asked()] == ["Ada", "Ada"]
    assert text_of(templates.get("a", cache_ttl_s=0)) == TEXT
    assert not fetching.CACHE._entries
    with pytest.raises(errors.TemplateError, match="filled it in already"):
        template.format(name="Bo")
    with pytest.raises(errors.InvalidArgument):
        templates.publish("a", template)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ({}, {"version": 1}),
        ({}, {"label": "prod"}),
        ({}, {"provider": "openai"}),
        ({}, {"model": "gpt-4o"}),
        ({}, {"model_parameter_overrides": {"temperature": 0}}),
    ],
)
def test_other_arguments_are_another_entry(
    registry: FakeRegistry, first: dict[str, Any], second: dict[str, Any]
) -> None:
    for arguments in (first, second, first, second):
        templates.get("a", **arguments)
    assert len(registry.asked()) == 2


def test_another_account_or_address_is_another_entry(
    registry: FakeRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    templates.get("a")
    monkeypatch.setenv("PROMPTLAYER_API_KEY", "pl_another")
    with pytest.raises(errors.AuthenticationFailed):
        templates.get("a")
    with FakeRegistry() as other:
        other.put("a", chat("elsewhere"))
        monkeypatch.setenv("PROMPTLAYER_API_KEY", KEY)
        monkeypatch.setenv("PROMPTLAYER_BASE_URL", other.base_url)
        assert text_of(templates.get("a")) == "elsewhere"
    assert KEY not in repr(list(fetching.CACHE._entries))


def test_what_promptlayer_chooses_anew_each_time_is_not_kept(registry: FakeRegistry) -> None:
    for _ in range(2):
        templates.get("a", metadata_filters={"group": "b"})
    assert [post.body["metadata_filters"] for post in registry.asked()] == [{"group": "b"}] * 2


def test_nobody_changes_what_is_kept(registry: FakeRegistry) -> None:
    first = templates.get("a")
    first.messages[0]["content"][0]["text"] = "mine"
    first["llm_kwargs"].clear()
    first.clear()
    assert text_of(templates.get("a")) == TEXT
    assert templates.get("a").llm_kwargs["model"] == "gpt-4o-mini"
    assert len(registry.asked()) == 1


# While PromptLayer is out of order


@pytest.mark.parametrize("trouble", [refused(500), refused(429), DROPPED], ids=["500", "429", "dropped"])
def test_an_old_one_is_better_than_none(
    registry: FakeRegistry, clock: Clock, trouble: Answer, caplog: pytest.LogCaptureFixture
) -> None:
    """With one warning for each outage, and without asking each time."""
    templates.get("a")
    with caplog.at_level(logging.WARNING, "promptlayer_patch"):
        for _ in range(3):
            clock.now += 100
            registry.next_answers.extend([trouble] * 4)
            assert text_of(templates.get("a", input_variables={"name": "Ada"})) == "Write to Ada about ."
            registry.next_answers.clear()
            asked = len(registry.asked())
            templates.get("a")
            assert len(registry.asked()) == asked
    (line,) = [record.getMessage() for record in caplog.records]
    assert line.startswith("the prompt template a is served from memory, 100 s old: ")

    clock.now += 100
    templates.get("a")
    clock.now += 100
    registry.next_answers.extend([trouble] * 4)
    templates.get("a")
    assert len([record for record in caplog.records if record.levelno == logging.WARNING]) == 2


@pytest.mark.parametrize("refusal", [refused(404), refused(401), refused(422), Answer(200, b"<html>")])
def test_a_refusal_is_no_outage(registry: FakeRegistry, clock: Clock, refusal: Answer) -> None:
    """A template that was deleted must not live on for ever."""
    templates.get("a")
    clock.now += 100
    registry.next_answers.append(refusal)
    with pytest.raises(errors.APIStatusError):
        templates.get("a")


def test_without_an_old_one_the_trouble_is_raised(registry: FakeRegistry) -> None:
    registry.next_answers.extend([refused(500)] * 4)
    with pytest.raises(errors.ServerError):
        templates.get("a")
    assert text_of(templates.get("a")) == TEXT


# What changes a template


def test_a_change_made_here_is_seen_here(registry: FakeRegistry) -> None:
    number = registry.versions["a"][0]["id"]

    def latest() -> list[Any]:
        return [
            templates.get("a").version,
            templates.get(number).version,
            templates.get("a", label="prod").version,
        ]

    registry.put("b", chat("x"))
    templates.get("b")
    assert latest() == [1, 1, 1]
    templates.publish("a", [{"role": "user", "content": "2"}])
    assert latest() == [2, 2, 1]
    templates.patch(number, messages=[{"role": "user", "content": "3"}])
    assert latest() == [3, 3, 1]
    templates.set_label("a", "prod", 3)
    assert latest() == [3, 3, 3]
    templates.move_label("a", "prod", 2)
    assert latest() == [3, 3, 2]
    templates.delete_label("a", "prod")
    with pytest.raises(errors.NotFound):
        templates.get("a", label="prod")
    assert len(registry.asked("/prompt-templates/b")) == 1


def test_a_change_whose_answer_is_lost_is_taken_for_one(registry: FakeRegistry) -> None:
    templates.get("a")
    registry.next_answers.append(DROPPED)
    with pytest.raises(errors.APIConnectionError):
        templates.publish("a", [{"role": "user", "content": "2"}])
    templates.get("a")
    assert len(registry.asked("/prompt-templates/a")) == 2


def test_what_was_asked_for_before_a_change_is_not_kept_after_it() -> None:
    """The answer may have been on its way while the template changed."""
    store, key = TemplateCache(), Key(None, "a", "")
    wire = {"id": 1, "prompt_name": "a"}

    def fetch() -> dict[str, Any]:
        store.invalidate("a")
        return wire

    assert store.get(key, 60.0, 1.0, fetch) == wire
    assert not store._entries


def test_all_can_be_forgotten(registry: FakeRegistry) -> None:
    templates.get("a")
    templates.clear_cache()
    templates.get("a")
    assert len(registry.asked()) == 2


# Many at a time, and many of them


def test_many_that_miss_at_a_time_ask_once(registry: FakeRegistry) -> None:
    """The answer is held back until all of them wait for it."""
    store, key = TemplateCache(), Key(None, "a", "")
    begun, let_go, fetches = threading.Event(), threading.Event(), []

    def fetch() -> dict[str, Any]:
        fetches.append(1)
        begun.set()
        assert let_go.wait(PATIENCE_S)
        return {"id": 1}

    found: list[dict[str, Any]] = []
    threads = [
        threading.Thread(target=lambda: found.append(store.get(key, 60.0, PATIENCE_S, fetch)))
        for _ in range(20)
    ]
    for thread in threads:
        thread.start()
    assert begun.wait(PATIENCE_S)
    let_go.set()
    for thread in threads:
        thread.join()
    assert (found, fetches) == ([{"id": 1}] * 20, [1])
    assert len({id(one) for one in found}) == 20


def test_those_that_wait_are_told_what_went_wrong_and_when_it_takes_too_long() -> None:
    store, key = TemplateCache(), Key(None, "a", "")
    begun, let_go, raised = threading.Event(), threading.Event(), []

    def fetch() -> dict[str, Any]:
        begun.set()
        assert let_go.wait(PATIENCE_S)
        raise errors.NotFound(404, "gone")

    def get() -> None:
        with pytest.raises(errors.NotFound) as told:
            store.get(key, 60.0, PATIENCE_S, fetch)
        raised.append(told.value)

    first = threading.Thread(target=get)
    first.start()
    assert begun.wait(PATIENCE_S)
    with pytest.raises(errors.APITimeoutError):
        store.get(key, 60.0, 0.01, fetch)
    second = threading.Thread(target=get)
    second.start()
    let_go.set()
    first.join()
    second.join()
    assert [str(one) for one in raised] == ["HTTP 404: gone"] * 2
    assert raised[0] is not raised[1]


def test_who_is_interrupted_leaves_it_to_the_next() -> None:
    store, key = TemplateCache(), Key(None, "a", "")

    def interrupted() -> dict[str, Any]:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        store.get(key, 60.0, 1.0, interrupted)
    assert store.get(key, 60.0, 1.0, lambda: {"id": 1}) == {"id": 1}


def test_it_is_bounded_and_keeps_what_is_used() -> None:
    store = TemplateCache()
    kept = Key(None, "kept", "")
    for number in range(2000):
        store.get(kept, 60.0, 1.0, lambda: {"id": 0})
        store.get(Key(None, str(number), ""), 60.0, 1.0, lambda number=number: {"id": number})
    assert len(store._entries) == 512
    assert kept in store._entries


@given(
    st.lists(
        st.tuples(st.sampled_from("abcd"), st.sampled_from(["get", "fail", "change", "invalidate", "clear"])),
        max_size=40,
    )
)
def test_what_is_given_is_never_older_than_a_change_made_here(steps: list[tuple[str, str]]) -> None:
    """Whatever the order of calls: an answer is current, or the last one seen if PromptLayer fails."""
    store, current, known = TemplateCache(), dict.fromkeys("abcd", 0), {}
    for name, step in steps:
        key = Key(None, name, "")
        if step == "change":
            current[name] += 1
        elif step == "invalidate":
            store.invalidate(name)
            known.pop(name, None)
        elif step == "clear":
            store.clear()
            known.clear()
        else:

            def fetch(step: str = step, name: str = name) -> dict[str, Any]:
                if step == "fail":
                    raise errors.ServerError(500, "no")
                return {"prompt_name": name, "version": current[name]}

            if step == "fail" and name not in known:
                with pytest.raises(errors.ServerError):
                    store.get(key, 1000.0, 1.0, fetch)
                continue
            found = store.get(key, 1000.0, 1.0, fetch)["version"]
            assert found == known.setdefault(name, current[name])
