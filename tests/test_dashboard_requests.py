"""The list of requests over HTTP: every address is a page and data, and changes come from our own forms."""

from __future__ import annotations

import csv
import io
import json
import re
import sqlite3
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from html import unescape
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
import requests

from promptlayer_patch.annotations import PromptLink, Score
from promptlayer_patch.server.dashboard.rendering import rendered
from promptlayer_patch.server.dashboard.requests_asking import asked
from promptlayer_patch.server.running import Server
from promptlayer_patch.store import Store, Total
from tests.support.browsing import Browser, browsing, page_of
from tests.support.fake_promptlayer import PATIENCE_S
from tests.support.serving import client_of_another_workspace
from tests.support.stored import fill, said

HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>{{ 7 * 7 }}"
PAGES = ("/", "/requests/rows", "/requests/facets", "/requests/chart")


def indexed(db: Path) -> None:
    with closing(Store.open(db)) as store:
        store.catch_up()


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[int]]:
    """A store for those that only look."""
    db = tmp_path_factory.mktemp("served") / "requests.db"
    ids = fill(db)
    indexed(db)
    return db, ids


@pytest.fixture(scope="module")
def ids(filled: tuple[Path, list[int]]) -> list[int]:
    """Oldest first; in every store that is filled alike they are the same."""
    return filled[1]


@pytest.fixture(scope="module")
def browser(filled: tuple[Path, list[int]]) -> Iterator[Browser]:
    with browsing(filled[0]) as browser:
        yield browser


@pytest.fixture
def own_db(tmp_path: Path) -> Path:
    fill(tmp_path / "requests.db")
    indexed(tmp_path / "requests.db")
    return tmp_path / "requests.db"


@pytest.fixture
def own(own_db: Path) -> Iterator[Browser]:
    """Who changes something."""
    with browsing(own_db) as browser:
        yield browser


def shown(browser: Browser, **parameters: object) -> list[int]:
    """The ids in the list, in its order."""
    page = browser.page(f"/?{urlencode(parameters)}")
    return [int(row["data-id"]) for row in page.all("tr", data_row="")]


def data(browser: Browser, path: str, **parameters: object) -> Any:
    answer = browser.get(f"{path}?{urlencode({**parameters, 'format': 'json'})}")
    assert answer.headers["content-type"] == "application/json"
    return answer.json()


def facets_of(browser: Browser, q: str = "") -> dict[str, list[dict[str, Any]]]:
    return {one["field"]: one["values"] for one in data(browser, "/requests/facets", q=q)["facets"]}


# --- the list


@pytest.mark.parametrize("path", PAGES)
def test_every_page_has_the_same_as_data(browser: Browser, ids: list[int], path: str) -> None:
    assert browser.get(path).headers["content-type"].startswith("text/html")
    assert isinstance(data(browser, path, q="tag:prod"), dict)


def test_the_newest_request_is_on_top_with_what_was_said(browser: Browser, ids: list[int]) -> None:
    assert shown(browser) == ids[::-1]
    text = browser.page("/").text
    for words in ("Where is my refund?", "On its way.", "RateLimitError", "slow down", "4 requests"):
        assert words in re.sub(r"\s+", " ", text)


def test_a_query_finds_and_says_how_many(browser: Browser, ids: list[int]) -> None:
    assert shown(browser, q="tag:prod") == [ids[1], ids[0]]
    assert data(browser, "/", q="退款")["total"] == {"count": 1, "exact": True}


def test_what_cannot_be_read_is_shown_under_the_bar_with_its_place(browser: Browser, ids: list[int]) -> None:
    answer = browser.get("/?q=tag:prod+foo:3")
    assert "there is no field foo" in answer.text
    assert "tag:prod <mark>foo</mark>:3" in answer.text
    assert data(browser, "/", q="foo:3")["problem"]["marked"] == "foo"


@pytest.mark.parametrize(
    ("sort", "order", "places"),
    [("cost", "desc", None), ("latency_ms", "asc", None), ("request_start_time", "asc", [0, 1, 2, 3])],
)
def test_the_list_is_in_the_order_that_was_asked_for(
    browser: Browser, ids: list[int], sort: str, order: str, places: list[int] | None
) -> None:
    found = shown(browser, sort=sort, order=order)
    assert sorted(found) == sorted(ids)
    if places is not None:
        assert found == [ids[place] for place in places]


