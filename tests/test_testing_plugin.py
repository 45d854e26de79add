"""Promise 12: quiet in tests. Users' suites, run as they run them, with the plugin as pytest finds it."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.fake_promptlayer import FakePromptLayer
from tests.support.programs import printed
from tests.support.somebodys import HOME, WITHOUT_OUTSIDERS, Suite, run_tests, taken

KEY = "pl_0123456789abcdef"


@pytest.fixture
def promptlayer() -> Iterator[FakePromptLayer]:
    with FakePromptLayer() as server:
        yield server


def production(server: FakePromptLayer, where: Path) -> dict[str, str]:
    """The environment of a developer who has a key, and of an application that would use it."""
    return {
        "PROMPTLAYER_API_KEY": KEY,
        "PROMPTLAYER_BASE_URL": server.base_url,
        "PROMPTLAYER_OUTBOX_DIR": str(where / "outbox"),
    }


def sent(server: FakePromptLayer) -> list[str]:
    return sorted(body["kwargs"]["messages"][0]["content"] for body in server.bodies)


def left_in(where: Path) -> list[str]:
    """What the application would have left in its directory."""
    return sorted(path.name for path in where.iterdir() if path.name in ("outbox", "calls.db", "calls.jsonl"))


def all_green(suite: Suite) -> None:
    assert (suite.code, suite.failures) == (0, []), suite.out
    assert suite.passed


def count_in(name: str) -> int:
    return (HOME / f"{name}.py").read_text(encoding="utf-8").count("def test_")


def test_under_pytest_nothing_leaves_the_process_unless_asked(
    tmp_path: Path, promptlayer: FakePromptLayer
) -> None:
    """Whatever `install()` says, and with a key in the developer's environment; one test asks to send."""
    where = taken(tmp_path / "home", "quiet")
    environment = production(promptlayer, where)
    suite = run_tests(where, *WITHOUT_OUTSIDERS, "-W", "error", environment=environment)

    all_green(suite)
    assert suite.passed == count_in("quiet")
    assert sent(promptlayer) == ["sent"]
    # The test that asks to send has asked for the files too, but never for an outbox.
    assert left_in(where) == ["calls.db", "calls.jsonl"]
    assert len((where / "calls.jsonl").read_text(encoding="utf-8").splitlines()) == 1


def test_nothing_leaves_the_workers_of_xdist(tmp_path: Path, promptlayer: FakePromptLayer) -> None:
    """In whatever order they run the tests."""
    where = taken(tmp_path / "home", "quiet")
    options = [*WITHOUT_OUTSIDERS, "-n", "2", "-k", "not marked and not program"]
    suite = run_tests(where, *options, environment=production(promptlayer, where))

    all_green(suite)
    assert suite.passed == count_in("quiet") - 3
    assert sent(promptlayer) == []
    assert left_in(where) == []


@pytest.mark.parametrize("asks", ["--promptlayer-send", "promptlayer_send = true"])
def test_a_whole_run_can_ask_to_send(tmp_path: Path, promptlayer: FakePromptLayer, asks: str) -> None:
    """On the command line or in the settings; an outbox there is none, also then."""
    where = taken(tmp_path / "home", "quiet")
    options = [asks] if asks.startswith("--") else []
    (where / "pytest.ini").write_text("[pytest]\n" + ("" if options else f"{asks}\n"), encoding="utf-8")
    chosen = "test_marked or each_test or wrong_argument"
    suite = run_tests(
        where, *options, *WITHOUT_OUTSIDERS, "-k", chosen, environment=production(promptlayer, where)
    )

    assert suite.outcomes["test_marked"] == "passed", suite.out
    assert suite.outcomes["test_a_wrong_argument_is_refused"] == "passed"
    # It expects the number 1, and now gets PromptLayer's.
    assert suite.failures == ["test_each_test_has_its_own"]
    assert sent(promptlayer) == ["sent", "three"]
    assert left_in(where) == ["calls.db", "calls.jsonl"]


def test_the_fixture_installs_where_nobody_has_and_takes_it_back(tmp_path: Path) -> None:
    """In plain tests, and in coroutines under the plugins that run them."""
    where = taken(tmp_path / "home", "alone")
    has_asyncio = importlib.util.find_spec("pytest_asyncio") is not None
    options = ["-o", "asyncio_default_fixture_loop_scope=function"] if has_asyncio else []
    if not has_asyncio:
        options = ["-k", "not pytest_asyncio", "-W", "ignore::pytest.PytestUnknownMarkWarning"]
    suite = run_tests(where, *options, "-p", "no:recording")

    all_green(suite)
    assert suite.passed == count_in("alone") - (not has_asyncio)
    assert "test_under_anyio[asyncio]" in suite.outcomes


def test_the_plugin_imports_nothing_heavy(tmp_path: Path) -> None:
    """It is loaded by every run of pytest in the environment, also by those that have never heard of us."""
    (tmp_path / "test_nothing.py").write_text(
        "import sys\ndef test_nothing(pytestconfig):\n"
        "    assert pytestconfig.pluginmanager.has_plugin('promptlayer_patch')\n"
        "    heavy = {'openai', 'requests', 'sqlite3', 'wrapt', 'asyncio', 'httpx', 'httpx2', 'vcr'}\n"
        "    assert not heavy & set(sys.modules)\n",
        encoding="utf-8",
    )
    options = ["-p", "no:anyio", "-p", "no:xdist", "-p", "no:hypothesispytest", *WITHOUT_OUTSIDERS]
    all_green(run_tests(tmp_path, *options))


def test_testing_can_be_used_without_pytest() -> None:
    program = """
    import json, sys
    from promptlayer_patch.testing import capture
    with capture() as requests:
        pass
    print(json.dumps([len(requests), sorted({"pytest", "openai", "requests", "vcr"} & set(sys.modules))]))
    """
    assert json.loads(printed(program)[0]) == [0, []]
