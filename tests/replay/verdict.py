"""What is wrong with calls that were made twice, bare and with us installed; and how many there were."""

from __future__ import annotations

import json
from collections.abc import Iterator

import openai

from .cases import Case
from .comparing import differs_from_recording, first_difference
from .expecting import expected_records, problems_of
from .runs import Played, Run
from .tally import Tally


def problems_between(case: Case, bare: Run, ours: Run, *, is_async: bool) -> Iterator[str]:
    """One line for everything that is not as promised."""
    for without, with_us in zip(bare.played, ours.played, strict=True):
        where = f"{'async' if is_async else 'sync'} {without.call.name}"
        for problem in _problems(case, without, with_us, is_async=is_async):
            yield f"{where}: {problem}"


def why_not_replayed(played: Played) -> str | None:
    """Why this openai, by itself, does not make the recorded request; `None` where it does."""
    account = played.account
    if not account.sent:
        return f"{played.call.name} refused with {type(account.error).__name__} before a request was made"
    if played.path == "embeddings.create":
        recorded, sent = json.loads(played.call.exchanges[0].request_body), json.loads(account.sent[0].body)
        if "encoding_format" in recorded and "encoding_format" not in sent:
            return "embeddings.create answered in base64, which this openai asks for only where numpy is"
    return None


def count(tally: Tally, case: Case, mode: str, run: Run) -> None:
    """Add a run of the case to the counts; what could not be played is counted as well."""
    tally.runs.add((case.id, mode))
    tally.count(mode, "cases", int(bool(run.played)))
    for call in run.left_out:
        tally.leave_out(f"{call.name} is not there", call.variant)
    for played in run.played:
        reason = why_not_replayed(played)
        if reason is not None:
            tally.leave_out(reason, played.call.variant)
            continue
        tally.count(mode, "calls" if played.call.variant is None else "variants")
        tally.count(mode, "requests", len(played.account.sent))
        tally.count(mode, "chunks and events", len(played.account.items or ()))
        tally.count(mode, "records", len(played.records))
        tally.count(mode, "calls that leave none", 1 - expected_records(played))
        for name in played.strange:
            tally.adapted[f"{played.path}({name}=)"] += 1


def _problems(case: Case, bare: Played, ours: Played, *, is_async: bool) -> Iterator[str]:
    differences = [
        first_difference(bare.account.sent, ours.account.sent, "request"),
        first_difference(bare.account.facts, ours.account.facts, "result"),
    ]
    reason = why_not_replayed(bare)
    if reason is None:
        differences += [_unlike_recording(bare), *_unrecorded(case, ours, is_async=is_async)]
    elif not bare.account.sent and ours.records:
        differences.append(f"{len(ours.records)} records without a request")
    yield from (difference for difference in differences if difference is not None)


def _unlike_recording(bare: Played) -> str | None:
    """A replay that is not the recorded conversation would prove nothing."""
    raised = bare.account.error and type(bare.account.error).__name__
    if raised != bare.call.raises:
        return f"openai {openai.__version__} by itself raised {raised}: {bare.account.error}"
    return differs_from_recording(bare.call, bare.account.sent)


def _unrecorded(case: Case, ours: Played, *, is_async: bool) -> list[str]:
    expected = expected_records(ours)
    if len(ours.records) != expected:
        names = ", ".join(record.function_name for record in ours.records)
        return [f"{len(ours.records)} records instead of {expected} ({names})"]
    return [
        problem for record in ours.records for problem in problems_of(record, ours, case, is_async=is_async)
    ]