def test_an_order_that_there_is_not_is_refused(browser: Browser) -> None:
    assert browser.get("/?sort=ending").status_code == 422


@pytest.mark.parametrize("sort", ["request_start_time", "cost", "latency_ms", "status"])
def test_pages_follow_each_other_without_gap_or_repetition(tmp_path: Path, sort: str) -> None:
    db = tmp_path / "many.db"
    with closing(Store.open(db)) as store:
        ids = store.add([said(f"question {n}", "answer", n, ended_at=float(n % 7)) for n in range(120)])
    indexed(db)
    with browsing(db) as browser:
        address, found = f"/?sort={sort}", []
        while address:
            page = browser.page(address)
            found += [int(row["data-id"]) for row in page.all("tr", data_row="")]
            following = page.all("a", rel="next")
            address = following[0]["href"] if following else ""
            if following:
                assert following[0]["data-hx-get"].startswith("/requests/rows?")
                part = page_of(browser.get(following[0]["data-hx-get"], headers={"HX-Request": "true"}).text)
                assert not part.all("html")
    assert sorted(found) == sorted(ids)
    assert len(found) == 120


def test_columns_are_chosen_by_a_form_or_by_the_address(own: Browser, ids: list[int]) -> None:
    assert "c-function" not in own.get("/").text
    assert "c-function" in own.get("/?columns=time,function").text
    answer = own.post("/requests/columns", {"column": ["time", "user"], "back": "tag:prod"})
    assert answer.status_code == 303
    assert answer.headers["location"] == "/?q=tag%3Aprod"
    page = own.get("/").text
    assert "c-user" in page
    assert "c-model" not in page
    assert "c-model" in own.get("/?columns=nonsense").text


def test_a_time_that_was_chosen_becomes_part_of_the_query(browser: Browser, ids: list[int]) -> None:
    answer = browser.get(
        "/?q=tag:prod+since:1h&from=2026-01-01T00:00:30.000Z&to=2026-01-01T00:02:00Z&sort=cost",
        allow_redirects=False,
    )
    assert answer.status_code == 303
    where = urlsplit(answer.headers["location"])
    asked = parse_qs(where.query)
    assert asked == {
        "q": ["tag:prod since:2026-01-01T00:00:30.000Z before:2026-01-01T00:02:00Z"],
        "sort": ["cost"],
    }
    assert shown(browser, q=asked["q"][0]) == [ids[1]]


def test_a_time_cannot_bring_other_conditions_along(browser: Browser, ids: list[int]) -> None:
    answer = browser.get("/?q=a&from=2026-01-01+tag:x", allow_redirects=False)
    assert parse_qs(urlsplit(answer.headers["location"]).query) == {"q": ["a"]}


def test_the_form_of_times_shows_those_of_the_query(browser: Browser, ids: list[int]) -> None:
    page = browser.page("/?q=tag:prod+since:2026-01-01T00:00:30Z")
    [begin] = page.all("input", name="from")
    [end] = page.all("input", name="to")
    assert begin["data-at"] == "2026-01-01T00:00:30.000Z"
    assert "data-at" not in end


def test_an_empty_store_says_what_to_paste(tmp_path: Path) -> None:
    with browsing(tmp_path / "empty.db") as browser:
        page = browser.get("/")
        assert "PROMPTLAYER_BASE_URL=http://127.0.0.1:" in page.text
        assert "No requests yet" in page.text
        assert "No requests yet" not in browser.get("/?q=x").text
        for path in PAGES:
            assert browser.get(path).status_code == 200


def test_the_line_to_paste_logs_here_and_the_page_has_no_key(tmp_path: Path) -> None:
    with Server(tmp_path / "my requests.db") as server:
        server.start()
        browser = Browser(server)
        html = browser.get("/").text
        program = pasted(html).replace(
            "promptlayer-patch run -- python app.py", "printenv PROMPTLAYER_BASE_URL PROMPTLAYER_API_KEY"
        )
        ran = subprocess.run(["sh", "-c", program], capture_output=True, text=True, check=True)
        assert ran.stdout.split() == [server.url, server.api_key]
        assert str(server.api_key) not in html
        other = client_of_another_workspace(server)
        assert "PROMPTLAYER_API_KEY='your API key'" in pasted(other.get("/").text)
        browser.close()
        other.close()


