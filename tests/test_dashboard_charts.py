"""The page of charts: what it draws and says, over HTTP."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest

from promptlayer_patch.annotations import PromptLink
from promptlayer_patch.records import Ending, Failure
from promptlayer_patch.server.dashboard import charts
from promptlayer_patch.server.running import Server
from promptlayer_patch.store import Store
from tests.support.dashboard_pages import HOSTILE, Page
from tests.support.serving import Client, client_of_another_workspace, serving
from tests.support.stored import JANUARY_2026, said

DAY_S = 86_400.0
CHARTS = ["Requests", "Latency", "Time to first token", "Tokens", "Cost"]


@pytest.fixture
def served(tmp_path: Path) -> Iterator[tuple[Server, Client]]:
    with serving(tmp_path) as (server, client):
        yield server, client


def keep(server: Server, *records: Any) -> None:
    with closing(Store.open(server.db)) as store:
        store.add(records)
        store.catch_up()


def two_weeks() -> list[Any]:
    """One request a day, then two; each second one fails. Streams take a second to begin."""
    records = []
    for day in range(14):
        for turn in range(1 + day // 7):
            at = (day + 0.5) * DAY_S + turn
            fails = day >= 7 and turn == 1
            records.append(
                said(
                    "Hello",
                    "Good day",
                    at,
                    tags=("prod",) if turn == 0 else ("test", "prod"),
                    metadata={"user_id": f"u{day % 3}"},
                    streamed=turn == 0,
                    first_token_at=JANUARY_2026 + at + 1 if turn == 0 else None,
                    prompt=PromptLink("greeting", 1),
                    **(FAILED if fails else {}),
                )
            )
    return records


def of_model(name: str, at: float = 0.0, **fields: Any) -> Any:
    """A chat with a model that has no price and counts no tokens."""
    answer = {"choices": [{"index": 0, "message": {"role": "assistant", "content": "Ho"}}]}
    return said("Hi", "Ho", at, request={"model": name, "messages": []}, response=answer, **fields)


FAILED = {
    "ending": Ending.PROVIDER_ERROR,
    "response": None,
    "error": Failure("RateLimitError", "slow down", 429),
}


def shown(client: Client, **query: Any) -> dict[str, Any]:
    answer = client.get(f"/charts?{urlencode({**query, 'format': 'json'})}")
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()["shown"]
    return found


def chart(found: dict[str, Any], id: str) -> dict[str, Any]:
    (one,) = (one for one in found["charts"] if one["id"] == id)
    return dict(one)


def test_each_chart_is_a_table_that_says_what_it_draws(served: tuple[Server, Client]) -> None:
    server, client = served
    keep(server, *two_weeks())
    page = Page(client.get("/charts").text)
    assert [heading.text for heading in page.all("h2")][: len(CHARTS)] == CHARTS
    assert len(page.all("figure", class_="chart-card")) == len(page.all("details", class_="chart-table")) == 5
    drawn = chart(shown(client), "requests")
    assert drawn["series"] == ["Successes", "Warnings", "Errors"]
    sums = [sum(values) for values in zip(*(row["values"] for row in drawn["rows"]), strict=True)]
    assert sums == [14, 0, 7]
    cells = [
        float(cell.attributes["data-value"]) for cell in page.all("td") if "data-value" in cell.attributes
    ]
    assert cells[: len(drawn["rows"]) * 3] == [value for row in drawn["rows"] for value in row["values"]]


def test_the_numbers_on_top_are_held_against_the_same_time_before(served: tuple[Server, Client]) -> None:
    server, client = served
    keep(server, *two_weeks())
    week = {"q": "started:>=2026-01-08 started:<2026-01-15"}
    tiles = {tile["name"]: (tile["value"], tile["before"]) for tile in shown(client, **week)["tiles"]}
    assert tiles["Requests"] == (14, 7)
    assert tiles["Errors"] == (0.5, 0)
    assert tiles["Latency p50"][0] == pytest.approx(1.5, rel=0.04)
    assert tiles["Tokens"] == (84, 84)
    text = Page(client.get(f"/charts?{urlencode(week)}").text)
    assert "▲ 100.0 % from 7" in [one.text for one in text.all("dd")]


def test_without_a_beginning_nothing_is_compared(served: tuple[Server, Client]) -> None:
    server, client = served
    keep(server, *two_weeks())
    found = shown(client, q="tag:prod")
    assert found["compared"] is False
    assert all(tile["before"] is None for tile in found["tiles"])


def test_an_open_time_ends_now_even_in_silence(served: tuple[Server, Client]) -> None:
    server, client = served
    keep(server, said("Hi", "Ho", time.time() - JANUARY_2026 - 40 * 60))
    found = shown(client, q="since:1h")
    assert 3590 < found["until"] - found["since"] < 3610
    assert found["tiles"][0]["value"] == 1


def test_the_time_to_the_first_token_is_that_of_streams(served: tuple[Server, Client]) -> None:
    server, client = served
    keep(server, *two_weeks())
    drawn = chart(shown(client), "first-token")
    known = [value for row in drawn["rows"] for value in row["values"] if value is not None]
    assert len(known) == 14 * 3
    assert known == pytest.approx([1.0] * len(known), rel=0.04)
    assert drawn["complete"] is True


def test_charts_begin_where_counting_had_to_stop(
    served: tuple[Server, Client], monkeypatch: pytest.MonkeyPatch
) -> None:
    server, client = served
    keep(server, *two_weeks())
    monkeypatch.setattr(charts, "MOST_COUNTED", 4)
    query = {"q": "tag:prod since:2026-01-01 before:2026-01-15"}
    found = shown(client, **query)
    assert (found["complete"], found["compared"]) == (False, False)
    assert found["tiles"][0]["value"] == 4
    assert found["since"] == JANUARY_2026 + 12 * DAY_S + DAY_S / 2
    assert chart(found, "requests")["rows"][0]["values"] == [1, 0, 1]
    assert (
        "Counting all of them"
        in Page(client.get(f"/charts?{urlencode(query)}").text).one("p", role="status").text
    )
    assert shown(client, q="since:2026-01-01")["complete"] is True, "the rollups know all of them"


def test_what_no_request_says_is_no_zero(served: tuple[Server, Client]) -> None:
    server, client = served
    keep(server, of_model("of-nobody"))
    found = shown(client)
    assert {row["values"][0] for row in chart(found, "cost")["rows"]} == {None}
    assert {value for row in chart(found, "first-token")["rows"] for value in row["values"]} == {None}
    assert {tile["name"]: tile["value"] for tile in found["tiles"]}["Cost"] is None
    figures = Page(client.get("/charts").text).all("figure", class_="chart-card")
    empty = {one.attributes["data-series"] for one in figures if "Nothing to draw." in one.text}
    assert empty == {"cost", "first-token"}


@pytest.mark.parametrize(
    ("title", "name", "added"),
    [
        ("Models", "gpt-4o", "model:gpt-4o"),
        ("Tags", "test", "tag:test"),
        ("Prompt templates", "greeting", "prompt:greeting"),
        ("Errors", "PROVIDER_RATE_LIMIT", "error:provider_rate_limit"),
    ],
)
def test_a_bar_leads_to_the_query_with_its_value(
    title: str, name: str, added: str, served: tuple[Server, Client]
) -> None:
    server, client = served
    keep(server, *two_weeks())
    (breakdown,) = (one for one in shown(client, q="since:2026-01-02")["breakdowns"] if one["title"] == title)
    (bar,) = (bar for bar in breakdown["bars"] if bar["name"] == name)
    assert bar["query"] == f"since:2026-01-02 {added}"
    assert shown(client, q=bar["query"])["tiles"][0]["value"] == bar["requests"]


def test_bars_are_in_the_order_of_what_they_measure(served: tuple[Server, Client]) -> None:
    server, client = served
    keep(server, *two_weeks(), of_model("slow", 5, ended_at=JANUARY_2026 + 65))
    by_measure = {
        measure: [bar["name"] for bar in shown(client, measure=measure)["breakdowns"][0]["bars"]]
        for measure in ("requests", "latency")
    }
    assert by_measure == {"requests": ["gpt-4o", "slow"], "latency": ["slow", "gpt-4o"]}


def test_a_key_of_the_metadata_breaks_requests_down_by_its_values(served: tuple[Server, Client]) -> None:
    server, client = served
    keep(server, *two_weeks(), said("Hi", "Ho", 9))
    found = shown(client, q="tag:prod", metadata="user_id")
    assert found["metadata_keys"] == ["user_id"]
    assert {bar["name"]: bar["requests"] for bar in found["metadata"]["bars"]} == {"u0": 7, "u1": 8, "u2": 6}
    assert found["metadata"]["bars"][0]["query"] == "tag:prod metadata.user_id:u1"


def test_a_time_that_was_drawn_becomes_part_of_the_query(served: tuple[Server, Client]) -> None:
    _, client = served
    times = {"from": "2026-01-01T00:00:00.000Z", "to": "2026-01-01T00:01:00.000Z"}
    address = urlencode({"q": "since:7d tag:prod", "measure": "cost", **times})
    answer = client.get(f"/charts?{address}", allow_redirects=False)
    assert answer.status_code == 303
    kept = parse_qs(urlsplit(answer.headers["Location"]).query)
    assert kept["measure"] == ["cost"]
    assert kept["q"] == ["tag:prod since:2026-01-01T00:00:00.000Z before:2026-01-01T00:01:00.000Z"]


def test_a_query_that_cannot_be_read_is_shown_with_the_place(served: tuple[Server, Client]) -> None:
    _, client = served
    answer = client.get(f"/charts?{urlencode({'q': 'tag:prod colour:red'})}")
    assert answer.status_code == 400
    page = Page(answer.text)
    assert page.one("input", id="q").attributes["aria-invalid"] == "true"
    assert page.one("code", class_="place").text == "tag:prod colour:red"
    assert page.one("mark").text == "colour"


def test_an_empty_store_has_a_page(served: tuple[Server, Client]) -> None:
    _, client = served
    page = Page(client.get("/charts").text)
    assert page.one("p", class_="empty").text == "There are no requests of this query and time."


def test_hostile_names_are_text(served: tuple[Server, Client]) -> None:
    server, client = served
    keep(
        server,
        of_model(
            HOSTILE,
            tags=(HOSTILE,),
            metadata={HOSTILE: HOSTILE},
            prompt=PromptLink(HOSTILE, 1),
        ),
    )
    page = Page(client.get(f"/charts?{urlencode({'metadata': HOSTILE})}").text)
    page.assert_harmless()
    assert len([link for link in page.all("a", class_="bar-name") if "{{7*7}}" in link.text]) == 4


def test_charts_are_of_the_own_workspace(served: tuple[Server, Client]) -> None:
    server, _ = served
    keep(server, *two_weeks())
    with closing(client_of_another_workspace(server)) as other:
        while other.get("/charts").status_code == 503:  # its file is new, and is being indexed
            pass
        assert shown(other)["tiles"][0]["value"] == 0
    assert Client(server.url, None).get("/charts").status_code == 401
