"""Servers and workers under `promptlayer-patch run`: one call, one record, whichever process makes it.

Their packages are not among those of the tests; `make test-frameworks FRAMEWORKS=servers` installs them.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO
from urllib.error import URLError
from urllib.request import urlopen

import pytest

from promptlayer_patch.demo.standin import StandIn
from tests.support.fake_promptlayer import FakePromptLayer
from tests.support.programs import TOO_LONG_S
from tests.support.running import ASKS, COMMAND, Runner

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="they are ended by signals")
CALLS = 6
LOCAL = "http://127.0.0.1"
WSGI = """
def application(environ, start_response):
    ask(environ["PATH_INFO"])
    start_response("200 OK", [("content-type", "text/plain")])
    return [b"asked"]
"""
ASGI = """
VERSION = b"first"
async def application(scope, receive, send):
    if scope["type"] == "http":
        ask(scope["path"])
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": VERSION})
"""
TASKS = """
import celery
app = celery.Celery("tasks")
app.conf.update(
    broker_url="filesystem://",
    broker_transport_options=dict(data_folder_in="mail", data_folder_out="mail", control_folder="control"),
    worker_hijack_root_logger=False,
)
@app.task
def work(text):
    ask(text)
"""


@pytest.fixture
def promptlayer() -> Iterator[FakePromptLayer]:
    with FakePromptLayer() as server:
        yield server


@pytest.fixture
def here(tmp_path: Path, promptlayer: FakePromptLayer) -> Iterator[Runner]:
    with StandIn(chunk_delay_s=0.0) as provider:
        yield Runner(
            tmp_path,
            {
                "OPENAI_API_KEY": "sk-test",
                "OPENAI_BASE_URL": provider.base_url,
                "PROMPTLAYER_API_KEY": "pl_test",
                "PROMPTLAYER_BASE_URL": promptlayer.base_url,
            },
        )


class Server:
    """A process whose words on standard error are listened to."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.said: list[str] = []
        self._more = threading.Condition()
        assert process.stderr is not None
        self._listening = threading.Thread(target=self._listen, args=(process.stderr,), daemon=True)
        self._listening.start()

    def _listen(self, stream: IO[str]) -> None:
        for line in stream:
            with self._more:
                self.said.append(line)
                self._more.notify_all()
        with self._more:
            self._more.notify_all()

    def hear(self, pattern: str) -> str:
        """Wait for it to say this; what stands in the group."""
        found: list[str] = []

        def looked() -> bool:
            found.extend(re.findall(pattern, "".join(self.said)))
            return bool(found)

        with self._more:
            assert self._more.wait_for(looked, TOO_LONG_S), "".join(self.said)
        return found[0]

    def end(self) -> int:
        """By SIGTERM; the exit code."""
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(TOO_LONG_S)
        self._listening.join(TOO_LONG_S)
        return code


@contextmanager
def serving(here: Runner, *program: str) -> Iterator[Server]:
    command: Sequence[str] = [*COMMAND, "--tags", "served", "--", *program]
    with subprocess.Popen(
        command, cwd=here.home, env=here.surroundings(), stderr=subprocess.PIPE, text=True
    ) as process:
        server = Server(process)
        try:
            yield server
        finally:
            if process.poll() is None:
                server.end()


def script(name: str) -> str:
    """The command of that name, installed beside this Python."""
    found = shutil.which(name, path=os.path.dirname(sys.executable))
    if found is None:
        pytest.skip(f"{name} is not installed")
    return found


def told(promptlayer: FakePromptLayer) -> list[str]:
    assert all(body["tags"] == ["served"] for body in promptlayer.bodies)
    return sorted(body["kwargs"]["messages"][0]["content"] for body in promptlayer.bodies)


def get(url: str) -> bytes:
    """What is answered; some servers say that they listen a moment before they do."""
    pause, until = threading.Event(), time.monotonic() + TOO_LONG_S
    while True:
        try:
            with urlopen(url, timeout=TOO_LONG_S) as answer:
                body: bytes = answer.read()
                return body
        except URLError as error:
            if not isinstance(error.reason, ConnectionRefusedError) or time.monotonic() > until:
                raise
        pause.wait(0.05)


@pytest.mark.parametrize("options", [[], ["--preload"], ["--worker-class", "gthread"]], ids=" ".join)
def test_gunicorn(here: Runner, promptlayer: FakePromptLayer, options: list[str]) -> None:
    """Workers that are forked before or after the application is imported."""
    here.write("app.py", ASKS + WSGI)
    bind = ["--bind", "127.0.0.1:0", "--workers", "3"]
    with serving(here, script("gunicorn"), *bind, *options, "app") as server:
        port = server.hear(r"Listening at: http://127.0.0.1:(\d+)")
        paths = [f"/{at}" for at in range(CALLS)]
        assert {get(f"{LOCAL}:{port}{path}") for path in paths} == {b"asked"}
        promptlayer.wait_for(CALLS)
        assert server.end() == 0
    assert told(promptlayer) == paths


def test_uvicorn_with_reload(here: Runner, promptlayer: FakePromptLayer) -> None:
    """The process that serves is a child, and another one after every change of the code."""
    path = Path(here.write("app.py", ASKS + ASGI))
    program = [script("uvicorn"), "--reload", "--port", "0", "app:application"]
    with serving(here, *program) as server:
        port = server.hear(r"running on http://127.0.0.1:(\d+)")
        server.hear("startup complete")
        assert get(f"{LOCAL}:{port}/one") == b"first"
        promptlayer.wait_for(1)
        # At one stroke, so that it is one change.
        here.write("app.next", path.read_text(encoding="utf-8").replace("first", "second"))
        os.replace(here.home / "app.next", path)
        server.hear(r"startup complete[^$]*startup complete")
        assert get(f"{LOCAL}:{port}/two") == b"second"
        promptlayer.wait_for(2)
        assert server.end() == 0
    assert told(promptlayer) == ["/one", "/two"]


def test_uvicorn_with_workers(here: Runner, promptlayer: FakePromptLayer) -> None:
    here.write("app.py", ASKS + ASGI)
    program = [script("uvicorn"), "--workers", "2", "--port", "0", "app:application"]
    with serving(here, *program) as server:
        port = server.hear(r"running on http://127.0.0.1:(\d+)")
        server.hear(r"startup complete[^$]*startup complete")
        paths = [f"/{at}" for at in range(CALLS)]
        assert {get(f"{LOCAL}:{port}{path}") for path in paths} == {b"first"}
        promptlayer.wait_for(CALLS)
        assert server.end() == 0
    assert told(promptlayer) == paths


@pytest.mark.parametrize("pool", ["prefork", "solo", "threads"])
def test_celery(here: Runner, promptlayer: FakePromptLayer, pool: str) -> None:
    celery = script("celery")
    here.write("tasks.py", ASKS + TASKS)
    (here.home / "mail").mkdir()
    (here.home / "control").mkdir()
    texts = [f"task {at}" for at in range(CALLS)]
    send = f"import tasks; [tasks.work.delay(text) for text in {texts}]"
    sent = here.bare(sys.executable, "-c", send)
    assert sent.code == 0, sent
    options = ["--pool", pool, "--concurrency", "2", "--without-gossip", "--without-mingle"]
    program = [celery, "-A", "tasks", "worker", *options]
    with serving(here, *program) as server:
        promptlayer.wait_for(CALLS)
        assert server.end() == 0
    assert told(promptlayer) == texts
