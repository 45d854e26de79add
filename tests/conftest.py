"""Fixtures for the whole suite. Nothing here leaves the machine: only loopback addresses are contacted."""

from __future__ import annotations

import gc
import os
import signal
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

import promptlayer_patch
from promptlayer_patch._guard import forget_reports
from promptlayer_patch.exporters.memory import MemoryExporter

# Suites of users, which tests run in processes of their own.
collect_ignore = ["sample_project", "somebodys_tests"]

# Machines differ and are shared: how long an example takes says nothing about the code.
settings.register_profile("suite", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("suite")


# Who runs the suite in the background, or under nohup, has it and every program it starts ignore these.
for _signal, _handler in (("SIGINT", signal.default_int_handler), ("SIGHUP", signal.SIG_DFL)):
    if signal.getsignal(getattr(signal, _signal, signal.SIGINT)) is signal.SIG_IGN:
        signal.signal(getattr(signal, _signal), _handler)


@pytest.fixture(scope="module", autouse=True)
def _quick_collections() -> None:
    """What is there by now is not looked at again by every collection: by and by it becomes much."""
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def _own_environment(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """No key or destination of the developer's reaches a test, and no test reaches their local store."""
    for name in list(os.environ):  # noqa: TID251  what the developer has set is kept out
        if name.startswith(("PROMPTLAYER_", "OPENAI_", "AZURE_OPENAI_", "LANGSMITH_", "LANGCHAIN_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path_factory.mktemp("data")))


@pytest.fixture(autouse=True)
def _clean_slate() -> Iterator[None]:
    """Whatever a test installs is uninstalled after it, and what it has logged once is logged again."""
    forget_reports()
    yield
    promptlayer_patch.uninstall()


@pytest.fixture
def sink() -> MemoryExporter:
    """Everything is recorded into this exporter's `records`; call `flush()` before reading them."""
    exporter = MemoryExporter()
    promptlayer_patch.install(to=exporter)
    return exporter
