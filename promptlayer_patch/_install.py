"""Switching recording on and off, for the whole process."""

from __future__ import annotations

from promptlayer_patch._guard import report
from promptlayer_patch._options import read_options
from promptlayer_patch._process import checked_options, process

TYPE_CHECKING = False
if TYPE_CHECKING:
    import re
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from typing import TypeAlias

    from promptlayer_patch._delivery.parcels import Stats
    from promptlayer_patch._options import Destination
    from promptlayer_patch._sampling import Sampler
    from promptlayer_patch.records import Record

    Redact: TypeAlias = str | re.Pattern[str] | Callable[[Record], Record]


def install(
    *,
    tags: Iterable[str] | None = None,
    metadata: Mapping[str, str] | None = None,
    api_key: str | None = None,
    base_url: str | None = None,
    to: Destination | Sequence[Destination] | None = None,
    shutdown_timeout_s: float | None = None,
    queue_max_records: int | None = None,
    queue_max_bytes: int | None = None,
    outbox: bool | None = None,
    outbox_max_records: int | None = None,
    outbox_max_bytes: int | None = None,
    record_max_bytes: int | None = None,
    media_max_bytes: int | None = None,
    capture_content: bool | None = None,
    redact: Redact | Sequence[Redact] | None = None,
    sample_rate: Sampler | None = None,
    sample_errors: float | None = None,
    batch: bool | None = None,
    cache_ttl_s: float | None = None,
) -> None:
    """Record every OpenAI call of this process from now on, until `uninstall()`.

    May be called before or after `import openai` (which it does not import), and before or after clients are
    made. A second call replaces the settings of the first. What is not given here is taken from the
    environment variable `PROMPTLAYER_` and the name of the option, then from the default.

    Args:
        tags: put on every request of the process.
        metadata: strings by strings, put on every request.
        api_key: PromptLayer's key.
        base_url: of PromptLayer, or of a server that speaks its protocol.
        to: where records go: `"promptlayer:"`, `"local:[path]"`, `"jsonl:path"`, `"memory:"`, `"console:"`,
            an object with `export(batch)` and `close()`, or a list of these. Left out: PromptLayer if there
            is a key, else the local store.
        shutdown_timeout_s: the longest that delivering the rest may hold up the end of the process, in
            seconds (2).
        queue_max_records: records that may wait in memory before new ones are dropped (10,000).
        queue_max_bytes: bytes that may wait in memory (64 MiB).
        outbox: keep what goes to PromptLayer on disk until it has arrived (true).
        outbox_max_records: records that may wait on disk (1,000,000).
        outbox_max_bytes: bytes that may wait on disk (512 MiB); as it fills up, content is shortened before
            a record is dropped.
        record_max_bytes: the content of a larger record is shortened, largest field first (4 MiB).
        media_max_bytes: larger images and sounds become their type, size and digest (256 KiB).
        capture_content: false keeps names, sizes, usage and timing, and no prompt or answer (true).
        redact: what is taken out of every record before it is kept or sent: names of keys, paths such as
            `"messages[*].content"`, compiled regular expressions, functions from a `Record` to a `Record`, or
            a list of these. API keys and the like are always taken out.
        sample_rate: the part of the calls to record, from 0 to 1, or a function of the method's name and its
            arguments that answers that for one call, or true or false (1).
        sample_errors: the part of the failed calls to record among those that are not sampled (1).
        batch: send what waits for PromptLayer in requests of up to 64 records or 1 MiB, by `/spans-bulk`, at
            a fraction of the processor time (false). What waits alone is sent as always. Of a record that
            went in a batch PromptLayer keeps the prompt blueprint, and not the raw request and answer; it
            stands in a trace of its own with one span. A record of a group, or of another API than chat
            completions, responses, completions and embeddings, always goes by itself. A resent batch
            replaces its spans; whether PromptLayer then makes a second request of each is not documented.
        cache_ttl_s: how long `templates.get` may answer from memory, in seconds (60); 0 always asks.

    Raises `InvalidArgument`, which names the argument or variable that is wrong; nothing is changed then.
    """
    options = read_options(
        tags=tags,
        metadata=metadata,
        api_key=api_key,
        base_url=base_url,
        to=to,
        shutdown_timeout_s=shutdown_timeout_s,
        queue_max_records=queue_max_records,
        queue_max_bytes=queue_max_bytes,
        outbox=outbox,
        outbox_max_records=outbox_max_records,
        outbox_max_bytes=outbox_max_bytes,
        record_max_bytes=record_max_bytes,
        media_max_bytes=media_max_bytes,
        capture_content=capture_content,
        redact=redact,
        sample_rate=sample_rate,
        sample_errors=sample_errors,
        batch=batch,
        cache_ttl_s=cache_ttl_s,
    )
    options = checked_options(options, "to" if to is not None else "PROMPTLAYER_TO")
    try:
        process.install(options)
    except Exception as fault:
        report("installing", fault)
        process.uninstall()


def uninstall() -> None:
    """Stop recording, restore the original methods, and deliver what is queued.

    Waits up to `shutdown_timeout_s` for the delivery. Does nothing if nothing is installed.
    """
    process.uninstall()


def flush(timeout_s: float = 5.0) -> bool:
    """Deliver everything that is queued now; false if `timeout_s` seconds were not enough."""
    pipeline = process.pipeline
    try:
        return pipeline.flush(timeout_s) if pipeline is not None else True
    except Exception as fault:
        report("flushing", fault)
        return False


def stats() -> Stats:
    """What became of the records since `install()`, summed over all destinations."""
    from promptlayer_patch._delivery.parcels import Stats

    pipeline = process.pipeline
    try:
        return pipeline.stats() if pipeline is not None else Stats()
    except Exception as fault:
        report("counting", fault)
        return Stats()
