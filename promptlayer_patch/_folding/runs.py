"""Assistants: the run, with the messages and steps that came along with it."""

from __future__ import annotations

from typing import Any

from promptlayer_patch._folding.merge import merge, settle, substantial

__all__ = ["RunFold"]

# A run that needs tool outputs ends its stream: the outputs open another one.
_TERMINAL = frozenset(
    f"thread.run.{status}"
    for status in ("cancelled", "completed", "expired", "failed", "incomplete", "requires_action")
)


class RunFold:
    """The last run object; `messages` and `steps` are added to it where there were any."""

    def __init__(self) -> None:
        self.complete = False
        self._run: dict[str, Any] = {"object": "thread.run"}
        self._messages: dict[str, dict[str, Any]] = {}
        self._steps: dict[str, dict[str, Any]] = {}

    def carries_output(self, name: str, data: dict[str, Any]) -> bool:
        return name.endswith(".delta") and substantial(data.get("delta"))

    def add(self, name: str, data: dict[str, Any]) -> None:
        if name.startswith("thread.message"):
            _keep(self._messages, name, data)
        elif name.startswith("thread.run.step"):
            _keep(self._steps, name, data)
        elif name.startswith("thread.run"):
            self._run = data
            self.complete = self.complete or name in _TERMINAL

    def response(self) -> dict[str, Any]:
        run = dict(self._run)
        for key, known in (("messages", self._messages), ("steps", self._steps)):
            if known:
                run[key] = [settle(entry, drop_index=True) for entry in known.values()]
        return run


def _keep(known: dict[str, dict[str, Any]], name: str, data: dict[str, Any]) -> None:
    key = str(data.get("id"))
    if not name.endswith(".delta"):
        known[key] = data
    elif isinstance(delta := data.get("delta"), dict):
        merge(known.setdefault(key, {"id": data.get("id")}), delta)
