"""What a page of another site can do with the reader's browser, and what answers allow to browsers."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote

import pytest
import requests
from playwright.sync_api import Browser, Page, expect

from promptlayer_patch.server.running import Server
from tests.browser.visiting import visiting
from tests.browser.watching import Watch


class _Site(BaseHTTPRequestHandler):
    """Serves what the address itself says, as careless sites do."""

    def do_GET(self) -> None:
        content = unquote(self.path[1:]).encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:
        """The output belongs to the tests."""


@pytest.fixture(scope="module")
def site() -> Iterator[str]:
    """The address of another site on this machine."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _Site) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


@dataclass(frozen=True)
class Misled:
    """Somebody who uses the dashboard, and has a page of another site open."""

    page: Page
    server: Server
    site: str

    def show(self, html: str) -> None:
        self.page.goto(f"{self.site}/{html}")

    def fetched(self, path: str, options: str = "{}") -> str:
        """What a script of that site gets from the dashboard."""
        self.show("<h1>Free gifts</h1>")
        url = self.server.url + path
        script = "([url, options]) => fetch(url, options).then(a => a.text(), e => 'refused: ' + e.name)"
        given: str = self.page.evaluate(f"args => ({script})([args, {options}])", url)
        return given


@contextmanager
def _misled(browser: Browser, server: Server, site: str) -> Iterator[Misled]:
    """Not watched: what happens on the other site is its own affair."""
    context = browser.new_context()
    try:
        page = context.new_page()
        page.goto(server.link)
        yield Misled(page, server, site)
    finally:
        context.close()


@pytest.fixture(scope="module")
def misled(browser: Browser, demo: Server, site: str) -> Iterator[Misled]:
    with _misled(browser, demo, site) as reader:
        yield reader


@pytest.mark.parametrize("credentials", ["omit", "include"])
@pytest.mark.parametrize("path", ["/", "/?format=json", "/health", "/openapi.json"])
def test_another_site_reads_nothing(path: str, credentials: str, misled: Misled) -> None:
    assert misled.fetched(path, f"{{credentials: '{credentials}'}}") == "refused: TypeError"


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_another_site_sends_nothing_that_counts(method: str, misled: Misled) -> None:
    before = misled.server.count()
    body = '{"kwargs": {}, "request_response": {}, "request_start_time": 1, "request_end_time": 2}'
    for kind in ("text/plain", "application/json"):
        head = f"method: '{method}', credentials: 'include', headers: {{'Content-Type': '{kind}'}}"
        options = f"{{{head}, body: '{body}'}}"
        assert misled.fetched("/track-request", options).startswith("refused: ")
    assert misled.server.count() == before


def test_a_form_of_another_site_is_refused(misled: Misled) -> None:
    misled.show(
        f"<form method=post action={misled.server.url}/language>"
        "<button name=language value=zh>Win</button></form>"
    )
    with misled.page.expect_response(misled.server.url + "/language") as answered:
        misled.page.get_by_role("button").click()
    assert answered.value.status in (401, 403), "without its cookie, or as a stranger's"
    misled.page.goto(misled.server.url)
    expect(misled.page.locator("html")).to_have_attribute("lang", "en")


def test_a_link_on_another_site_brings_no_cookie_along(misled: Misled) -> None:
    """Whoever follows it signs in anew: a page cannot aim a signed-in reader at an address of its choice.

    Another port is the same site to cookies, so the other site has to have another name.
    """
    misled.show(f"<a href={misled.server.url}/charts>Look</a>")
    misled.page.goto(misled.page.url.replace("127.0.0.1", "localhost", 1))
    with misled.page.expect_response(misled.server.url + "/charts") as answered:
        misled.page.get_by_role("link").click()
    assert answered.value.status == 401


def test_no_page_can_be_framed(misled: Misled) -> None:
    misled.show(f"<iframe src={misled.server.url}/></iframe>")
    frames = misled.page.frames
    assert len(frames) == 2
    assert frames[1].url == "chrome-error://chromewebdata/"


@pytest.mark.parametrize(
    "tag",
    ["<script src={}></script>", "<img src={}>", "<link rel=stylesheet href={}>"],
    ids=["script", "image", "style"],
)
def test_no_answer_can_be_a_part_of_another_site(tag: str, misled: Misled) -> None:
    asked = f"{misled.server.url}/?format=json"
    # Not any request: what the page before this one has not loaded yet fails too when it is left.
    with misled.page.expect_event("requestfailed", lambda request: request.url == asked) as failed:
        misled.show(tag.format(asked))
    assert "BLOCKED" in str(failed.value.failure)


