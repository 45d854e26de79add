"""One browser for all, a context for each test, and servers over stores of invented requests."""

from __future__ import annotations

import fcntl
import io
import shutil
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect, sync_playwright

from promptlayer_patch.demo.history import fill
from promptlayer_patch.server.running import Server
from promptlayer_patch.store import Store
from tests.browser import chromium
from tests.browser.screenshots import NOON
from tests.browser.visiting import PATIENCE_MS, Visitor, visiting

expect.set_options(timeout=PATIENCE_MS)


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """Gone after the package: playwright runs an event loop on this thread, where other tests run theirs."""
    program = chromium.found()
    if program is None:
        pytest.skip(chromium.MISSING)
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(
            executable_path=program, args=["--no-sandbox", "--disable-dev-shm-usage"]
        )
        yield opened
        opened.close()


@pytest.fixture(scope="package")
def filled(tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config) -> Path:
    """A store with a month of requests in it, which nobody opens: made once for all processes of the run."""
    directory = tmp_path_factory.getbasetemp()
    if hasattr(pytestconfig, "workerinput"):
        directory = directory.parent
    path = directory / "filled.db"
    with (directory / "filled.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not path.exists():
            making = directory / "making.db"
            fill(making, io.StringIO(), NOON)
            with closing(Store.open(making)) as store:
                store.catch_up()  # its end folds the log into the file, so that the file alone is the store
            making.rename(path)
    return path


@pytest.fixture(scope="package")
def demo(filled: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server for tests that only look."""
    with _serving(filled, tmp_path_factory.mktemp("demo")) as server:
        yield server


@pytest.fixture
def own_demo(filled: Path, tmp_path: Path) -> Iterator[Server]:
    """A server for one test, which may change what is there."""
    with _serving(filled, tmp_path) as server:
        yield server


@contextmanager
def _serving(filled: Path, directory: Path) -> Iterator[Server]:
    path = directory / "requests.db"
    shutil.copyfile(filled, path)
    path.chmod(0o600)
    with Server(path) as server:
        yield server.start()


@pytest.fixture
def visitor(browser: Browser, demo: Server) -> Iterator[Visitor]:
    """Somebody who may look at the demo, and has opened no page yet."""
    with visiting(browser, demo) as arrived:
        arrived.let_in()
        yield arrived


@pytest.fixture
def owner(browser: Browser, own_demo: Server) -> Iterator[Visitor]:
    """Somebody who may change what is there."""
    with visiting(browser, own_demo) as arrived:
        arrived.let_in()
        yield arrived
