"""The Responses API: the last event brings the whole response; cut before it, the others rebuild it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from promptlayer_patch._folding.merge import Pieces, merge, settle, substantial
from promptlayer_patch._folding.repeats import Alone

__all__ = ["ResponsesFold"]

_TERMINAL = frozenset({"response.completed", "response.incomplete", "response.failed"})
_STATUSES = frozenset(
    {"calling", "completed", "failed", "generating", "in_progress", "incomplete", "interpreting", "searching"}
)
# Which list of an output item an event speaks of, by the position it gives.
_LISTS = {"content_index": "content", "summary_index": "summary"}
_OF_DELTAS = frozenset(
    {"delta", "item_id", "obfuscation", "output_index", "sequence_number", "type", *_LISTS}
)


class ResponsesFold:
    """The response of the last event; if the stream was cut, the last snapshot with its output rebuilt."""

    def __init__(self) -> None:
        self.complete = False
        self._snapshot: dict[str, Any] = {"object": "response", "output": []}
        self._items: dict[int, _Item] = {}
        self._beside: dict[str, Any] = {}

    def carries_output(self, name: str, data: dict[str, Any]) -> bool:
        if name in _TERMINAL:
            response = data.get("response")
            return isinstance(response, dict) and substantial(response.get("output"))
        if name.endswith(".delta"):
            return substantial(data.get("delta"))
        return substantial(data.get("partial_image_b64"))

    def add(self, name: str, data: dict[str, Any]) -> None:
        if isinstance(response := data.get("response"), dict):
            self._snapshot = response
            self.complete = self.complete or name in _TERMINAL
        elif isinstance(index := data.get("output_index"), int):
            self._items.setdefault(index, _Item()).add(name, data)
        elif name.endswith(".delta"):
            merge(self._beside, {name.removeprefix("response.").removesuffix(".delta"): data.get("delta")})

    def text_alone(self, name: str, data: dict[str, Any]) -> Alone | None:
        """What an event adds, if that is nothing but text."""
        delta, said = data.get("delta"), {key for key, value in data.items() if value not in (None, [])}
        if not name.endswith(".delta") or not isinstance(delta, str) or not said <= _OF_DELTAS:
            return None
        return Alone("delta", delta, ("obfuscation", "sequence_number"), (name, data))

    def adding(self, alone: Alone) -> Callable[[list[str]], None] | None:
        """What adds more texts after such a one, if there is some already."""
        name, data = alone.where
        index = data.get("output_index")
        item = self._items.get(index) if isinstance(index, int) else None
        text = None if item is None else item.growing(name, data)
        return text.parts.extend if isinstance(text, Pieces) else None

    def response(self) -> dict[str, Any]:
        output = self._snapshot.get("output")
        if self.complete and output:
            return self._snapshot
        items = dict(enumerate(output if isinstance(output, list) else ()))
        items |= {index: item.result() for index, item in self._items.items()}
        return {**settle(self._beside), **self._snapshot, "output": [items[index] for index in sorted(items)]}


class _Item:
    """One entry of `output`, with the lists inside it by position."""

    def __init__(self) -> None:
        self._item: dict[str, Any] = {}
        self._lists: dict[str, dict[int, Any]] = {}
        self._commands: dict[int, dict[str, Any]] = {}

    def add(self, name: str, data: dict[str, Any]) -> None:
        stem, _, verb = name.removeprefix("response.").rpartition(".")
        match stem, verb:
            case "output_item", _:
                self._replace(data.get("item"))
            case "content_part" | "reasoning_summary_part", _:
                self._place(data)
            case "output_text.annotation", "added":
                self._annotate(data)
            case _, "delta":
                self._grow(stem, data)
            case _, "done":
                self._finish(stem, data)
            case _ if verb in _STATUSES and stem == self._item.get("type"):
                self._item["status"] = verb

    def growing(self, name: str, data: dict[str, Any]) -> Any:
        """What the deltas of this name add to."""
        target, field = self._target(name.removeprefix("response.").removesuffix(".delta"), data)
        return target.get(field)

    def result(self) -> dict[str, Any]:
        item = dict(self._item)
        for name, entries in self._lists.items():
            item[name] = [entries[index] for index in sorted(entries)]
        if self._commands:
            action = item.get("action")
            commands = [self._commands[index].get("command") for index in sorted(self._commands)]
            item["action"] = {**(action if isinstance(action, dict) else {}), "commands": commands}
        return settle(item)

    def _replace(self, item: Any) -> None:
        if isinstance(item, dict):
            self._item = item
            self._lists.clear()
            self._commands.clear()

    def _place(self, data: dict[str, Any]) -> None:
        for key, name in _LISTS.items():
            if isinstance(index := data.get(key), int):
                self._entries(name)[index] = data.get("part")

    def _annotate(self, data: dict[str, Any]) -> None:
        part, _ = self._target("output_text", data)
        # Not merged: a file citation has an `index` of its own, which is a position in the text.
        if isinstance(known := part.setdefault("annotations", []), list):
            known.append(data.get("annotation"))

    def _grow(self, stem: str, data: dict[str, Any]) -> None:
        target, field = self._target(stem, data)
        delta = data.get("delta")
        merge(target, delta if isinstance(delta, dict) else {field: delta})
        if data.get("logprobs"):
            merge(target, {"logprobs": data["logprobs"]})

    def _finish(self, stem: str, data: dict[str, Any]) -> None:
        target, field = self._target(stem, data)
        if isinstance(data.get(field), str):
            target[field] = data[field]

    def _target(self, stem: str, data: dict[str, Any]) -> tuple[dict[str, Any], str]:
        """The object that the `stem` events add to, and the name of the field they add to."""
        if isinstance(index := data.get("content_index"), int):
            return self._entry("content", index, stem), "refusal" if stem == "refusal" else "text"
        if isinstance(index := data.get("summary_index"), int):
            return self._entry("summary", index, "summary_text"), "text"
        field = self._field(stem)
        if isinstance(index := data.get("command_index"), int):
            if field == "command":
                return self._commands.setdefault(index, {}), field
            return self._entry("output", index, None), field
        return self._item, field

    def _field(self, stem: str) -> str:
        """`arguments` for `mcp_call_arguments` of an `mcp_call`, so that new kinds of calls need no table."""
        kind = f"{self._item.get('type')}_"
        return stem.removeprefix(kind) if stem.startswith(kind) else stem.rpartition("_")[2]

    def _entry(self, name: str, index: int, kind: str | None) -> dict[str, Any]:
        entries = self._entries(name)
        entry = entries.get(index)
        if not isinstance(entry, dict):
            entry = entries[index] = {"type": kind} if kind else {}
        return entry

    def _entries(self, name: str) -> dict[int, Any]:
        if name not in self._lists:
            known = self._item.get(name)
            self._lists[name] = dict(enumerate(known if isinstance(known, list) else ()))
        return self._lists[name]