def test_a_window_that_another_site_opens_is_out_of_its_reach(misled: Misled) -> None:
    misled.show("<h1>Free gifts</h1>")
    with misled.page.context.expect_page() as opened:
        misled.page.evaluate("url => { window.theirs = open(url); }", misled.server.url)
    opened.value.wait_for_load_state()
    assert misled.page.evaluate("theirs.closed"), "the handle is cut"


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/", 200), ("/?format=json", 200), ("/charts", 200), ("/nowhere", 404), ("/requests/1", 404),
        ("/static/000000000000/dashboard.js", 404), ("/rest/prompts", 401), ("/track-request", 405),
        ("/language", 405),
    ],
)  # fmt: skip
def test_every_answer_forbids_script_from_elsewhere_and_frames(
    path: str, status: int, misled: Misled
) -> None:
    answer = misled.page.request.get(misled.server.url + path)
    assert answer.status == status
    policy = answer.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self';")
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["referrer-policy"] == "same-origin"
    assert answer.headers["cross-origin-opener-policy"] == "same-origin"
    assert answer.headers["cross-origin-resource-policy"] == "same-origin"
    assert "access-control-allow-origin" not in answer.headers


@pytest.mark.parametrize(
    "script",
    [
        "document.body.insertAdjacentHTML('beforeend', '<img src=x onerror=\"window.ran = 1\">')",
        "document.body.append(Object.assign(document.createElement('script'), {text: 'window.ran = 1'}))",
        "Object.assign(document.createElement('a'), {href: 'javascript:window.ran = 1'}).click()",
        "setTimeout('window.ran = 1')",
    ],
    ids=["onerror", "inline script", "javascript: address", "eval"],
)  # fmt: skip
def test_what_slipped_into_a_page_would_not_run(script: str, browser: Browser, demo: Server) -> None:
    """Escaping comes first; this is what holds if it once fails."""
    with visiting(browser, demo) as reader:
        page = reader.enter()
        page.evaluate(f"() => {{ try {{ {script} }} catch (error) {{}} }}")
        page.evaluate("new Promise(requestAnimationFrame)")
        reader.settled()
        assert page.evaluate("typeof window.ran") == "undefined"
        assert any("violation" in one for one in reader.watch.trouble)
        reader.watch.trouble.clear()


def test_whoever_follows_a_link_to_another_site_does_not_say_from_where(misled: Misled) -> None:
    misled.page.goto(misled.server.url + "/?q=secret")
    misled.page.evaluate(
        "href => document.body.append(Object.assign(document.createElement('a'), {href, text: 'elsewhere'}))",
        misled.site + "/<h1>Elsewhere</h1>",
    )
    misled.page.get_by_role("link", name="elsewhere").click()
    expect(misled.page.get_by_role("heading")).to_have_text("Elsewhere")
    assert misled.page.evaluate("document.referrer") == ""


def test_the_watch_sees_what_it_is_there_for(browser: Browser, site: str) -> None:
    """A dialog, a request to another, a fault, a refusal by policy: a test that sees none has looked."""
    context = browser.new_context()
    watch = Watch(site)
    watch.over(context)
    page = context.new_page()
    elsewhere = site.replace("127.0.0.1", "localhost")
    page.goto(
        f"{site}/<meta http-equiv=Content-Security-Policy content=\"img-src 'none'\">"
        f"<script>alert(1); fetch('{elsewhere}/');</script><script>nothing.there</script><img src=y>"
    )
    page.evaluate("new Promise(requestAnimationFrame)")
    context.close()
    kinds = {one.partition(":")[0] for one in watch.trouble}
    assert kinds >= {"dialog", "request elsewhere", "error", "console", "policy violation"}


def test_other_names_of_this_machine_are_not_answered_to(demo: Server) -> None:
    """A page can make its own name point here; the browser then sends that name."""
    answer = requests.get(demo.url + "/", headers={"Host": "evil.example"}, timeout=30)
    assert answer.status_code == 421
    assert answer.headers["content-security-policy"].startswith("default-src 'none'")
