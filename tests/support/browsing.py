"""A browser without a screen: it comes in by the link, keeps its cookie, and sends forms as browsers do."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import requests

from promptlayer_patch.server.running import Server
from tests.support.serving import TIMEOUT_S

__all__ = ["Browser", "Page", "browsing", "page_of"]


class Browser:
    """Whoever has opened the link of a server's start."""

    def __init__(self, server: Server) -> None:
        self._url = server.url
        self._session = requests.Session()
        self._session.trust_env = False
        assert self._session.get(server.link, timeout=TIMEOUT_S).status_code == 200

    def get(self, path: str, **options: Any) -> requests.Response:
        return self._session.get(self._url + path, timeout=TIMEOUT_S, **options)

    def post(self, path: str, form: Any, **options: Any) -> requests.Response:
        """Send a form from a page of the server's own."""
        headers = {"Origin": self._url, "Sec-Fetch-Site": "same-origin", **options.pop("headers", {})}
        return self._session.post(
            self._url + path,
            data=form,
            headers=headers,
            timeout=TIMEOUT_S,
            **{"allow_redirects": False, **options},
        )

    def page(self, path: str) -> Page:
        answer = self.get(path)
        assert answer.status_code == 200, answer.text[:500]
        assert answer.headers["content-type"] == "text/html; charset=utf-8"
        return page_of(answer.text)

    def close(self) -> None:
        self._session.close()


@contextmanager
def browsing(db: Path) -> Iterator[Browser]:
    """A server over a store, all of it indexed, and a browser that was let in."""
    with Server(db) as server:
        server.start()
        browser = Browser(server)
        try:
            yield browser
        finally:
            browser.close()


class Page(HTMLParser):
    """What a page consists of, as a browser would read it."""

    def __init__(self) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))

    def handle_data(self, data: str) -> None:
        self.text += data

    def all(self, tag: str, **attributes: str) -> list[dict[str, str]]:
        """The attributes of each such element; `data_row` is the attribute `data-row`."""
        wanted = {name.strip("_").replace("_", "-"): value for name, value in attributes.items()}
        return [known for name, known in self.elements if name == tag and wanted.items() <= known.items()]


def page_of(text: str) -> Page:
    page = Page()
    page.feed(text)
    page.close()
    return page