def pasted(html: str) -> str:
    found = re.search(r'<pre id="paste">(.*?)</pre>', html, re.DOTALL)
    assert found
    return unescape(re.sub("<[^>]*>", "", found[1]))


# --- live


def test_who_watches_gets_rows_only_when_there_are_others(own: Browser, ids: list[int]) -> None:
    page = own.page("/?q=tag:prod")
    body = next(known for tag, known in page.elements if tag == "tbody")
    watch = f"{body['data-live']}&known={body['data-mark']}"
    assert own.get(watch).status_code == 204
    assert own.post("/requests/score", {"id": ids[0], "score": "77"}).status_code == 303
    fresh = own.get(watch, headers={"HX-Request": "true"})
    assert fresh.status_code == 200
    assert page_of(fresh.text).all("tr", data_row="")
    assert "77" in fresh.text


def test_only_the_newest_page_is_watched(browser: Browser, ids: list[int]) -> None:
    for path in ("/?sort=cost", f"/?after={ids[2]}", "/?order=asc"):
        assert "data-live" not in browser.get(path).text


# --- the sidebar, the chart, completion


def test_facets_have_counts_and_add_and_remove_their_condition(browser: Browser, ids: list[int]) -> None:
    facets = facets_of(browser, "refund")
    assert facets["tags"][0] == {
        "value": "mail",
        "count": 1,
        "chosen": False,
        "toggled": "refund tag:mail",
        "excluded": "refund -tag:mail",
    }
    [mail] = [one for one in facets_of(browser, "refund tag:mail")["tags"] if one["value"] == "mail"]
    assert (mail["chosen"], mail["toggled"]) == (True, "refund")


def test_of_what_a_request_has_one_of_the_others_stay_in_sight(browser: Browser, ids: list[int]) -> None:
    facets = {
        one["field"]: one["values"] for one in data(browser, "/requests/facets", q="status:error")["facets"]
    }
    assert {value["value"]: value["toggled"] for value in facets["status"]} == {
        "SUCCESS": "status:success",
        "ERROR": "",
    }
    assert facets["status"][0]["count"] == 3


def test_users_are_found_by_their_id(browser: Browser, ids: list[int]) -> None:
    facets = facets_of(browser)
    assert facets["metadata"][0]["value"] == "42"
    assert shown(browser, q=facets["metadata"][0]["toggled"]) == [ids[1]]


def test_the_chart_counts_requests_and_errors(browser: Browser, ids: list[int]) -> None:
    activity = data(browser, "/requests/chart")["activity"]
    assert sum(point["ok"] for point in activity["points"]) == 3
    assert sum(point["errors"] for point in activity["points"]) == 1
    narrow = data(browser, "/requests/chart", q="since:2026-01-01T00:00:30Z before:2026-01-01T00:02:00Z")
    assert sum(point["ok"] for point in narrow["activity"]["points"]) == 1
    assert "<svg" in browser.get("/requests/chart").text


def test_fields_and_values_are_completed(browser: Browser, ids: list[int]) -> None:
    def offered(text: str) -> list[str]:
        answer = browser.get(f"/complete?{urlencode({'q': text, 'at': len(text)})}").json()
        return [one["text"] for one in answer["suggestions"]]

    assert "model:" in offered("mod")
    assert offered("tag:p") == ["prod"]
    assert "user_id:" in offered("metadata.us")
    assert offered('-model:"gpt') == ["gpt-4o"]


# --- many requests at once


def test_selected_requests_are_tagged_and_found_at_once(own: Browser, ids: list[int]) -> None:
    answer = own.post("/requests/tag", {"id": ids[:2], "all": "", "tag": "vip, new", "q": "tag:vip"})
    assert (answer.status_code, answer.headers["location"]) == (303, "/?q=tag%3Avip")
    assert shown(own, q="tag:vip tag:new") == [ids[1], ids[0]]
    own.post("/requests/tag", {"id": ids[0], "tag": "vip", "way": "remove"})
    assert shown(own, q="tag:vip") == [ids[1]]


def test_all_requests_of_a_query_are_scored(own: Browser, ids: list[int]) -> None:
    own.post("/requests/score", {"all": "yes", "q": "tag:prod", "score": "60", "name": "tone"})
    assert shown(own, q="score.tone:60") == [ids[1], ids[0]]


@pytest.mark.parametrize("score", ["", "101", "-1", "x"])
def test_a_score_is_between_0_and_100(browser: Browser, ids: list[int], score: str) -> None:
    assert browser.post("/requests/score", {"id": ids[0], "score": score}).status_code == 422


