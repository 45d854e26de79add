"""What the index takes of one request, made of what the store has of it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Set
from typing import Any, NamedTuple

from promptlayer_patch._blueprint import Facts, facts_of
from promptlayer_patch._guard import report
from promptlayer_patch.records import Record
from promptlayer_patch.store.indexing.facets import Term, described
from promptlayer_patch.store.indexing.indexed import Indexed
from promptlayer_patch.store.indexing.intents import agent_intent, user_intent
from promptlayer_patch.store.indexing.narrow import NARROW, filled
from promptlayer_patch.store.indexing.segments import END, segmented
from promptlayer_patch.store.indexing.sources import Said, Source
from promptlayer_patch.store.messages import Split, split
from promptlayer_patch.store.text import writable

__all__ = ["Change", "Document", "change_of", "document_then"]


class Document(NamedTuple):
    """A request as it goes into the index, or has gone into it."""

    indexed: Indexed
    row: tuple[int, str, str, str]
    """Of the table `documents`: id, input, output, facets."""
    terms: Set[Term]


class Change(NamedTuple):
    """What is to be written for one request."""

    request_id: int
    before: Document | None
    """What has to be taken out of the index first."""
    after: Document
    said: str | None
    """For the table `indexed`."""
    narrow: tuple[Any, ...]
    split: Split | None


def change_of(source: Source, again: Callable[[bytes], bool]) -> Change:
    """What the index has to do about a request that is new to it, or has changed.

    `again` says of a part's digest whether it has been met before.
    """
    facts = _facts(source.record)
    texts = _texts(facts)
    narrow = filled(source, facts)
    after = _document(_indexed(source, source.said, narrow, facts), texts)
    before = None
    if source.indexed:
        before = _document(_indexed(source, _said_then(source), source.columns, facts), texts)
    said = None if _is_recorded(source) else source.said.encoded()
    parts = None
    if source.record is not None and source.is_whole:
        parts = split(source.text, source.record, again, plain=source.is_plain)
    return Change(source.request_id, before, after, said, tuple(narrow[name] for name in NARROW), parts)


def document_then(source: Source) -> Document | None:
    """What the index has of a request."""
    if not source.indexed:
        return None
    facts = _facts(source.record)
    return _document(_indexed(source, _said_then(source), source.columns, facts), _texts(facts))


def _document(indexed: Indexed, texts: tuple[str, str]) -> Document:
    facets, terms = described(indexed)
    return Document(indexed, (indexed.request_id, *texts, " ".join(sorted(facets))), terms)


def _facts(record: Record | None) -> Facts | None:
    if record is None:
        return None
    try:
        return facts_of(record)
    except Exception as fault:
        # A request that we fail to understand must not keep all others out of the index for ever.
        report("reading a stored request for the index", fault)
        return None


def _texts(facts: Facts | None) -> tuple[str, str]:
    if facts is None:
        return "", ""
    return f"{segmented(facts.input_text)} {END}", f"{segmented(facts.output_text)} {END}"


def _said_then(source: Source) -> Said:
    return _recorded(source) if source.said_then is None else Said.decoded(source.said_then)


def _recorded(source: Source) -> Said:
    """What most requests have: the metadata they came with, and nothing else."""
    metadata = {} if source.record is None else source.record.metadata
    return Said({writable(key): writable(value) for key, value in metadata.items()}, {}, (), None, None)


def _is_recorded(source: Source) -> bool:
    said = source.said
    if said.scores or said.groups or said.prompt or said.trace_id or source.record is None:
        return said == _recorded(source)
    return said.metadata == source.record.metadata or said == _recorded(source)


def _indexed(source: Source, said: Said, narrow: Mapping[str, Any], facts: Facts | None) -> Indexed:
    columns = source.columns
    name, version, label, variables, prompt_id = said.prompt or (None, None, None, "{}", None)
    first_token_at = columns["first_token_at"]
    return Indexed(
        request_id=columns["request_id"],
        record_id=columns["record_id"],
        function_name=columns["function_name"],
        started_at=columns["started_at"],
        duration_s=columns["duration_s"],
        first_token_s=None if first_token_at is None else first_token_at - columns["started_at"],
        model=columns["model"],
        provider=columns["provider"],
        ending=columns["ending"],
        http_status=columns["status"],
        attempts=columns["attempts"],
        pl_status=narrow["pl_status"],
        pl_error_type=narrow["pl_error_type"],
        trace_id=said.trace_id,
        input_tokens=narrow["input_tokens"],
        output_tokens=narrow["output_tokens"],
        cached_tokens=narrow["cached_tokens"],
        thinking_tokens=narrow["thinking_tokens"],
        cost=narrow["cost"],
        shape=narrow["shape"],
        turn_count=narrow["turn_count"],
        tool_call_count=narrow["tool_call_count"],
        tool_names=() if facts is None else _distinct(facts.tool_names),
        output_values={} if facts is None else _writable(facts.output_values),
        user_intent=None if facts is None else user_intent(facts.input_text),
        agent_intent=None if facts is None else agent_intent(facts.output_text),
        tags=source.tags,
        metadata=said.metadata,
        scores=said.scores,
        groups=said.groups,
        prompt_name=name,
        prompt_id=prompt_id,
        prompt_version=version,
        prompt_label=label,
        input_variables=_variables(variables),
    )


def _distinct(names: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(writable(name) for name in names))


def _writable(values: Mapping[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
    return {writable(path): tuple(writable(value) for value in many) for path, many in values.items()}


def _variables(text: str) -> dict[str, str]:
    """A prompt template's variables as texts; what is none, as JSON."""
    if text == "{}":
        return {}
    return {
        writable(name): writable(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))
        for name, value in json.loads(text).items()
    }
