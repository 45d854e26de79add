"""A key leads to the page that was asked for, and to no other site."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from promptlayer_patch.server.running import Server
from tests.support.serving import TIMEOUT_S


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    path: Path = tmp_path_factory.mktemp("entered") / "requests.db"
    with Server(path) as started:
        yield started.start()


def sign_in(server: Server, key: str, back: str = "", came_from: str = "") -> requests.Response:
    with requests.Session() as browser:
        browser.trust_env = False
        return browser.post(
            f"{server.url}/sign-in",
            data={"key": key, "back": back},
            headers={"Origin": server.url, **({"Referer": came_from} if came_from else {})},
            allow_redirects=False,
            timeout=TIMEOUT_S,
        )


@pytest.mark.parametrize(
    ("back", "came_from", "leads_to"),
    [
        ("", "", "/"),
        ("", "/charts?q=model%3Agpt-4o", "/charts?q=model%3Agpt-4o"),
        ("/requests/7", "/sign-in", "/requests/7"),
        ("https://evil.example/x?y=1", "", "/x?y=1"),
        ("//evil.example/x", "", "/x"),
        ("/\\\\evil.example/x", "", "/evil.example/x"),
        ("/?q=退款 a\r\nSet-Cookie: x=y", "", "/?q=%E9%80%80%E6%AC%BE%20aSet-Cookie:%20x=y"),
    ],
)
def test_a_key_leads_back_and_never_elsewhere(
    back: str, came_from: str, leads_to: str, server: Server
) -> None:
    answer = sign_in(server, str(server.api_key), back, came_from and server.url + came_from)
    assert (answer.status_code, answer.headers["location"]) == (303, leads_to)


def test_after_a_wrong_key_the_page_is_remembered(server: Server) -> None:
    answer = sign_in(server, "pl_wrong", "", f"{server.url}/requests/7")
    assert answer.status_code == 401
    assert '<input type="hidden" name="back" value="/requests/7">' in answer.text


def test_where_a_form_was_sent_is_no_page_to_come_back_to(server: Server) -> None:
    with requests.Session() as browser:
        browser.trust_env = False
        answer = browser.post(
            f"{server.url}/requests/7/tags",
            data={"add": "x"},
            headers={"Origin": server.url},
            timeout=TIMEOUT_S,
        )
    assert answer.status_code == 401
    assert '<input type="hidden" name="back" value="/">' in answer.text