def test_deleting_asks_first_and_says_how_many(own: Browser, ids: list[int]) -> None:
    asks = own.post("/requests/delete", {"all": "yes", "q": "tag:prod"})
    assert asks.status_code == 200
    page = page_of(asks.text)
    assert "2 requests will be deleted" in re.sub(r"\s+", " ", page.text)
    assert shown(own) == ids[::-1]
    form = {one["name"]: one["value"] for one in page.all("input", type="hidden")}
    assert own.post("/requests/delete", form).status_code == 303
    assert shown(own) == [ids[3], ids[2]]


def traces(db: Path, word: bytes) -> bool:
    return any(word in file.read_bytes() for file in db.parent.glob(f"{db.name}*"))


def are_gone(db: Path, word: bytes) -> bool:
    """Wait until nothing of it is left in the file."""
    deadline, pause = time.monotonic() + PATIENCE_S, threading.Event()
    while traces(db, word) and time.monotonic() < deadline:
        pause.wait(0.02)
    return not traces(db, word)


def test_what_is_deleted_leaves_the_file_behind_the_answer(own_db: Path) -> None:
    with closing(Store.open(own_db)) as store:
        (number,) = store.add([said("What?", "That.", tags=("zyzzyva",))])
        store.catch_up()
    assert traces(own_db, b"zyzzyva")
    with browsing(own_db) as own:
        assert own.post("/requests/delete", {"id": number, "sure": "yes"}).status_code == 303
        assert number not in shown(own)
        assert are_gone(own_db, b"zyzzyva")


def test_what_a_server_left_of_the_deleted_the_next_one_removes(own_db: Path) -> None:
    with closing(Store.open(own_db)) as store:
        (number,) = store.add([said("What?", "That.", tags=("zyzzyva",))])
        store.catch_up()
        store.delete([number], cleans=False)
    assert traces(own_db, b"zyzzyva")
    with browsing(own_db):
        assert are_gone(own_db, b"zyzzyva")


def test_the_form_says_how_many_requests_all_of_a_query_are(browser: Browser, ids: list[int]) -> None:
    form = browser.page("/?q=tag:prod").text
    assert "All of this query (2)" in " ".join(form.split())
    assert "One form changes" not in form


def test_the_form_says_before_the_click_what_it_leaves_as_it_is() -> None:
    """Beyond 10,000 they are not counted, and one form changes no more."""
    given = {"total": Total(10_000, False), "columns": (), "all_columns": (), "asked": asked("")}
    page = page_of(rendered({}, "requests_actions.html", given))
    said = " ".join(page.text.split())
    assert (
        "All of this query (10,000+) There are more than 10,000. One form changes the newest 10,000" in said
    )
    (choice,) = [one for one in page.all("input", type="radio") if one["value"] == "yes"]
    assert choice["aria-describedby"] == "bulk-most"


def test_changes_come_from_our_own_pages_only(own: Browser, ids: list[int]) -> None:
    for path in ("tag", "score", "delete", "export", "columns"):
        form = {"id": ids[0], "tag": "x", "score": "1", "sure": "yes"}
        for headers in (
            {"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"},
            {"Origin": "null", "Sec-Fetch-Site": "cross-site"},
        ):
            assert own.post(f"/requests/{path}", form, headers=headers).status_code == 403
    assert shown(own) == ids[::-1]


def test_another_workspace_sees_and_changes_nothing_of_it(own_db: Path, ids: list[int]) -> None:
    with Server(own_db) as server:
        server.start()
        other = client_of_another_workspace(server)
        assert other.get("/?format=json").json()["items"] == []
        form = {"id": [*map(str, ids)], "tag": "x", "score": "1", "sure": "yes"}
        headers = {"Origin": server.url}
        for path in ("tag", "score", "delete"):
            assert other.send("POST", f"/requests/{path}", data=form, headers=headers).ok
        assert other.get("/requests/export").content == b""
        other.close()
    with closing(Store.open(own_db, read_only=True)) as store:
        assert store.count() == 4
        assert store.recent()[-1].tags == ("prod", "mail")
        assert store.recent()[-1].scores == {"accuracy": 90}


# --- downloads


