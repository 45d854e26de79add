"""What is refused is told to people as a page, and to programs as JSON."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.serving import Client, serving

AS_BROWSERS_DO = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    with serving(tmp_path_factory.mktemp("served")) as (_, client):
        yield client


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/nowhere", 404), ("GET", "/language", 405), ("POST", "/", 405), ("GET", "/track-request", 405)],
)
def test_people_see_a_page_and_programs_get_json(method: str, path: str, status: int, client: Client) -> None:
    page = client.send(method, path, headers=AS_BROWSERS_DO)
    assert (page.status_code, page.headers["Content-Type"]) == (status, "text/html; charset=utf-8")
    assert "<h1>" in page.text
    answer = client.send(method, path)
    assert (answer.status_code, answer.json()["success"]) == (status, False)


def test_what_other_sites_send_is_refused_with_a_page_too(client: Client) -> None:
    answer = client.post("/language", headers={**AS_BROWSERS_DO, "Sec-Fetch-Site": "cross-site"})
    assert answer.status_code == 403
    assert "Only pages of this server may send this." in answer.text


def test_the_page_is_in_the_readers_language(client: Client) -> None:
    answer = client.get("/nowhere", headers={**AS_BROWSERS_DO, "Accept-Language": "zh-CN"})
    assert "此地址没有内容。" in answer.text


def test_an_address_is_not_repeated_on_the_page(client: Client) -> None:
    assert "alert" not in client.get("/%3Cscript%3Ealert(1)%3C/script%3E", headers=AS_BROWSERS_DO).text


def test_browsers_find_the_icon_where_they_look_for_it(client: Client) -> None:
    assert client.get("/favicon.ico").headers["Content-Type"] == "image/svg+xml"
