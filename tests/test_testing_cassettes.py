"""Users' cassettes hold what they asked for: OpenAI's exchanges, and PromptLayer's if a test sends."""

from __future__ import annotations

import hashlib
import importlib.util
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from promptlayer_patch.demo.standin import StandIn
from tests.support.fake_promptlayer import FIRST_ID, FakePromptLayer, nobody_listening
from tests.support.programs import ROOT
from tests.support.somebodys import HOME, Suite, run_tests

SAMPLE = ROOT / "tests" / "sample_project"
OPENAI_KEY, PROMPTLAYER_KEY = "sk-" + "of-nobody-0123456789", "pl_" + "0123456789abcdef0123"
TRACK_REQUEST = "/track-request"
SHUFFLED = """
import random
def pytest_collection_modifyitems(items):
    random.Random(7).shuffle(items)
"""


@pytest.fixture
def openai() -> Iterator[StandIn]:
    with StandIn(chunk_delay_s=0.0) as server:
        yield server


@pytest.fixture
def promptlayer() -> Iterator[FakePromptLayer]:
    with FakePromptLayer() as server:
        yield server


def all_green(suite: Suite) -> None:
    assert (suite.code, suite.failures) == (0, []), suite.out
    assert suite.passed


def digests(where: Path) -> dict[str, str]:
    return {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(where.rglob("*.yaml"))
    }


def asked_in(cassette: Path) -> list[str]:
    """The paths that are asked in a cassette, in order."""
    interactions = yaml.safe_load(cassette.read_text(encoding="utf-8"))["interactions"]
    return ["/" + one["request"]["uri"].split("/", 3)[3] for one in interactions]


# The chapter of the README


def test_the_chapters_test_records_both_exchanges_and_plays_them(
    tmp_path: Path, openai: StandIn, promptlayer: FakePromptLayer
) -> None:
    """Word for word; played without keys, when neither server is there any more."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    (source,) = re.findall(
        r"^```python\n(# tests/test_support\.py\n.*?)^```", readme, re.DOTALL | re.MULTILINE
    )
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests" / "test_support.py").write_text(source, encoding="utf-8")
    places = {"OPENAI_BASE_URL": openai.base_url, "PROMPTLAYER_BASE_URL": promptlayer.base_url}
    keys = {"OPENAI_API_KEY": OPENAI_KEY, "PROMPTLAYER_API_KEY": PROMPTLAYER_KEY}

    all_green(run_tests(tmp_path, environment={**places, **keys, "VCR_RECORD_MODE": "once"}))
    recorded = digests(tmp_path)
    (body,) = promptlayer.bodies
    openai.close()
    promptlayer.close()
    all_green(run_tests(tmp_path, environment=places))

    cassette = tmp_path / "tests" / "cassettes" / "question.yaml"
    assert body["api_key"] == PROMPTLAYER_KEY
    assert asked_in(cassette) == ["/v1/chat/completions", TRACK_REQUEST]
    assert f'"request_id": {FIRST_ID}' in " ".join(cassette.read_text(encoding="utf-8").split())
    for key in keys.values():
        assert key not in cassette.read_text(encoding="utf-8")
    assert digests(tmp_path) == recorded


# pytest-recording


def test_under_pytest_recording_nothing_enters_a_cassette_uninvited_or_leaves_it(
    tmp_path: Path, openai: StandIn, promptlayer: FakePromptLayer
) -> None:
    """Recorded, then played with the network blocked, by an application that is installed for production."""
    for needed in ("pytest_recording", "pytest_asyncio"):
        if importlib.util.find_spec(needed) is None:
            pytest.skip(f"needs {needed}")
    shutil.copy(HOME / "recording.py", tmp_path / "test_recording.py")
    options = ["-o", "asyncio_default_fixture_loop_scope=function"]
    places = {"OPENAI_BASE_URL": openai.base_url, "PROMPTLAYER_BASE_URL": promptlayer.base_url}
    keys = {"OPENAI_API_KEY": OPENAI_KEY, "PROMPTLAYER_API_KEY": PROMPTLAYER_KEY}

    all_green(run_tests(tmp_path, *options, "--record-mode=once", environment={**places, **keys}))
    told = len(promptlayer.posts), len(promptlayer.annotations)
    cassettes = tmp_path / "cassettes" / "test_recording"
    alone = cassettes / "test_only_openai_is_in_the_cassette.yaml"
    shutil.copy(alone, cassettes / "test_what_is_not_in_the_cassette_is_given_up.yaml")
    recorded = digests(tmp_path)
    asked = len(openai.requests)
    played = run_tests(tmp_path, *options, environment=places)

    all_green(played)
    assert "skipped" not in played.outcomes.values()
    assert told == (5, 2) == (len(promptlayer.posts), len(promptlayer.annotations))
    assert len(openai.requests) == asked
    assert digests(tmp_path) == recorded
    for cassette in tmp_path.rglob("*.yaml"):
        assert not re.search(f"{OPENAI_KEY}|{PROMPTLAYER_KEY}", cassette.read_text(encoding="utf-8"))


# A project with cassettes of its own


def sample(where: Path) -> Path:
    shutil.copytree(SAMPLE, where, ignore=shutil.ignore_patterns("__pycache__", "record.py"))
    return where


@pytest.mark.parametrize(
    "options",
    [["-p", "no:promptlayer_patch"], [], ["-p", "shuffled"], ["-n", "2"]],
    ids=["without the plugin", "with it", "in another order", "in two processes"],
)
def test_a_sample_project_passes_and_its_cassettes_stay_as_they_are(
    tmp_path: Path, options: list[str]
) -> None:
    """With the plugin the application is installed as in production, and PromptLayer cannot be reached."""
    where = sample(tmp_path / "project")
    (where / "shuffled.py").write_text(SHUFFLED, encoding="utf-8")
    before = digests(SAMPLE)
    with nobody_listening() as nowhere:
        production = {"PROMPTLAYER_API_KEY": PROMPTLAYER_KEY, "PROMPTLAYER_BASE_URL": nowhere}
        plain = "no:promptlayer_patch" in options
        suite = run_tests(
            where, *options, "-p", "no:recording", "-p", "no:asyncio", environment={} if plain else production
        )

    all_green(suite)
    assert suite.passed == len(before) == 7
    assert digests(where) == before
    assert not list(tmp_path.rglob("*.outbox"))


def test_cassettes_that_are_recorded_under_the_plugin_hold_openais_exchanges_only(
    tmp_path: Path, openai: StandIn, promptlayer: FakePromptLayer
) -> None:
    where = sample(tmp_path / "project")
    environment = {
        "OPENAI_BASE_URL": openai.base_url,
        "SAMPLE_RECORDS_FROM": openai.base_url,
        "PROMPTLAYER_API_KEY": PROMPTLAYER_KEY,
        "PROMPTLAYER_BASE_URL": promptlayer.base_url,
    }
    for cassette in where.rglob("*.yaml"):
        cassette.unlink()
    all_green(run_tests(where, "-p", "no:recording", "-p", "no:asyncio", environment=environment))

    recorded = {path.name: asked_in(path) for path in where.rglob("*.yaml")}
    assert recorded == {path.name: asked_in(path) for path in SAMPLE.rglob("*.yaml")}
    assert promptlayer.posts == []