def test_a_download_is_exactly_the_query(browser: Browser, ids: list[int]) -> None:
    answer = browser.get("/requests/export?q=tag:prod")
    assert answer.headers["content-disposition"] == 'attachment; filename="requests.jsonl"'
    assert answer.headers["content-type"] == "application/jsonl; charset=utf-8"
    assert answer.headers["x-content-type-options"] == "nosniff"
    rows = [json.loads(line) for line in answer.text.splitlines()]
    assert [row["request_id"] for row in rows] == ids[:2]


def test_selected_rows_are_downloaded_without_formulas(browser: Browser, ids: list[int]) -> None:
    answer = browser.post("/requests/export", {"id": ids[2:], "kind": "csv", "q": "tag:prod"})
    rows = list(csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig"))))
    assert [int(row["request_id"]) for row in rows] == ids[2:]
    assert rows[1]["output"] == "'-1 is\nnegative"


def test_a_download_of_any_length_comes_whole(tmp_path: Path) -> None:
    db = tmp_path / "many.db"
    with closing(Store.open(db)) as store:
        ids = store.add([said("long " * 200, "answer", n) for n in range(450)])
    indexed(db)
    with browsing(db) as browser:
        answer = browser.get("/requests/export")
        assert "content-length" not in answer.headers
        assert [json.loads(line)["request_id"] for line in answer.text.splitlines()] == ids
        with browser.get("/requests/export", stream=True) as half:
            half.raw.read(1000)
        assert browser.get("/").status_code == 200


def test_a_download_that_cannot_go_on_has_no_end(own_db: Path, ids: list[int]) -> None:
    """Whoever takes it for whole would miss requests without a word."""
    with browsing(own_db) as browser:
        with closing(sqlite3.connect(own_db)) as connection, connection:
            connection.execute("UPDATE bodies SET body = x'00' WHERE request_id = ?", (ids[1],))
            connection.execute("UPDATE split_bodies SET body = x'00' WHERE request_id = ?", (ids[1],))
        with pytest.raises(requests.exceptions.ChunkedEncodingError):
            browser.get("/requests/export")
        assert browser.get("/requests/facets").status_code == 200


def test_a_download_of_no_query_is_refused(browser: Browser) -> None:
    assert browser.get("/requests/export?q=foo:3").status_code == 400


# --- what is shown is text


def test_whatever_a_record_holds_is_shown_as_text(tmp_path: Path) -> None:
    db = tmp_path / "hostile.db"
    with closing(Store.open(db)) as store:
        ids = store.add(
            [
                said(
                    HOSTILE,
                    HOSTILE,
                    tags=(HOSTILE,),
                    metadata={"user_id": HOSTILE, HOSTILE: HOSTILE},
                    request={"model": HOSTILE, "messages": [{"role": "user", "content": HOSTILE}]},
                    response={"model": HOSTILE, "choices": [{"message": {"content": HOSTILE}}]},
                    function_name=HOSTILE,
                )
            ]
        )
        store.annotate(ids[0], Score(5, HOSTILE))
    indexed(db)
    columns = "time,model,function,preview,tags,scores,user,prompt,groups"
    with browsing(db) as browser:
        for path in (*PAGES, f"/?columns={columns}", f"/?{urlencode({'q': HOSTILE})}"):
            page = browser.page(path)
            assert all("src" in known for known in page.all("script"))
            assert not [name for _, known in page.elements for name in known if name.startswith("on")]
            assert not page.all("img", src="x")
            assert not [known for _, known in page.elements if "style" in known]
            assert "49" not in page.all("title")
        asked = {
            value["toggled"] for one in data(browser, "/requests/facets")["facets"] for value in one["values"]
        }
        for text in asked:
            assert shown(browser, q=text) == ids, text


def test_texts_of_any_length_leave_the_page_small(tmp_path: Path) -> None:
    db = tmp_path / "long.db"
    word = "w" * 100_000
    with closing(Store.open(db)) as store:
        for n in range(20):
            store.add(
                [
                    said(
                        word,
                        word,
                        n,
                        tags=(word, *map(str, range(50))),
                        metadata={"user_id": word},
                        function_name=word,
                        prompt=PromptLink(word),
                    )
                ]
            )
    indexed(db)
    columns = "time,model,function,preview,tags,scores,user,prompt,groups"
    with browsing(db) as browser:
        for path in (f"/?columns={columns}", *PAGES):
            assert len(browser.get(path).content) < 100_000, path
