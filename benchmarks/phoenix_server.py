"""Phoenix as a server with an empty store, and what its pages ask of it."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from typing import Any

import requests
from dashboard import Browser
from store_filling import COMMON_WORD, MODELS, RARE_WORD

from benchmarks.overhead.environments import python_of

__all__ = ["Frontend", "PhoenixBrowser", "phoenix"]

_PAGE = 50
_LOADED = re.compile(rb"(?:src|href)=\"(/[^\"]+)\"")
_BUNDLE = re.compile(rb"src=\"(/assets/index-[^\"]+)\"")
_PROJECTS = "query { projects { edges { node { id recordCount } } } }"


class PhoenixBrowser(Browser):
    """Asks for a path as browsers do, and for a page's operations, a list in JSON, one after the other."""

    def get(self, path: str) -> tuple[bytes, int, bool]:
        if path.startswith("/"):
            return super().get(path)
        answers = [self._operate(operation) for operation in json.loads(path)]
        return answers[-1][0], sum(sent for _, sent, _ in answers), all(found for *_, found in answers)

    def ask(self, query: str, **variables: object) -> Any:
        content, _, found = self._operate({"query": query, "variables": variables})
        if not found:
            raise SystemExit(f"Phoenix refused: {content[:2000]!r}")
        return json.loads(content)["data"]

    def project(self) -> dict[str, Any]:
        project: dict[str, Any] = self.ask(_PROJECTS)["projects"]["edges"][0]["node"]
        return project

    def _operate(self, operation: Mapping[str, Any]) -> tuple[bytes, int, bool]:
        content, sent, answered = self.post("/graphql", json.dumps(operation).encode())
        return content, sent, answered and not json.loads(content).get("errors")


@dataclass(frozen=True)
class Frontend:
    """What Phoenix's pages ask their server."""

    browser: PhoenixBrowser
    bundle: str
    project: str

    @classmethod
    def of(cls, browser: PhoenixBrowser) -> Frontend:
        page, _, _ = browser.get("/projects")
        found = _BUNDLE.search(page)
        if not found:
            raise SystemExit("this Phoenix has another frontend")
        bundle, _, _ = browser.get(found[1].decode())
        return cls(browser, bundle.decode(), browser.project()["id"])

    def pages(self) -> dict[str, list[str]]:
        return {
            "newest 50": [self._table(None)],
            "common word": [self._table(f"'{word}' in input.value") for word in (COMMON_WORD, "refund")],
            "rare word": [self._table(f"'{RARE_WORD}' in input.value")],
            "model": [self._table(f"llm.model_name == '{model}'") for model in MODELS],
            "one request": [self._details(span) for span in self._newest()],
        }

    def weight(self) -> int:
        """Bytes that are sent for its first page, with all that this loads and the newest requests."""
        page, own, _ = self.browser.get("/projects")
        loaded = set(_LOADED.findall(page))
        _, listed, _ = self.browser.get(self._table(None))
        return own + listed + sum(self.browser.get(part.decode())[1] for part in loaded)

    def _newest(self) -> list[Any]:
        found = self.browser.ask(self._query("SpansTableSpansQuery"), **self._listed(None))
        return [edge["span"] for edge in found["node"]["spans"]["edges"]]

    def _table(self, condition: str | None) -> str:
        return self._page({"SpansTableSpansQuery": self._listed(condition)})

    def _listed(self, condition: str | None) -> dict[str, object]:
        return {"id": self.project, "first": _PAGE, "filterCondition": condition, "rootSpansOnly": False}

    def _details(self, span: Any) -> str:
        trace = {"id": self.project, "traceId": span["trace"]["traceId"]}
        return self._page({"TraceDetailsQuery": trace, "SpanDetailsQuery": {"id": span["id"]}})

    def _page(self, operations: Mapping[str, Mapping[str, object]]) -> str:
        named = operations.items()
        return json.dumps([{"query": self._query(name), "variables": asked} for name, asked in named])

    def _query(self, name: str) -> str:
        found = re.search(rf"`(query {name}\([^`]+)`", self.bundle)
        if not found:
            raise SystemExit(f"this Phoenix has no {name}")
        return found[1]


@contextmanager
def phoenix(folder: Path) -> Iterator[PhoenixBrowser]:
    """Its server; nothing but this machine is contacted."""
    python = python_of("phoenix")
    if python is None:
        raise SystemExit("Phoenix cannot be installed here")
    port, unused = _free_ports()
    inherited = os.environ.items()  # noqa: TID251  a program needs the rest of it
    variables = {
        **{name: value for name, value in inherited if not name.startswith(("PHOENIX_", "OTEL_", "PYTHON"))},
        "PHOENIX_WORKING_DIR": str(folder),
        "PHOENIX_HOST": "127.0.0.1",
        "PHOENIX_PORT": str(port),
        "PHOENIX_GRPC_PORT": str(unused),
        "PHOENIX_TELEMETRY_ENABLED": "false",
        "PHOENIX_ALLOW_EXTERNAL_RESOURCES": "false",
    }
    silent, command = subprocess.DEVNULL, [str(python.with_name("phoenix")), "serve"]
    with subprocess.Popen(command, env=variables, stdout=silent, stderr=silent) as process:
        try:
            url = f"http://127.0.0.1:{port}"
            _until_answered(url, process)
            yield PhoenixBrowser(url, "", process.pid)
        finally:
            process.terminate()


def _free_ports() -> tuple[int, int]:
    with socket.create_server(("127.0.0.1", 0)) as one, socket.create_server(("127.0.0.1", 0)) as two:
        return one.getsockname()[1], two.getsockname()[1]


def _until_answered(url: str, process: subprocess.Popen[bytes]) -> None:
    for _ in range(600):
        try:
            requests.get(url, timeout=10)
            return
        except requests.ConnectionError:
            if process.poll() is not None:
                break
            Event().wait(0.2)
    raise SystemExit("Phoenix did not start")
