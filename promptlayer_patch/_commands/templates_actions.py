"""`templates list`, `templates show` and `templates pull`."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, TextIO
from urllib.parse import quote

from promptlayer_patch import templates
from promptlayer_patch._commands import CommandFailed
from promptlayer_patch._commands.progress import progress_on
from promptlayer_patch._commands.showing import Column, plural, table
from promptlayer_patch.templates import PromptTemplate

__all__ = ["pull", "show", "show_list"]

_COLUMNS = (
    Column("name", least=16),
    Column("id", right=True),
    Column("version", right=True),
    Column("model", least=8, rank=1),
    Column("tags", least=8, rank=2),
    Column("commit message", least=10, rank=3),
)
_NAME_LIMIT = 200
"""Characters of a file's name; file systems take 255 bytes."""


def show_list(filters: Mapping[str, Any], out: TextIO, *, as_json: bool) -> int:
    found = list(_all(filters, "listing"))
    if as_json:
        print(json.dumps([_facts(one) for one in found], indent=2), file=out)
    elif not found:
        print("There is no such prompt template.", file=out)
    else:
        table(_COLUMNS, [_cells(one) for one in found], out)
    return 0


def show(
    name: str, version: int | None, label: str | None, variables: dict[str, str] | None, out: TextIO
) -> int:
    """The messages, each under its role; with variables, if there are any, in place."""
    template = templates.get(name, version, label, variables, cache_ttl_s=0)
    takes = ", ".join(template.input_variables) or "none"
    print(f"{template.name}, version {template.version}, id {template.id}; variables: {takes}", file=out)
    for message in template.messages:
        print(f"\n[{message.get('role')}]", file=out)
        print("\n".join(_shown(block) for block in message.get("content") or ()), file=out)
        if message.get("role") == "placeholder":
            print(f"(the messages in the variable {message.get('name')})", file=out)
        for call in message.get("tool_calls") or ():
            print(json.dumps(call, ensure_ascii=False), file=out)
    for block in template["prompt_template"].get("content") or ():
        print(f"\n{_shown(block)}", file=out)
    return 0


def pull(filters: Mapping[str, Any], directory: str, out: TextIO) -> int:
    """One file for each template, named after it, in PromptLayer's own JSON."""
    path = Path(directory).expanduser()
    taken: set[str] = set()
    try:
        path.mkdir(parents=True, exist_ok=True)
        for one in _all(filters, "copying"):
            text = json.dumps(_without_keys(one), indent=2, ensure_ascii=False) + "\n"
            (path / _file_name(one, taken)).write_text(text, encoding="utf-8")
    except OSError as error:
        raise CommandFailed(f"cannot write into {path}: {error.strerror or type(error).__name__}") from None
    print(f"{plural(len(taken), 'prompt template')} written to {path}", file=out)
    return 0


def _all(filters: Mapping[str, Any], doing: str) -> Iterator[PromptTemplate]:
    """With a look at how far it is, where that takes more than one page."""
    listing = templates.all(**filters)
    progress = progress_on(sys.stderr, doing, "prompt templates") if listing.pages > 1 else None
    try:
        for done, one in enumerate(listing, 1):
            if progress is not None:
                progress.show(done, listing.total, "")
            yield one
    finally:
        if progress is not None:
            progress.close()


def _facts(template: PromptTemplate) -> dict[str, Any]:
    return {
        "name": template.name,
        "id": template.id,
        "version": template.version,
        "model": _model(template),
        "tags": template.tags,
        "commit_message": template.get("commit_message"),
    }


def _cells(template: PromptTemplate) -> list[str]:
    facts = _facts(template)
    return [
        facts["name"],
        str(facts["id"]),
        str(facts["version"] or "-"),
        facts["model"] or "-",
        ", ".join(facts["tags"]),
        facts["commit_message"] or "",
    ]


def _model(template: PromptTemplate) -> str | None:
    model = (template.get("metadata") or {}).get("model") or {}
    name: str | None = model.get("name")
    return name


def _shown(block: Any) -> str:
    if isinstance(block, Mapping) and isinstance(block.get("text"), str):
        return str(block["text"])
    return json.dumps(block, ensure_ascii=False)


def _without_keys(template: PromptTemplate) -> dict[str, Any]:
    """PromptLayer may name the key of a provider of the user's own."""
    provider = template.get("custom_provider")
    if not isinstance(provider, Mapping):
        return dict(template)
    return {**template, "custom_provider": {**provider, "api_key": None}}


def _file_name(template: PromptTemplate, taken: set[str]) -> str:
    """Safe on every file system, of which some take capitals for small letters."""
    stem = quote(template.name, safe=" ()[]+,=@").rstrip(" .") or "template"
    if stem.startswith("."):
        stem = f"%2E{stem[1:]}"
    if len(stem) > _NAME_LIMIT or stem.lower() in taken:
        stem = f"{stem[:_NAME_LIMIT]}-{template.id}"
    taken.add(stem.lower())
    return f"{stem}.json"
