"""The pytest plugin: nothing leaves the process unless a test asks for it, and a fixture has the requests.

pytest loads it at start-up, whether or not the tests have to do with OpenAI: it imports nothing heavy.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from promptlayer_patch._cassettes import cassettes
from promptlayer_patch._diversion import KEPT, Opener, Recorder, defaults, kept_here, leaves, sent
from promptlayer_patch._guard import quietly
from promptlayer_patch._installation import Installation
from promptlayer_patch._options import tell_children
from promptlayer_patch._process import process

if TYPE_CHECKING:
    from promptlayer_patch.testing import Requests

_KEPT_UNSEEN = 100
"""Of a test that has not asked for its requests yet."""
_SENDS = "promptlayer_send"
_HELP = "deliver what promptlayer_patch records for real, instead of keeping it in memory"
_OVER = "the test that it began in is over"
_LONGEST_FLUSH_S = 60.0


class Quiet:
    """What is installed in a test session, and where its records go."""

    def __init__(self, *, sends: bool) -> None:
        self._sends = sends
        self._opener = Opener(sent if sends else kept_here, Recorder(_KEPT_UNSEEN))
        found = process.now
        now = Installation(found.options, is_on=found.is_on, only_asked=found.only_asked)
        self._before = process.exchange(now, self._opener)
        self._variable = tell_children(None if sends else "false")

    def end(self) -> None:
        """What was installed before is in force again."""
        ended, _ = process.exchange(*self._before)
        ended.end(_OVER)
        self._opener.close()
        tell_children(self._variable)

    def begin_test(self, *, sends: bool) -> None:
        """Begin with no records; what others have begun is not recorded any more."""
        self._turn(sends=sends or self._sends)
        self._opener.look()
        self._opener.recorder.forget()
        cassettes.forget()
        self._opener.recorder.limit = _KEPT_UNSEEN

    def deliver(self) -> None:
        """While what surrounds the test, such as a cassette, is still in use."""
        if self._opener.opens is sent and process.pipeline is not None:
            process.pipeline.flush(_LONGEST_FLUSH_S)

    def end_test(self) -> None:
        self.deliver()
        if not self._sends:
            self._turn(sends=False)

    def requests(self) -> Iterator[Requests]:
        """The requests of the running test; where nothing is installed, something is until the test ends."""
        from promptlayer_patch.testing import Requests

        self._opener.recorder.limit = KEPT
        ours = None
        if not process.now.is_on or process.now.only_asked:
            ours = defaults()
            process.install(ours)
        yield Requests(self._opener.look, self._opener.recorder)
        if ours is not None and process.now.options is ours:
            process.uninstall()

    def _turn(self, *, sends: bool) -> None:
        """Have what is installed send or not, and end what has begun until now."""
        opens, now = sent if sends else kept_here, process.now
        changes = self._opener.opens is not opens
        if changes:
            self._opener.opens = opens
            tell_children(None if sends else "false")
        if not now.is_on or process.opens is not self._opener:
            return
        anew = changes and leaves(now.settings)
        after = Installation(now.options, is_on=True, only_asked=now.only_asked)
        if not anew:
            after.pipeline = now.pipeline
        process.exchange(after, self._opener)
        before = now.end(_OVER)
        if anew and before is not None:
            quietly("closing", before.close)


_QUIET = pytest.StashKey[Quiet]()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addini(_SENDS, _HELP, type="bool", default=False)
    group = parser.getgroup("promptlayer_patch")
    group.addoption("--promptlayer-send", action="store_true", default=False, help=_HELP)


@pytest.hookimpl(tryfirst=True)
def pytest_load_initial_conftests(early_config: pytest.Config) -> None:
    """Before the application is imported, which conftest files do."""
    _begin(early_config)


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    _begin(config)
    config.addinivalue_line("markers", f"{_SENDS}: {_HELP}")


def _begin(config: pytest.Config) -> None:
    if _QUIET in config.stash:
        return
    option = getattr(config.known_args_namespace, _SENDS, False) or getattr(config.option, _SENDS, False)
    sends = bool(config.getini(_SENDS) or option)
    config.stash[_QUIET] = quiet = Quiet(sends=sends)
    config.add_cleanup(lambda: quietly("ending a test session", quiet.end))


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    sends = item.get_closest_marker(_SENDS) is not None
    quietly("beginning a test", lambda: item.config.stash[_QUIET].begin_test(sends=sends))


@pytest.hookimpl(hookwrapper=True, trylast=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    yield
    quietly("delivering", item.config.stash[_QUIET].deliver)


@pytest.hookimpl(hookwrapper=True, tryfirst=True)
def pytest_runtest_teardown(item: pytest.Item) -> Iterator[None]:
    yield
    quietly("ending a test", item.config.stash[_QUIET].end_test)


@pytest.fixture
def promptlayer_requests(request: pytest.FixtureRequest) -> Iterator[Requests]:
    """The OpenAI requests of this test so far: a list with helpers (`promptlayer_patch.testing.Requests`)."""
    yield from request.config.stash[_QUIET].requests()
